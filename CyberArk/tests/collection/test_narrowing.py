"""What a page that cannot be served means for the coverage."""

from dataclasses import replace

import pytest

from collection.values import HOUR_MS, MINUTE_MS, NOW, OVERLAP_MS, checkpoint, read_to, stream
from cyberark_modules.checkpoint.coverage import Gap, GapState
from cyberark_modules.checkpoint.stream import Position, Stream, Use
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.collection.closing import closed
from cyberark_modules.collection.narrowing import (
    RETRY_FIRST_MS,
    RETRY_LONGEST_MS,
    SECOND_MS,
    continued_after,
    narrowed,
    retried_later,
)

START_MS, END_MS = NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS
LOOKBACK = stream(Use.LOOKBACK, NOW - HOUR_MS, NOW)
BACKFILL = stream(Use.BACKFILL, START_MS, END_MS)
GAP = Gap(START_MS, END_MS)
SMALLEST = replace(GAP, state=GapState.NARROWED, page_size=1, failures=3)


def waiting_ms(state: Checkpoint) -> int:
    return sum(gap.end_ms - gap.start_ms for gap in state.coverage.gaps)


def unservable(start_ms: int, end_ms: int) -> Gap:
    return Gap(start_ms, end_ms, GapState.UNSERVABLE, 1, 3, retry_ms=NOW)


def failed(state: Checkpoint, reading: Stream, now_ms: int = NOW) -> Checkpoint:
    return narrowed(state, reading, now_ms, OVERLAP_MS)


def test_what_a_reconciliation_cannot_read_is_a_gap() -> None:
    """Something that was never delivered may be in it, and after it."""
    reading = replace(read_to(stream(Use.RECONCILIATION, START_MS, END_MS), START_MS + HOUR_MS), opened_ms=NOW)
    after = failed(checkpoint(reading, watermark_ms=END_MS), reading)
    assert not after.streams
    assert after.reconciled_ms == NOW
    assert after.coverage.gaps[-1].end_ms == END_MS
    assert after.coverage.gaps[-1].state is GapState.NARROWED


def test_a_page_of_a_lookback_that_fails_becomes_a_gap_and_the_watermark_advances_past_it() -> None:
    reading = read_to(LOOKBACK, NOW - 30 * MINUTE_MS)
    after = failed(checkpoint(reading, watermark_ms=NOW - HOUR_MS), reading)
    failed_ms = NOW - 30 * MINUTE_MS
    assert after.streams == ()
    assert after.coverage.watermark_ms == NOW - OVERLAP_MS
    assert after.coverage.gaps == (
        Gap(failed_ms - OVERLAP_MS, failed_ms),
        Gap(failed_ms, NOW - OVERLAP_MS, GapState.NARROWED, 62, 1),
    )
    assert after.coverage.first_missing_ms == failed_ms - OVERLAP_MS


def test_a_page_at_the_live_edge_that_fails_becomes_a_gap_of_a_second() -> None:
    reading = read_to(LOOKBACK, NOW - 1500)
    after = failed(checkpoint(reading, watermark_ms=NOW - HOUR_MS), reading)
    assert after.coverage.watermark_ms == NOW - 1000
    # What the lookback has read in the last overlap is not covered: it may come late.
    assert after.coverage.gaps == (
        Gap(NOW - 1500 - OVERLAP_MS, NOW - 2000),
        Gap(NOW - 2000, NOW - 1000, GapState.NARROWED, 62, 1),
    )


def test_a_page_of_a_backfill_that_fails_is_asked_for_in_smaller_ones() -> None:
    trail = (Position("a", START_MS), Position("b", START_MS + 5000))
    reading = replace(read_to(BACKFILL, START_MS + 5000), trail=trail)
    after = failed(checkpoint(reading, gaps=(GAP,)), reading)
    begins_ms = START_MS + 5000
    # What was read in the last overlap may still be followed by a late event.
    assert after.coverage.gaps == (
        Gap(START_MS, begins_ms),
        Gap(begins_ms, END_MS, GapState.NARROWED, 62, 1),
    )


