"""The checkpoint: which keys are needed, where the next lookback starts."""

from dataclasses import replace

import pytest

from cyberark_modules.audit_api.events import Event
from cyberark_modules.checkpoint import seen as seen_module
from cyberark_modules.checkpoint.coverage import Coverage, Gap, Interval
from cyberark_modules.checkpoint.seen import Seen
from cyberark_modules.checkpoint.stream import DATES_KEPT, Stream, Use
from cyberark_modules.checkpoint.value import (
    FIRST_READ_WITHIN_MS,
    RETENTION_MS,
    SLACK_MS,
    Checkpoint,
    first_run,
    resume_from,
)

NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
OVERLAP_MS = 300_000
MARGIN_MS = OVERLAP_MS + SLACK_MS


def stream(use: Use, start_ms: int, end_ms: int | None = None, **fields: object) -> Stream:
    made = Stream(use, start_ms, end_ms, opened_ms=NOW, cursor="c", page_size=500)
    return replace(made, **fields)  # type: ignore[arg-type]


def event(number: int, time_ms: int | None, uuid: str | None = None) -> Event:
    return Event(str(number), number.to_bytes(12, "big"), time_ms, uuid)


@pytest.fixture(autouse=True)
def nothing_but_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "BUDGET", 0)


def remembers(checkpoint: Checkpoint, time_ms: int) -> bool:
    """Whether the key of an event of that time, delivered in time, is still there after pruning."""
    seen = Seen().with_events([event(1, time_ms)], 0, NOW)
    return event(1, time_ms) in replace(checkpoint, seen=seen).pruned(OVERLAP_MS, NOW).seen


def test_what_the_next_lookback_can_show_is_remembered() -> None:
    checkpoint = Checkpoint(Coverage(NOW, NOW))
    assert remembers(checkpoint, NOW - MARGIN_MS)
    assert not remembers(checkpoint, NOW - MARGIN_MS - 60_000)
    assert remembers(checkpoint, NOW + 10 * HOUR_MS)


@pytest.mark.parametrize("use", [Use.TAIL, Use.LOOKBACK])
def test_what_a_stream_at_the_live_edge_can_show_is_remembered(use: Use) -> None:
    checkpoint = Checkpoint(Coverage(NOW, NOW), (stream(use, NOW - 2 * HOUR_MS),))
    assert remembers(checkpoint, NOW - 2 * HOUR_MS - MARGIN_MS)
    assert remembers(checkpoint, NOW - HOUR_MS)
    assert not remembers(checkpoint, NOW - 2 * HOUR_MS - MARGIN_MS - 60_000)


@pytest.mark.parametrize("use", [Use.BACKFILL, Use.RECONCILIATION])
def test_what_a_stream_of_the_past_can_still_show_is_remembered(use: Use) -> None:
    start_ms, end_ms = NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS
    gap = Gap(start_ms, end_ms)
    checkpoint = Checkpoint(Coverage(NOW, NOW, (gap,)), (stream(use, start_ms, end_ms),))
    assert remembers(checkpoint, start_ms - MARGIN_MS)
    assert remembers(checkpoint, end_ms + MARGIN_MS)
    assert not remembers(checkpoint, end_ms + MARGIN_MS + 60_000)


def test_what_a_stream_has_read_past_is_forgotten() -> None:
    start_ms, read_ms = NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS
    reading = stream(Use.BACKFILL, start_ms, NOW - HOUR_MS, dates=(read_ms,) * DATES_KEPT)
    checkpoint = Checkpoint(Coverage(NOW, NOW), (reading,))
    assert remembers(checkpoint, read_ms - OVERLAP_MS - MARGIN_MS)
    assert not remembers(checkpoint, start_ms + HOUR_MS)
    # What a reconciliation reads is delivered only where all keys of its window are known.
    again = replace(reading, use=Use.RECONCILIATION)
    assert remembers(Checkpoint(Coverage(NOW, NOW), (again,)), start_ms + HOUR_MS)


def test_what_an_unordered_stream_has_read_is_remembered() -> None:
    """It would be read again from its start."""
    start_ms, read_ms = NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS
    dates = (read_ms,) * DATES_KEPT
    reading = stream(Use.RECONCILIATION, start_ms, NOW - HOUR_MS, dates=dates, disorder_ms=OVERLAP_MS + 1)
    assert remembers(Checkpoint(Coverage(NOW, NOW), (reading,)), start_ms)


