"""What is stored: read again as it was, by the first edition's and the published connector's rules too."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.audit_api.events import Event, uuid_key
from cyberark_modules.checkpoint.coverage import Coverage, Gap, GapState
from cyberark_modules.checkpoint.encoding import BadCheckpoint, NothingCollected, decode, encode
from cyberark_modules.checkpoint.seen import Seen
from cyberark_modules.checkpoint.stream import Position, Stream, Use
from cyberark_modules.checkpoint.value import Checkpoint, Held

NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
UUIDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(1500)]

times = st.integers(NOW - HOUR_MS, NOW)
unread = st.builds(Gap, times, times, failures=st.integers(0, 9))
gaps = st.one_of(
    unread,
    st.builds(Gap.in_state, unread, st.just(GapState.NARROWED), st.integers(1, 500)),
    st.builds(Gap.in_state, unread, st.just(GapState.SKIPPED), st.just(1), search_ms=st.integers(1, HOUR_MS)),
    st.builds(
        Gap.in_state, unread, st.just(GapState.UNSERVABLE), st.none() | st.just(1), retry_ms=st.integers(1, NOW)
    ),
)
positions = st.builds(Position, st.text(), times)
streams = st.builds(
    Stream,
    use=st.sampled_from(Use),
    start_ms=times,
    end_ms=st.none() | times,
    opened_ms=times,
    cursor=st.text(),
    page_size=st.integers(1, 1000),
    dates=st.lists(times, max_size=16).map(tuple),
    latest_ms=times,
    disorder_ms=times,
    trail=st.lists(positions, max_size=3).map(tuple),
    frontier=st.text(),
    longest_page=st.integers(0, 1000),
    empty_pages=st.integers(0, 9),
    repeated_pages=st.integers(0, 9),
)
# With lone surrogates, which only the standard library's JSON writes.
any_text = st.text(st.characters(codec=None, exclude_categories=()))
held = st.builds(Held, any_text, st.none() | st.text(), st.integers(0, 599), times, st.integers(1, 9))


def event(number: int, time_ms: int | None) -> Event:
    return Event(str(number), uuid_key(UUIDS[number]), time_ms, UUIDS[number])


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    delivered = draw(st.sets(st.tuples(st.integers(0, 1499), st.none() | times), max_size=20))
    events = [event(number, time_ms) for number, time_ms in delivered]
    return Checkpoint(
        coverage=Coverage(draw(times), draw(times), draw(st.lists(gaps, max_size=3).map(tuple))),
        streams=draw(st.lists(streams, max_size=3).map(tuple)),
        seen=replace(Seen().with_events(events, draw(times), NOW), complete_from_ms=draw(times)),
        held=draw(st.lists(held, max_size=2).map(tuple)),
        position_ms=draw(times),
        queried_ms=draw(st.none() | times),
        overlap_ms=draw(st.none() | st.integers(0, HOUR_MS)),
        query_key=draw(st.text()),
        tenant_id=draw(st.text()),
        recent=tuple(UUIDS[:3]),
    )


@given(checkpoints())
def test_what_is_stored_is_what_is_read(checkpoint: Checkpoint) -> None:
    assert decode(encode(checkpoint), NOW) == checkpoint


def iso(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat()


def stored(checkpoint: Checkpoint) -> Any:
    return json.loads(encode(checkpoint))


def test_a_future_watermark_is_cut_back_with_what_lies_before_it() -> None:
    """A clock was a year ahead: what happened since would never be asked for."""
    ahead = NOW + 365 * 24 * HOUR_MS
    gaps = (Gap(NOW - HOUR_MS, NOW - 5000), Gap(NOW - 1000, NOW + 1000), Gap(NOW + 2000, NOW + 3000))
    checkpoint = decode(encode(Checkpoint(Coverage(ahead, ahead, gaps), position_ms=ahead)), NOW)
    assert checkpoint.coverage == Coverage(NOW, NOW, (Gap(NOW - HOUR_MS, NOW - 5000), Gap(NOW - 1000, NOW)))
    assert checkpoint.position_ms == NOW


def test_a_future_position_alone_is_cut_back_too() -> None:
    checkpoint = decode(encode(Checkpoint(Coverage(NOW, NOW), position_ms=NOW + HOUR_MS)), NOW)
    assert checkpoint == Checkpoint(Coverage(NOW, NOW), position_ms=NOW)


@pytest.mark.parametrize("position_ms", [NOW - 5000, NOW - 3 * HOUR_MS])
def test_after_a_downgrade_nothing_that_is_missing_is_skipped(position_ms: int) -> None:
    gap = Gap(NOW - 2 * HOUR_MS, NOW - HOUR_MS)
    document = stored(Checkpoint(Coverage(NOW, 0, (gap,)), position_ms=position_ms, recent=tuple(UUIDS[:7])))
    assert document["most_recent_date_seen"] == iso(min(position_ms, NOW - 2 * HOUR_MS))
    assert document["events_cache"] == UUIDS[:7]


def test_before_anything_is_delivered_the_date_is_the_watermark() -> None:
    assert stored(Checkpoint(Coverage(NOW - HOUR_MS, 0)))["most_recent_date_seen"] == iso(NOW - HOUR_MS)


def test_the_published_connector_is_read_on_from() -> None:
    state = {"most_recent_date_seen": iso(NOW - 5000), "events_cache": UUIDS[:1000]}
    checkpoint = decode(json.dumps(state).encode(), NOW)
    assert checkpoint.coverage == Coverage(NOW - 5000, NOW - 5000)
    assert checkpoint.overlap_ms == 0  # the start goes back by the whole of it
    assert checkpoint.position_ms == NOW - 5000
    assert checkpoint.recent == tuple(UUIDS[:1000])
    assert event(999, NOW - 4000) in checkpoint.seen
    assert event(1000, NOW - 4000) not in checkpoint.seen


def test_the_published_connector_that_followed_an_event_dated_ahead_is_not_followed() -> None:
    checkpoint = decode(json.dumps({"most_recent_date_seen": iso(NOW + HOUR_MS), "events_cache": []}).encode(), NOW)
    assert checkpoint.coverage.watermark_ms == NOW
    assert checkpoint.position_ms == NOW


def test_a_list_of_uuids_that_is_none_costs_nothing_else() -> None:
    checkpoint = decode(json.dumps({"most_recent_date_seen": iso(NOW), "events_cache": 5}).encode(), NOW)
    assert checkpoint.coverage.watermark_ms == NOW
    assert checkpoint.recent == ()


def test_where_the_published_connector_has_gone_on_from_our_state_it_is_believed() -> None:
    document = stored(Checkpoint(Coverage(NOW - HOUR_MS, 0), position_ms=NOW - HOUR_MS))
    document |= {"most_recent_date_seen": iso(NOW - 9000), "events_cache": UUIDS[:9]}
    checkpoint = decode(json.dumps(document).encode(), NOW)
    assert checkpoint.coverage.watermark_ms == NOW - 9000
    assert event(8, NOW) in checkpoint.seen


@pytest.mark.parametrize("content", [b"{}", b'{"most_recent_date_seen": null, "events_cache": []}'])
def test_the_published_connector_that_has_seen_nothing_leaves_a_first_run(content: bytes) -> None:
    with pytest.raises(NothingCollected):
        decode(content, NOW)


def first_edition(**collection: Any) -> bytes:
    """What the first edition stored, as of its last release."""
    settled = {"settled_ms": NOW - 300_000, "position_ms": NOW - 4000, "query_ms": NOW - 30_000}
    document = {
        "settled": iso(NOW - 300_000),
        "most_recent_date_seen": iso(NOW - 4000),
        "events_cache": UUIDS[:2],
        "collection": {
            "progress": settled | {"sweep": None, "head": None},
            "queried": "500 {}",
            "most_recent_date_seen": iso(NOW - 4000),
            "slots": {str((NOW - 4000) // 10_000): packed(0, 1), str((NOW - 100_000) // 10_000): packed(2)},
            "undated": {packed(3): NOW - 50_000},
            "misplaced": {packed(4): NOW - 50_000},
        }
        | collection,
    }
    return json.dumps(document).encode()


def packed(*numbers: int) -> str:
    return b64encode(b"".join(uuid_key(UUIDS[number]) for number in numbers)).decode()


def test_the_first_edition_is_read_on_from_and_remembers_all_that_it_knew() -> None:
    checkpoint = decode(first_edition(), NOW)
    assert checkpoint.coverage == Coverage(NOW - 300_000, NOW - 300_000)
    assert (checkpoint.position_ms, checkpoint.queried_ms) == (NOW - 4000, NOW - 30_000)
    assert checkpoint.seen.complete_from_ms == NOW - 300_000
    assert checkpoint.streams == ()
    assert checkpoint.overlap_ms is None  # what it settled lies an overlap back already
    assert checkpoint.recent == tuple(UUIDS[:2])
    known = [event(0, NOW - 4000), event(1, NOW - 4001), event(2, NOW - 100_000)]
    known += [event(3, None), event(4, NOW - HOUR_MS)]
    assert all(each in checkpoint.seen for each in known)
    assert event(5, NOW - 4000) not in checkpoint.seen


def test_the_first_edition_before_it_knew_misplaced_events() -> None:
    document = json.loads(first_edition())
    del document["collection"]["misplaced"]
    assert event(3, None) in decode(json.dumps(document).encode(), NOW).seen


def test_the_first_editions_future_is_cut_back_too() -> None:
    ahead = {"settled_ms": NOW + HOUR_MS, "position_ms": NOW + HOUR_MS, "query_ms": None}
    assert decode(first_edition(progress=ahead), NOW).coverage == Coverage(NOW, NOW)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\x00" * 50,
        b'{"collection": 5}',
        b'{"most_recent_date_seen": "soon"}',
        json.dumps({"most_recent_date_seen": None, "events_cache": UUIDS[:1]}).encode(),
        first_edition(progress=5),
        first_edition(progress={"settled_ms": "x"}),
        first_edition(progress={}),
        first_edition(slots={"1": "?"}),
        first_edition(slots={"1": "AAAA"}),
        first_edition(undated={"?": 1}),
        first_edition(progress={"settled_ms": -1, "position_ms": 1}),
        first_edition(progress={"settled_ms": 1, "position_ms": 10**18}),
    ],
)
def test_a_damaged_state_is_no_first_run(content: bytes) -> None:
    with pytest.raises(BadCheckpoint) as raised:
        decode(content, NOW)
    assert not isinstance(raised.value, NothingCollected)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("coverage", "watermark_ms"), -1),
        (("coverage", "watermark_ms"), 10**18),
        (("position_ms",), 10**18),
        (("coverage",), None),
        (("streams",), [{}]),
        (("dated",), {"1": "AAAA"}),
        (("format",), "two"),
    ],
)
def test_a_collection_that_is_damaged_is_not_gone_on_from(path: tuple[str, ...], value: Any) -> None:
    document = stored(Checkpoint(Coverage(NOW - HOUR_MS, 0), position_ms=NOW - 5))
    part = document["collection"]
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(BadCheckpoint):
        decode(json.dumps(document).encode(), NOW)


@given(st.data())
def test_a_state_cut_anywhere_is_never_taken_for_another(data: st.DataObject) -> None:
    events = [event(number, NOW - number) for number in range(30)]
    whole = encode(Checkpoint(Coverage(NOW - HOUR_MS, 0), seen=Seen().with_events(events, 0, NOW)))
    with pytest.raises(BadCheckpoint):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))], NOW)