def test_where_cursors_live_for_a_dozen_pages_what_was_read_counts() -> None:
    """The next query continues after it, with larger pages once as many as one of those holds were served."""
    last_ms = START_MS + 7500
    reading = replace(BACKFILL, page_size=1, dates=(START_MS, last_ms), latest_ms=last_ms, pages=7)
    after = continued_after(checkpoint(reading, gaps=(SMALLEST,)), reading, NOW, OVERLAP_MS)
    assert not after.streams
    assert after.coverage.gaps == (replace(SMALLEST, start_ms=START_MS + 7000),)
    after = continued_after(checkpoint(reading, gaps=(SMALLEST,)), replace(reading, pages=8), NOW, OVERLAP_MS)
    assert after.coverage.gaps == (replace(SMALLEST, start_ms=START_MS + 7000, page_size=8),)


def test_where_a_lookback_comes_no_further_the_rest_is_a_gap_that_is_read_from_there() -> None:
    reading = read_to(LOOKBACK, NOW - 30 * MINUTE_MS)
    after = continued_after(checkpoint(reading, watermark_ms=NOW - HOUR_MS), reading, NOW, OVERLAP_MS)
    assert after.streams == ()
    assert after.coverage.watermark_ms == NOW - OVERLAP_MS
    assert after.coverage.gaps == (Gap(NOW - 30 * MINUTE_MS, NOW - OVERLAP_MS),)


def test_where_a_query_is_refused_at_its_start_again_its_page_is_the_cause() -> None:
    reading = replace(BACKFILL, page_size=1, dates=(START_MS,), latest_ms=START_MS)
    after = continued_after(checkpoint(reading, gaps=(SMALLEST,)), reading, NOW, OVERLAP_MS)
    assert after == failed(checkpoint(reading, gaps=(SMALLEST,)), reading)
    assert after.coverage.gaps[0].is_unservable


def test_smaller_and_smaller_pages_end_at_one_event() -> None:
    state, sizes = checkpoint(gaps=(GAP,)), []
    size = 500
    while size > 1:
        reading = replace(BACKFILL, page_size=size, end_ms=state.coverage.gaps[0].end_ms)
        state = failed(replace(state, streams=(reading,)), reading)
        size = state.coverage.gaps[0].page_size or 0
        sizes.append(size)
    assert sizes == [62, 7, 1]
    assert state.coverage.gaps[0].state is GapState.NARROWED


def test_a_single_event_that_fails_is_a_gap_of_a_second_that_is_retried_later_and_later() -> None:
    state, retries, now_ms = checkpoint(gaps=(replace(SMALLEST, failures=0),)), [], NOW
    for _ in range(8):
        gap = state.coverage.gaps[0]
        reading = stream(Use.BACKFILL, gap.start_ms, gap.end_ms, page_size=1)
        state = failed(replace(state, streams=(reading,)), reading, now_ms)
        first, *rest = state.coverage.gaps
        assert (first.start_ms, first.end_ms, first.page_size) == (START_MS, START_MS + SECOND_MS, 1)
        assert first.is_unservable
        assert not any(other.is_unservable for other in rest)
        retries.append(first.retry_ms - now_ms)
        now_ms = first.retry_ms
    assert retries[:4] == [2 * RETRY_FIRST_MS, 4 * RETRY_FIRST_MS, 8 * RETRY_FIRST_MS, 16 * RETRY_FIRST_MS]
    assert retries[-1] == RETRY_LONGEST_MS
    assert waiting_ms(state) == END_MS - START_MS


