"""What is read out of a page of results, however odd an event in it is."""

import json
import math
import string
from contextlib import suppress
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.events import Event, read_page, to_epoch_ms, uuid_key

UUID = "5fe03d80-98b2-4857-8288-1a0a0ff03e47"
DAY_MS = 1739269449904


def page(*texts: str, cursor: str = "next") -> bytes:
    body = '{"data": [' + " , ".join(texts) + '], "paging": {"cursor": {"cursorRef": "' + cursor + '"}}}'
    return body.encode("utf-8", "surrogatepass")


def event(text: str) -> Event:
    return read_page(page(text)).events[0]


ODD = [
    f'{{"uuid":"{UUID}","message":"cut emoji \\ud83d","timestamp":{DAY_MS}}}',
    f'{{"uuid":"{UUID}","n":{"9" * 5000},"f":1.10,"e":1E+2}}',
    f'{{"uuid":"{UUID}","message":"brackets ]}}{{[ and \\" a quote, \\\\"}}',
    '{"a":"' + "x" * 200_000 + '"}',
    '{"a":"é 😀 \u2028"}',
    "12",
    '"text"',
    '[1, {"a": 2}]',
    '{"\\ud83d":1}',
    '{"not a number": NaN}',
    '{"control": "a\tb"}',
    '{"a":' * 2000 + '"deep ]"' + "}" * 2000,
    '{"broken": [1,, "]}"], undefined}',
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_each_event_keeps_the_text_that_the_api_sent_whatever_is_alongside_it(odd: str) -> None:
    before, after = f'{{"uuid":"{UUID}","timestamp":1}}', '{ "message" : "last", "x": [ ] }'
    read = read_page(page(before, odd, after))
    assert [event.text for event in read.events] == [before, odd, after]
    assert read.cursor == "next"


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ('{\n "a": 1,\r\n "b": [\n]\r}', '{ "a": 1, "b": []}'),
        ('{"a": "x\ny\r", "b":\n"\\" \n"}', '{"a": "x\\ny\\r", "b":"\\" \\n"}'),
        ('{"n": 123456789012345678901234567890.10E+2,\n"s": "\\ud83dé"}', None),
        ('{"a": "\\n\\r"}', '{"a": "\\n\\r"}'),
        ('{"a":\t"\u2028\x85"}', '{"a":\t"\u2028\x85"}'),
    ],
)
def test_an_event_with_line_breaks_becomes_one_line_and_no_other_changes(sent: str, line: str | None) -> None:
    assert event(sent).text == (sent.replace("\n", "") if line is None else line)


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert read_page(page('{"a":"?"}').replace(b"?", b"\xff")).events[0].text == '{"a":"\ufffd"}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_a_page_of_any_json_is_cut_into_the_texts_it_was_made_of(
    values: list[object], is_ascii: bool, indent: int | None
) -> None:
    texts = [json.dumps({"a": value}, ensure_ascii=is_ascii, indent=indent) for value in (*values, math.nan)]
    lines = [text.replace("\n", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace") for text in texts]
    assert [event.text for event in read_page(page(*texts)).events] == lines
    assert [event.text for event in read_page(page(*texts[:-1])).events] == lines[:-1]  # read by the strict parser


@given(st.lists(st.text(string.printable), min_size=1, max_size=4))
def test_whatever_is_in_a_page_it_is_read_or_fails_as_a_page(texts: list[str]) -> None:
    with suppress(ValueError):
        assert read_page(page(*texts)).cursor == "next"


@given(st.integers(0, 400))
def test_a_page_that_was_cut_fails(kept: int) -> None:
    whole = page(ODD[0], ODD[2], *ODD[5:11], ODD[12])
    with pytest.raises(ValueError, match=r"."):
        read_page(whole[: min(kept, len(whole) - 1)])


@pytest.mark.parametrize(
    ("body", "count", "cursor"),
    [
        (b'{"data": [], "paging": {"cursor": {"cursorRef": "c"}}}', 0, "c"),
        (b'\xef\xbb\xbf { "x":NaN, "paging": {"cursor": {"cursorRef": "c"}}, "data" : [ 1 , "\\ud83d" ] }', 2, "c"),
        (b'{"data": null}', 0, None),
        (b'{"paging": null, "data": []}', 0, None),
        (b'{"data": [{}], "paging": {}}', 1, None),
        (b'{"data": [{}], "paging": {"cursor": null}}', 1, None),
        (b'{"data": [{}], "paging": {"cursor": {"cursorRef": null}}, "unknown": [1]}', 1, None),
        (b'{"data": [{}], "paging": {"cursor": {"cursorRef": 5}}}', 1, None),
        (b'{"data": [{}], "paging": []}', 1, None),
        (b'{"paging": {"cursor": {"cursorRef": "\\"data\\":[1]"}}, "data": [{}]}', 1, '"data":[1]'),
    ],
)
def test_every_known_end_of_a_stream_is_read(body: bytes, count: int, cursor: str | None) -> None:
    read = read_page(body)
    assert (len(read.events), read.cursor) == (count, cursor)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"12",
        b"{}",
        b'{"data": {}}',
        b'{"data": "x"}',
        b'{"data": []} x',
        b'{"data": [1 2]}',
        b'{"data": [1,]}',
        b'{"data": [{"a": "no end}]}',
        b'{"a": {"data": [1]}}',
        b'{"errorMessage": "Task timed out"}',
        b'{"data": [], "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=lambda body: str(body[:30]),
)
def test_what_is_no_page_fails(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError), match=r"."):
        read_page(body)


