"""What is read out of a page of results, however odd an event in it is."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.audit_api.events import Page, decode_cursor, read_event, split_page, to_epoch_ms

UUID = "5fe03d80-98b2-4857-8288-1a0a0ff03e47"
DAY_MS = 1739269449904


def read_page(body: bytes) -> Page:
    return split_page(body).read()


def page(*texts: str, cursor: str = "next") -> bytes:
    body = '{"data": [' + " , ".join(texts) + '], "paging": {"cursor": {"cursorRef": "' + cursor + '"}}}'
    return body.encode("utf-8", "surrogatepass")


ODD = [
    f'{{"uuid":"{UUID}","message":"cut emoji \\ud83d","timestamp":{DAY_MS}}}',
    f'{{"uuid":"{UUID}","n":123456789012345678901234567890,"f":1.10,"e":1E+2}}',
    f'{{"uuid":"{UUID}","message":"brackets ]}}{{[ and \\" a quote, \\\\"}}',
    '{"a":"' + "x" * 300_000 + '"}',
    "12",
    "null",
    '"text"',
    '[1, {"a": 2}]',
    "{}",
    '{"uuid":"a\\ud83d"}',
    '{"\\ud83d":1}',
    '{"not a number": NaN}',
    '{"control": "a\tb"}',
    "[" * 300 + "]" * 300,
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_each_event_keeps_the_text_that_the_api_sent_whatever_stands_beside_it(odd: str) -> None:
    before, after = f'{{"uuid":"{UUID}","timestamp":1}}', '{ "message" : "last", "x": [ ] }'
    read = read_page(page(before, odd, after))
    assert [event.text for event in read.events] == [before, odd, after]
    assert read.cursor == "next"


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ('{\n "a": 1,\r\n "b": [\n]\r}', '{ "a": 1, "b": []}'),
        ('{"a": "x\ny\r", "b":\n"\\" \n"}', '{"a": "x\\ny\\r", "b":"\\" \\n"}'),
        ('{"n": 123456789012345678901234567890.10E+2,\n"s": "\\ud83d"}', None),
        ('{"a": "\\n\\r"}', '{"a": "\\n\\r"}'),
        ('{"a":\t"\u2028\x85"}', '{"a":\t"\u2028\x85"}'),
    ],
)
@pytest.mark.parametrize("beside", ["{}", '{"cut":"\\ud83d"}'], ids=["strict", "lenient"])
def test_an_event_with_line_breaks_becomes_one_line_and_no_other_changes(
    sent: str, line: str | None, beside: str
) -> None:
    events = read_page(page(beside, sent)).events
    assert [event.text for event in events] == [beside, sent.replace("\n", "") if line is None else line]


def test_two_events_of_one_uuid_in_a_page_stay_two() -> None:
    texts = [f'{{"uuid":"{UUID}","a":{number}}}' for number in (1, 2)]
    first, second = read_page(page(*texts)).events
    assert first.key == second.key
    assert (first.text, second.text) == tuple(texts)


@pytest.mark.parametrize("cursor", ["\\ud83d cut", "a\\udc00"])
def test_a_cursor_that_utf_8_cannot_hold_is_kept_as_its_json(cursor: str) -> None:
    kept = read_page(page("{}", cursor=cursor)).cursor
    assert kept == f'"{cursor}"'
    assert decode_cursor(kept) == json.loads(kept)


def test_a_page_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="deeply"):
        read_page(page("[" * 100_000 + "]" * 100_000))


@pytest.mark.parametrize(
    "body",
    [
        '{"a":"\\ud83d"}',
        '{"data":{"a":"\\ud83d"}}',
        '{"data":"\\ud83d"}',
        '{"data":["\\ud83d"]} x',
        '{"data":["\\ud83d"],}',
        '{"data":["\\ud83d",]}',
        '{"data":["\\ud83d" 1]}',
        '["\\ud83d"]',
        '{"\\ud83d"}',
        "{[]:1}",
    ],
)
def test_what_is_no_page_is_refused_by_the_lenient_reading_too(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_page(body.encode())


def test_the_lenient_reading_finds_data_and_cursor_wherever_they_stand() -> None:
    read = read_page(
        b'{ "x":NaN, "paging": {"cursor": {"cursorRef": "c"}}, "data" : [ 1 , "\\ud83d" ] , "y": -1e999 }'
    )
    assert [event.text for event in read.events] == ["1", '"\\ud83d"']
    assert read.cursor == "c"
    assert read_page(b'{"data": null, "x": "\\ud83d"}').events == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=6), st.booleans(), st.sampled_from([None, 1]))
def test_a_page_of_any_json_is_cut_into_the_texts_it_was_made_of(
    values: list[object], is_ascii: bool, indent: int | None
) -> None:
    texts = [json.dumps(value, ensure_ascii=is_ascii, indent=indent) for value in values]
    body = page(*texts).decode("utf-8", "replace")
    read = read_page(page(*texts))
    lines = [text.replace("\n", "") for text in texts]  # the intake's parser takes one line
    assert [event.text for event in read.events] == [line.encode("utf-8", "replace").decode() for line in lines] or (
        "\ufffd" in body
    )


@given(st.integers(0, 400))
def test_a_page_that_was_cut_is_refused(kept: int) -> None:
    whole = page(*ODD[:3], *ODD[4:8])
    cut = whole[: min(kept, len(whole) - 1)]
    with pytest.raises(ValueError, match=r"."):
        read_page(cut)


@pytest.mark.parametrize(
    ("body", "events", "cursor"),
    [
        (b'{"data": [], "paging": {"cursor": {"cursorRef": "c"}}}', 0, "c"),
        (b'{"data": null}', 0, None),
        (b'{"paging": null, "data": []}', 0, None),
        (b'{"data": [{}], "paging": {}}', 1, None),
        (b'{"data": [{}], "paging": {"cursor": null}}', 1, None),
        (b'{"data": [{}], "paging": {"cursor": {"cursorRef": null}}, "unknown": [1]}', 1, None),
        (b'{"data": [{}], "paging": {"cursor": {"cursorRef": 5}}}', 1, None),
        (b'{"data": [{}], "paging": []}', 1, None),
    ],
)
def test_every_known_end_of_a_stream_is_read(body: bytes, events: int, cursor: str | None) -> None:
    read = read_page(body)
    assert (len(read.events), read.cursor) == (events, cursor)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"12",
        b'{"data": {}}',
        b'{"data": "x"}',
        b'{"data": []} x',
        b"{}",
        b'{"errorMessage": "Task timed out"}',
    ],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_page(body)


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(
    ("timestamp", "epoch_ms"),
    [
        (DAY_MS, DAY_MS),
        (str(DAY_MS), DAY_MS),
        (f" {DAY_MS} ", DAY_MS),
        (float(DAY_MS), DAY_MS),
        (1739269449.904, DAY_MS),
        (1739269449, 1739269449000),
        ("2025-02-11T10:24:09.904Z", DAY_MS),
        ("2025-02-11T12:24:09.904+02:00", DAY_MS),
        ("2025-02-11T10:24:09.904", DAY_MS),
        (None, None),
        (True, None),
        ("", None),
        ("soon", None),
        (0, None),
        (-5, None),
        (float("inf"), None),
        (DAY_MS * 1000, DAY_MS),
        (DAY_MS * 1_000_000, DAY_MS),
        (float(DAY_MS) * 1000, DAY_MS),
        (10**30, None),
        (10**400, None),
        ("1" * 400, None),
        ([], None),
        ("9999-12-31T23:59:59-23:00", None),
    ],
)
@pytest.mark.usefixtures("far_east")
def test_a_timestamp_is_read_in_every_form_seen(timestamp: object, epoch_ms: int | None) -> None:
    assert to_epoch_ms(timestamp) == epoch_ms


def test_an_event_is_known_by_its_uuid_even_if_its_content_changes() -> None:
    first, second = (read_event(f'{{"uuid":"{UUID}","a":{number}}}') for number in (1, 2))
    assert first.key == second.key
    assert first.uuid == UUID


@pytest.mark.parametrize(
    "uuid",
    ["null", "7", '""', '"unknown"', '"n/a"', "{}", '"00000000-0000-0000-0000-000000000000"', '"cut \\ud83d"'],
)
def test_an_event_without_a_usable_uuid_is_known_by_its_content(uuid: str) -> None:
    one, same, other = (read_event(f'{{"uuid":{uuid},"a":{number}}}') for number in (1, 1, 2))
    assert one.key == same.key
    assert one.key != other.key


@given(st.text(string.printable))
def test_any_text_can_be_read_as_an_event(text: str) -> None:
    assert read_event(text).text == text


@pytest.mark.parametrize("uuid", ['"cut \\ud83d"', f'"{"x" * 5000}"', '"a\\nb"', '""'])
def test_a_uuid_that_cannot_be_stored_or_shown_is_none(uuid: str) -> None:
    assert read_event(f'{{"uuid":{uuid}}}').uuid is None
