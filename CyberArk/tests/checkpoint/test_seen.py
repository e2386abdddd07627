"""Seen: reading again delivers nothing twice, in bounded memory."""

import pytest

from cyberark_modules.audit_api.events import Event
from cyberark_modules.checkpoint import seen as module
from cyberark_modules.checkpoint.coverage import Interval
from cyberark_modules.checkpoint.seen import AHEAD_AT_MOST_MS, BUCKET_MS, KEPT_MS, Bucket, Seen

NOW = 1_800_000_000_000  # the beginning of a minute
HOUR_MS = 3_600_000


def event(number: int, time_ms: int | None) -> Event:
    return Event(str(number), number.to_bytes(12, "big"), time_ms, None)


def of(*events: Event, late_before_ms: int = 0, now_ms: int = NOW) -> Seen:
    return Seen().with_events(events, late_before_ms, now_ms)


def test_what_was_delivered_is_known_and_nothing_else() -> None:
    seen = of(event(1, NOW), event(2, NOW - 1), event(3, None))
    assert all(each in seen for each in (event(1, NOW), event(2, NOW - 1), event(3, None)))
    assert event(4, NOW) not in seen
    assert len(seen) == 3


def test_the_same_event_takes_its_place_once() -> None:
    seen = of(event(1, NOW)).with_events([event(1, NOW), event(2, NOW)], 0, NOW)
    assert len(seen) == 2
    assert Seen.of(seen.dated, seen.late, 0).size == 2


def test_a_bucket_is_stored_and_read_again() -> None:
    bucket = Bucket().with_keys([b"a" * 12, b"b" * 12]).with_keys([b"b" * 12, b"c" * 12])
    assert Bucket.unpacked(bucket.packed) == bucket
    assert len(bucket.keys) == 3
    with pytest.raises(ValueError, match="unexpected length"):
        Bucket.unpacked("AAAA")


@pytest.mark.parametrize(("offset_ms", "is_kept"), [(0, True), (-1, False), (BUCKET_MS - 1, True)])
def test_the_bucket_where_the_needed_time_begins_is_kept(
    offset_ms: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    seen = of(event(1, NOW + offset_ms)).pruned([Interval(NOW, NOW + BUCKET_MS)], NOW)
    assert (event(1, NOW + offset_ms) in seen) is is_kept


def test_a_needed_time_that_begins_within_a_bucket_keeps_the_whole_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    seen = of(event(1, NOW), event(2, NOW - 1)).pruned([Interval(NOW + 59_999, NOW + 60_000)], NOW)
    assert event(1, NOW) in seen
    assert event(2, NOW - 1) not in seen
    assert seen.complete_from_ms == NOW


def test_the_bucket_where_the_needed_time_ends_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    late_in_it, after_it = event(1, NOW + 59_999), event(2, NOW + 60_000)
    seen = of(late_in_it, after_it).pruned([Interval(NOW - BUCKET_MS, NOW)], NOW)
    assert late_in_it in seen
    assert after_it not in seen


def test_beyond_what_is_needed_a_day_is_kept_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 10)
    events = [event(number, NOW - number * BUCKET_MS) for number in range(30)]
    seen = of(*events).pruned([Interval(NOW - 3 * BUCKET_MS, NOW)], NOW)
    assert [each in seen for each in events] == [number < 10 for number in range(30)]
    assert seen.complete_from_ms == NOW - 9 * BUCKET_MS
    assert (seen.size, seen.evicted) == (10, 0)
    # What of the last day is forgotten is counted.
    assert seen.forgotten == 20


def test_after_a_day_what_is_not_needed_goes_although_there_is_room() -> None:
    kept, gone = event(1, NOW - KEPT_MS), event(2, NOW - KEPT_MS - BUCKET_MS)
    seen = of(kept, gone).pruned([], NOW)
    assert kept in seen
    assert gone not in seen
    assert seen.complete_from_ms == (NOW - KEPT_MS) // BUCKET_MS * BUCKET_MS
    assert seen.forgotten == 0


def test_what_is_needed_may_exceed_the_budget_but_not_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 10)
    monkeypatch.setattr(module, "NEEDED_AT_MOST", 20)
    monkeypatch.setattr(module, "NEEDED_KEPT", 15)
    events = [event(number, NOW - number * BUCKET_MS) for number in range(30)]
    seen = of(*events).pruned([Interval(0, NOW)], NOW)
    assert seen.size == 15
    assert seen.evicted == 15
    assert [each in seen for each in events] == [number < 15 for number in range(30)]
    assert seen.complete_from_ms == NOW - 14 * BUCKET_MS


def test_a_late_event_is_kept_as_long_as_if_it_had_happened_when_it_was_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the date filter goes by arrival, a query shows it for as long as that."""
    monkeypatch.setattr(module, "BUDGET", 0)
    late = event(1, NOW - 5 * HOUR_MS)
    seen = of(late, late_before_ms=NOW - HOUR_MS).pruned([Interval(NOW - HOUR_MS, NOW)], NOW)
    assert late in seen
    assert late not in seen.pruned([Interval(NOW + BUCKET_MS, NOW + HOUR_MS)], NOW + HOUR_MS)


def test_an_event_in_time_is_kept_by_its_date_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    in_time = event(1, NOW - HOUR_MS)
    seen = of(in_time, late_before_ms=NOW - HOUR_MS).pruned([Interval(NOW - HOUR_MS + BUCKET_MS, NOW)], NOW)
    assert in_time not in seen


def test_an_event_without_a_timestamp_is_kept_by_its_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    assert event(1, None) in of(event(1, None)).pruned([Interval(NOW, NOW)], NOW)


def test_an_event_dated_ahead_is_kept_until_then_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    ahead, far_ahead = event(1, NOW + HOUR_MS), event(2, NOW + 100 * AHEAD_AT_MOST_MS)
    seen = of(ahead, far_ahead, late_before_ms=NOW)
    assert ahead in seen.pruned([Interval(NOW + HOUR_MS, NOW + HOUR_MS)], NOW)
    until_ms = NOW + AHEAD_AT_MOST_MS
    assert far_ahead in seen.pruned([Interval(until_ms, until_ms)], NOW)
    assert far_ahead not in seen.pruned([Interval(until_ms + BUCKET_MS, until_ms + HOUR_MS)], until_ms)


def test_nothing_new_is_the_same_value() -> None:
    seen = of(event(1, NOW))
    assert seen.with_events([], 0, NOW) is seen
    assert seen.pruned([], NOW) is seen