def test_what_a_gap_that_nothing_reads_can_show_is_remembered() -> None:
    """Its last stream may have delivered a part of it before it was lost."""
    gap = Gap(NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS)
    assert remembers(Checkpoint(Coverage(NOW, NOW, (gap,))), NOW - 9 * HOUR_MS)


def test_a_stream_resumes_an_overlap_before_what_it_has_read() -> None:
    start_ms, read_ms = NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS
    few = stream(Use.BACKFILL, start_ms, NOW, dates=(read_ms,) * (DATES_KEPT - 1))
    assert few.resume_ms(OVERLAP_MS) == start_ms
    enough = stream(Use.BACKFILL, start_ms, NOW, dates=(read_ms, *[NOW] * (DATES_KEPT - 1)))
    assert enough.read_to_ms == read_ms
    assert enough.resume_ms(OVERLAP_MS) == read_ms - OVERLAP_MS
    assert stream(Use.BACKFILL, read_ms - 5, NOW, dates=enough.dates).resume_ms(OVERLAP_MS) == read_ms - 5


def test_a_stream_without_order_resumes_from_its_start() -> None:
    dates = (NOW - HOUR_MS,) * DATES_KEPT
    reading = stream(Use.BACKFILL, NOW - 10 * HOUR_MS, NOW, dates=dates, disorder_ms=OVERLAP_MS + 1)
    assert reading.resume_ms(OVERLAP_MS) == NOW - 10 * HOUR_MS
    assert replace(reading, disorder_ms=OVERLAP_MS).resume_ms(OVERLAP_MS) == NOW - HOUR_MS - OVERLAP_MS


@pytest.mark.parametrize(
    ("watermark_ms", "complete_from_ms", "start_ms"),
    [
        (NOW - HOUR_MS, 0, NOW - HOUR_MS),
        (NOW - HOUR_MS, NOW - 5000, NOW - 5000),
        (NOW - 2 * RETENTION_MS, 0, NOW - RETENTION_MS + SLACK_MS),
    ],
    ids=["the watermark", "no further than the keys reach", "no further than the API shows"],
)
def test_where_the_next_lookback_starts(watermark_ms: int, complete_from_ms: int, start_ms: int) -> None:
    tail = stream(Use.TAIL, watermark_ms)
    checkpoint = Checkpoint(Coverage(watermark_ms, 0), (tail,), seen=Seen(complete_from_ms=complete_from_ms))
    assert checkpoint.lookback_from_ms(NOW) == start_ms


def test_what_no_tail_has_read_is_never_left_out_for_want_of_keys() -> None:
    backlog_ms = NOW - HOUR_MS
    for streams in ((), (stream(Use.TAIL, NOW - 5000),)):
        checkpoint = Checkpoint(Coverage(backlog_ms, 0), streams, seen=Seen(complete_from_ms=NOW - 5000))
        assert checkpoint.lookback_from_ms(NOW) == backlog_ms


def test_the_position_is_never_in_the_future() -> None:
    delivered = [event(1, NOW - 5), event(2, NOW + HOUR_MS), event(3, None)]
    lookback = stream(Use.LOOKBACK, NOW - HOUR_MS)
    checkpoint = Checkpoint(Coverage(NOW, NOW)).delivered(delivered, lookback, NOW)
    assert checkpoint.position_ms == NOW - 5
    assert all(each in checkpoint.seen for each in delivered)
    assert checkpoint.delivered([], lookback, NOW) is checkpoint


def test_the_last_uuids_are_kept_for_the_published_connector() -> None:
    checkpoint = Checkpoint(Coverage(NOW, NOW), recent=tuple(str(number) for number in range(999)))
    delivered = [event(1, NOW, "first"), event(2, NOW, None), event(3, NOW, "second")]
    checkpoint = checkpoint.delivered(delivered, stream(Use.LOOKBACK, NOW), NOW)
    assert len(checkpoint.recent) == 1000
    assert checkpoint.recent[0] == "1"
    assert checkpoint.recent[-2:] == ("first", "second")


def test_a_late_event_of_a_gap_stands_where_a_query_of_that_gap_shows_it() -> None:
    """Where the date filter goes by arrival, it arrived in the gap, however long that takes to be read."""
    gap = Gap(NOW - 30 * HOUR_MS, NOW - 29 * HOUR_MS)
    reading, late = stream(Use.BACKFILL, gap.start_ms, gap.end_ms), event(1, NOW - 40 * HOUR_MS)
    state = Checkpoint(Coverage(NOW, 0, (gap,)), (reading,)).delivered([late], reading, NOW)
    assert late in state.pruned(OVERLAP_MS, NOW).seen