@pytest.mark.parametrize("after_s", [0, 1, 5, 700, 80_000])
@pytest.mark.parametrize("to_is_ignored", [True, False])
def test_an_event_of_unknown_date_that_cannot_be_read_is_found_to_the_second(
    after_s: int, to_is_ignored: bool
) -> None:
    """Every query that begins before it fails at its first page; what follows it is read on."""
    start_ms = NOW - 30 * HOUR_MS
    failing_ms = start_ms + after_s * SECOND_MS + 300
    state, queries = checkpoint(gaps=(replace(SMALLEST, start_ms=start_ms, end_ms=start_ms + 24 * HOUR_MS),)), 0
    while queries < 100 and (gap := next((gap for gap in state.unread_gaps() if not gap.retry_ms), None)):
        queries += 1
        reading = stream(Use.BACKFILL, gap.start_ms, gap.end_ms, page_size=1)
        state = replace(state, streams=(reading,))
        if gap.start_ms <= failing_ms and (to_is_ignored or failing_ms < gap.end_ms):
            state = failed(state, reading)
        else:
            state = closed(state, reading, OVERLAP_MS, is_proven=True)
    assert queries <= 40
    last = state.coverage.gaps[-1]
    assert (last.start_ms, last.end_ms) == (failing_ms - 300, failing_ms + 700)
    # What lies before it is empty, which no query can show: it is retried as one gap.
    assert len(state.coverage.gaps) <= 2
    assert all(gap.is_unservable for gap in state.coverage.gaps)


def test_what_was_read_before_the_window_tells_no_place_in_it() -> None:
    """Where the filter goes by arrival: it is searched for in growing steps, and not second by second."""
    earlier = START_MS - MINUTE_MS
    reading = replace(read_to(BACKFILL, earlier), page_size=1)
    state, starts = checkpoint(reading, gaps=(SMALLEST,)), list[int]()
    for _ in range(10):
        state = failed(state, reading)
        gap = next(gap for gap in state.unread_gaps() if not gap.retry_ms)
        reading = replace(read_to(BACKFILL, earlier), start_ms=gap.start_ms, end_ms=gap.end_ms, page_size=1)
        state, starts = replace(state, streams=(reading,)), [*starts, gap.start_ms]
    assert starts[-1] - START_MS > 300_000


def test_a_gap_that_is_refused_for_its_small_pages_is_read_in_halves_of_full_ones() -> None:
    small = replace(SMALLEST, page_size=7, failures=2)
    later = retried_later(checkpoint(gaps=(small,)), START_MS, NOW, is_refused_as_small=True)
    assert [gap.state for gap in later.coverage.gaps] == [GapState.HALVED, GapState.HALVED]
    state = checkpoint(gaps=(replace(SMALLEST, end_ms=START_MS + SECOND_MS, failures=9),))
    [second] = retried_later(state, START_MS, NOW, is_refused_as_small=True).coverage.gaps
    assert (second.state, second.page_size) == (GapState.UNSERVABLE, None)
    assert second.retry_ms == NOW + RETRY_LONGEST_MS


def test_a_gap_whose_query_is_refused_waits_and_cannot_be_served_at_the_fourth_time() -> None:
    state, states = checkpoint(gaps=(GAP,)), []
    for _ in range(4):
        state = retried_later(state, START_MS, NOW, is_refused_as_small=False)
        states.append((state.coverage.gaps[0].state, state.coverage.gaps[0].retry_ms > NOW))
    assert states == [(GapState.REFUSED, True)] * 3 + [(GapState.UNSERVABLE, True)]


def test_a_search_reads_what_follows_a_step_before_the_step() -> None:
    searched = Gap(START_MS, END_MS, GapState.SEARCHED, 1, 4, search_ms=SECOND_MS)
    reading = stream(Use.BACKFILL, START_MS, END_MS, page_size=1)
    after = failed(checkpoint(reading, gaps=(searched,)), reading)
    rest, step = after.unread_gaps()
    assert (step.start_ms, step.end_ms, step.state) == (START_MS, START_MS + 2 * SECOND_MS, GapState.SKIPPED)
    assert (rest.start_ms, rest.end_ms, rest.state) == (step.end_ms, END_MS, GapState.SEARCHED)
    # Where that fails as well, it may have failed for the same page: nothing tells what of the step can be read.
    reading = stream(Use.BACKFILL, rest.start_ms, rest.end_ms, page_size=1)
    first, *_ = failed(replace(after, streams=(reading,)), reading).coverage.gaps
    assert (first.start_ms, first.end_ms, first.is_unservable) == (START_MS, step.end_ms, True)