NO_TIMES: list[object] = [None, True, "", "soon", [], 99_999_999_999, DAY_MS * 1000, float("nan"), 10**400, "1" * 400]


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(
    ("timestamp", "epoch_ms"),
    [
        (DAY_MS, DAY_MS),
        (f" {DAY_MS} ", DAY_MS),
        (1e11, 100_000_000_000),
        ("2025-02-11T10:24:09.904Z", DAY_MS),
        ("2025-02-11T12:24:09.904+02:00", DAY_MS),
        ("2025-02-11T10:24:09.904", DAY_MS),
        ("9999-12-31T23:59:59-23:00", None),
        *[(other, None) for other in NO_TIMES],
    ],
)
def test_a_timestamp_is_milliseconds_a_text_of_them_or_a_date(timestamp: object, epoch_ms: int | None) -> None:
    assert to_epoch_ms(timestamp) == epoch_ms


def test_an_event_is_known_by_its_uuid_and_its_timestamp() -> None:
    """One uuid for different events was reported for other vendors' audit feeds."""

    def known(uuid: str, timestamp: str, more: int) -> Event:
        return event(f'{{"uuid":{uuid},"timestamp":{timestamp},"more":{more}}}')

    first = known(f'"{UUID}"', str(DAY_MS), 1)
    assert (first.uuid, first.time_ms, len(first.key)) == (UUID, DAY_MS, 12)
    assert known(f'"{UUID}"', f'"{DAY_MS}"', 2).key == first.key
    assert known(f'"{UUID}"', str(DAY_MS + 1), 1).key != first.key
    assert first.key != uuid_key(UUID) == blake2b(UUID.encode(), digest_size=12).digest()


@pytest.mark.parametrize(
    ("uuid", "timestamp"),
    [
        *[(uuid, DAY_MS) for uuid in ("null", "7", "{}", '"unknown"', '"cut \\ud83d"')],
        (f'"{UUID}"', "null"),
    ],
)
def test_an_event_without_a_usable_uuid_or_timestamp_is_known_by_its_text(uuid: str, timestamp: object) -> None:
    one, same, other = (event(f'{{"uuid":{uuid},"timestamp":{timestamp},"a":{number}}}') for number in (1, 1, 2))
    assert one.key == same.key != other.key
    assert one.uuid == (UUID if UUID in uuid else None)