def test_what_was_given_up_since_a_stream_was_opened_is_left_out_where_the_tail_has_read_it() -> None:
    lookback, tail = stream(Use.LOOKBACK, NOW - HOUR_MS, NOW), stream(Use.TAIL, NOW - 2 * HOUR_MS)
    seen = Seen(complete_from_ms=NOW - HOUR_MS // 2)
    read = Checkpoint(Coverage(NOW, 0), (lookback, tail), seen)
    assert read.given_up(lookback) == Interval(NOW - HOUR_MS, NOW - HOUR_MS // 2)
    for use in (Use.RECONCILIATION, Use.BACKFILL):  # a lookback may become a backfill
        assert read.given_up(replace(lookback, use=use)) == read.given_up(lookback)
    unread = Checkpoint(Coverage(NOW, 0), (lookback, replace(tail, start_ms=NOW)), seen)
    for reading in (lookback, replace(lookback, use=Use.BACKFILL)):
        assert not unread.given_up(reading).holds(NOW - HOUR_MS)


def test_what_was_given_up_past_the_window_of_a_backfill_in_order_of_time_is_left_to_its_neighbour() -> None:
    seen = Seen(complete_from_ms=NOW - HOUR_MS // 2)
    backfill = stream(Use.BACKFILL, start_ms=NOW - 2 * HOUR_MS, end_ms=NOW - HOUR_MS)
    read = Checkpoint(Coverage(NOW, 0), (backfill,), seen)
    assert read.given_up(backfill) == Interval(NOW - HOUR_MS, NOW - HOUR_MS // 2)
    in_no_order = replace(backfill, disorder_ms=HOUR_MS)
    assert not read.given_up(in_no_order).holds(NOW - HOUR_MS)


@pytest.mark.parametrize(
    ("use", "time_ms", "is_late"),
    [
        (Use.LOOKBACK, NOW - SLACK_MS - 1, True),
        (Use.LOOKBACK, NOW - SLACK_MS, False),
        (Use.BACKFILL, NOW - HOUR_MS, False),
        (Use.BACKFILL, NOW - HOUR_MS - 1, True),
    ],
)
def test_what_counts_as_late_is_what_the_stream_does_not_read(use: Use, time_ms: int, is_late: bool) -> None:
    reading = stream(use, NOW - HOUR_MS, NOW)
    checkpoint = Checkpoint(Coverage(NOW, NOW)).delivered([event(1, time_ms)], reading, NOW)
    assert (event(1, time_ms).key in checkpoint.seen.late_keys) is is_late


def test_each_use_but_backfill_has_one_stream() -> None:
    tail, newer = stream(Use.TAIL, 1, opened_ms=1), stream(Use.TAIL, 2, opened_ms=2)
    one, two = stream(Use.BACKFILL, 1, 2, opened_ms=3), stream(Use.BACKFILL, 2, 3, opened_ms=4)
    checkpoint = Checkpoint(Coverage(NOW, NOW))
    for each in (tail, newer, one, two):
        checkpoint = checkpoint.with_stream(each)
    assert checkpoint.streams == (newer, one, two)
    assert checkpoint.backfills == (one, two)
    assert checkpoint.stream(Use.TAIL) == newer
    assert checkpoint.stream(Use.LOOKBACK) is None
    assert checkpoint.without_stream(one).backfills == (two,)
    assert checkpoint.with_stream(replace(one, cursor="next")).backfills == (two, replace(one, cursor="next"))


def test_a_first_run_asks_for_no_more_than_the_api_keeps() -> None:
    assert first_run(NOW, NOW - HOUR_MS).coverage == Coverage(NOW - HOUR_MS, NOW - HOUR_MS)
    oldest_ms = NOW - RETENTION_MS + SLACK_MS + FIRST_READ_WITHIN_MS
    assert first_run(NOW, NOW - RETENTION_MS).coverage == Coverage(oldest_ms, oldest_ms)


def test_a_collection_of_which_only_a_date_is_known_goes_on_from_there() -> None:
    checkpoint = resume_from(NOW - HOUR_MS, NOW)
    assert checkpoint.coverage == Coverage(NOW - HOUR_MS, NOW - HOUR_MS)
    assert checkpoint.lookback_from_ms(NOW) == NOW - HOUR_MS
    assert checkpoint.queried_ms == NOW