def test_without_order_a_gap_is_halved_down_to_a_second() -> None:
    state, widths = checkpoint(gaps=(replace(GAP, end_ms=START_MS + 4000),)), []
    while not (gap := state.coverage.gaps[0]).is_unservable:
        widths.append((gap.end_ms - gap.start_ms) // SECOND_MS)
        reading = stream(Use.BACKFILL, gap.start_ms, gap.end_ms, disorder_ms=OVERLAP_MS + 1)
        state = failed(replace(state, streams=(reading,)), reading)
    assert widths == [4, 2, 1]
    assert waiting_ms(state) == 4000


def test_a_long_gap_that_fails_again_is_searched() -> None:
    failing = unservable(START_MS, START_MS + 8000)
    reading = stream(Use.BACKFILL, START_MS, START_MS + 8000, page_size=1)
    first, rest = failed(checkpoint(reading, gaps=(failing,)), reading).coverage.gaps
    assert (first.end_ms, first.is_unservable) == (START_MS + SECOND_MS, True)
    assert (rest.start_ms, rest.end_ms, rest.state) == (first.end_ms, failing.end_ms, GapState.SEARCHED)


def test_a_long_gap_in_a_row_that_fails_again_is_read_in_halves() -> None:
    first, second, third = (
        unservable(START_MS + start, START_MS + end) for start, end in ((0, 1000), (1000, 3000), (3000, 4000))
    )
    reading = stream(Use.BACKFILL, second.start_ms, second.end_ms, page_size=1)
    after = failed(checkpoint(reading, gaps=(first, second, third)), reading).coverage.gaps
    middle_ms = START_MS + 2000
    assert [(gap.start_ms, gap.end_ms) for gap in after[1:3]] == [
        (1000 + START_MS, middle_ms),
        (middle_ms, 3000 + START_MS),
    ]
    assert [gap.is_unservable for gap in after] == [True, False, False, True]


def test_many_gaps_in_a_row_that_fail_again_are_retried_as_one() -> None:
    row = [unservable(START_MS + 2000 * number, START_MS + 2000 * (number + 1)) for number in range(8)]
    reading = stream(Use.BACKFILL, row[3].start_ms, row[3].end_ms, page_size=1)
    after = failed(checkpoint(reading, gaps=tuple(row)), reading).coverage.gaps
    assert len(after) == 7
    assert (after[2].start_ms, after[2].end_ms) == (row[2].start_ms, row[3].end_ms)
    assert after[2].retry_ms > NOW


def test_what_lies_an_overlap_before_the_page_that_fails_is_delivered() -> None:
    reading = replace(read_to(BACKFILL, START_MS + HOUR_MS), page_size=1)
    after = failed(checkpoint(reading, gaps=(replace(SMALLEST, failures=0),)), reading)
    assert after.coverage.first_missing_ms == START_MS + HOUR_MS - OVERLAP_MS
    assert waiting_ms(after) == END_MS - START_MS - HOUR_MS + OVERLAP_MS


def test_a_page_after_the_window_that_fails_leaves_the_overlap_before_its_end() -> None:
    reading = read_to(BACKFILL, END_MS + 1000)
    [left] = failed(checkpoint(reading, gaps=(GAP,)), reading).coverage.gaps
    assert left == Gap(END_MS + 1000 - OVERLAP_MS, END_MS, GapState.NARROWED, 62, 1)


def test_what_follows_such_a_page_is_searched_for_once_pages_hold_one_event() -> None:
    start_ms = END_MS - 60_000
    reading = replace(read_to(replace(BACKFILL, start_ms=start_ms), END_MS + 1000), page_size=1)
    waits, rest = failed(checkpoint(reading, gaps=(replace(SMALLEST, start_ms=start_ms),)), reading).coverage.gaps
    assert (waits.end_ms, waits.is_unservable) == (start_ms + SECOND_MS, True)
    assert (rest.start_ms, rest.end_ms, rest.state) == (start_ms + SECOND_MS, END_MS, GapState.SEARCHED)


def test_gaps_never_overlap_where_a_window_begins_within_a_second() -> None:
    reading = stream(Use.BACKFILL, START_MS + 500, END_MS)
    after = failed(checkpoint(reading, gaps=(GAP,)), reading)
    edges = [edge for gap in after.coverage.gaps for edge in (gap.start_ms, gap.end_ms)]
    assert edges == sorted(edges)
    assert waiting_ms(after) == END_MS - START_MS
