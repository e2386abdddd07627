"""What a free minute is used for."""

from dataclasses import replace

import pytest

from collection.values import HOUR_MS, MINUTE_MS, NOW, OVERLAP_MS, checkpoint, read_to, stream
from cyberark_modules.checkpoint.coverage import Coverage, Gap, GapState, Interval
from cyberark_modules.checkpoint.seen import Seen
from cyberark_modules.checkpoint.stream import Position, Stream, Use
from cyberark_modules.checkpoint.value import RETENTION_MS, SLACK_MS, Checkpoint
from cyberark_modules.collection.scheduler import (
    BACKFILLS_AT_ONCE,
    LIVE_IN_ROW,
    RECONCILED_MS,
    RECONCILIATION_INTERVAL_MS,
    TAIL_FROM_MS,
    Query,
    Turn,
    plan,
    reconciled_window,
)


def read_at_an_even_rate(reading: Stream, time_ms: int) -> Stream:
    trail = (Position("first", reading.start_ms), Position("second", time_ms))
    return replace(read_to(reading, time_ms), trail=trail, pages=1)


TURN = Turn(NOW, OVERLAP_MS, 500, lookback_is_due=True, filled_last=False, live_in_row=0, started_ms=NOW)
TAIL = stream(Use.TAIL, NOW - HOUR_MS, opened_ms=NOW - 1)
START_MS, END_MS = NOW - 10 * HOUR_MS, NOW - 2 * HOUR_MS
GAP = Gap(START_MS, END_MS)
UNSERVABLE = Gap(START_MS, END_MS, GapState.UNSERVABLE, 1, 4, retry_ms=NOW + 1)
LOOKBACK_QUERY = Query(Use.LOOKBACK, NOW - OVERLAP_MS, None, 500)


def query(state: Checkpoint, **turn: object) -> Query | None:
    return plan(state, replace(TURN, **turn)).query  # type: ignore[arg-type]


def test_the_first_query_begins_at_the_watermark() -> None:
    assert query(checkpoint(watermark_ms=NOW - HOUR_MS)) == Query(Use.LOOKBACK, NOW - HOUR_MS, None, 500)


def test_while_a_lookback_is_read_at_first_a_tail_is_opened_beside_it() -> None:
    reading = stream(Use.LOOKBACK, NOW - MINUTE_MS, NOW)
    assert query(checkpoint(reading, watermark_ms=NOW - MINUTE_MS)) == Query(Use.TAIL, NOW - TAIL_FROM_MS, None, 500)


def test_a_gap_that_waits_for_its_retry_keeps_no_tail_from_being_opened() -> None:
    """Without a tail, nothing would be served that tells a failing page of the lookback from an outage."""
    reading = stream(Use.LOOKBACK, NOW - MINUTE_MS, NOW)
    for live_in_row in (0, 3, 100):
        opened = query(checkpoint(reading, gaps=(UNSERVABLE,)), live_in_row=live_in_row)
        assert opened == Query(Use.TAIL, NOW - TAIL_FROM_MS, None, 500)
    assert query(checkpoint(reading, gaps=(GAP,)), live_in_row=3) == Query(Use.BACKFILL, START_MS, END_MS, 500)


def test_a_backlog_that_takes_over_a_minute_becomes_a_backfill_and_the_query_opens_at_the_live_edge() -> None:
    opened_ms = NOW - MINUTE_MS
    reading = read_to(stream(Use.LOOKBACK, START_MS, opened_ms, opened_ms=opened_ms), START_MS + HOUR_MS)
    planned = plan(checkpoint(reading, watermark_ms=START_MS), TURN)
    edge_ms = opened_ms - OVERLAP_MS
    assert planned.checkpoint.coverage == Coverage(edge_ms, 0, (Gap(START_MS, edge_ms),))
    [backfill] = planned.checkpoint.streams
    assert (backfill.use, backfill.start_ms, backfill.end_ms) == (Use.BACKFILL, START_MS, edge_ms)
    assert (backfill.cursor, backfill.dates) == (reading.cursor, reading.dates)
    assert planned.query == Query(Use.LOOKBACK, edge_ms, None, 500)


def test_a_lookback_that_has_reached_the_live_edge_is_read_on() -> None:
    opened_ms = NOW - MINUTE_MS
    reading = read_to(stream(Use.LOOKBACK, START_MS, opened_ms, opened_ms=opened_ms), opened_ms - OVERLAP_MS)
    state = checkpoint(reading, TAIL, watermark_ms=START_MS)
    assert plan(state, TURN).checkpoint == state
    has_more = read_to(reading, opened_ms - OVERLAP_MS - 1)
    assert plan(checkpoint(has_more, TAIL, watermark_ms=START_MS), TURN).checkpoint.backfills


def test_a_gap_is_opened_before_a_lookback() -> None:
    assert query(checkpoint(TAIL, gaps=(GAP,))) == Query(Use.BACKFILL, START_MS, END_MS, 500)


def test_gaps_and_lookbacks_take_turns() -> None:
    assert query(checkpoint(TAIL, gaps=(GAP,)), filled_last=True) == LOOKBACK_QUERY
    assert query(checkpoint(TAIL, gaps=(GAP,)), filled_last=True, lookback_is_due=False) == Query(
        Use.BACKFILL, START_MS, END_MS, 500
    )


def test_the_longest_window_is_cut_in_two() -> None:
    opened_ms = NOW - 30 * MINUTE_MS
    backfill = read_at_an_even_rate(stream(Use.BACKFILL, START_MS, END_MS, opened_ms=opened_ms), START_MS + HOUR_MS)
    planned = plan(checkpoint(TAIL, backfill, gaps=(GAP,)), TURN)
    middle_ms = (START_MS + HOUR_MS + END_MS) // 2
    assert planned.query == Query(Use.BACKFILL, middle_ms, END_MS, 500)
    assert planned.checkpoint.backfills == (replace(backfill, end_ms=middle_ms),)
    assert planned.checkpoint.coverage.gaps == (GAP,)


def test_a_window_is_cut_only_where_that_saves_twenty_seconds() -> None:
    backfill = read_at_an_even_rate(stream(Use.BACKFILL, START_MS, END_MS), START_MS + HOUR_MS)
    # An hour of it was read in so long (ms); three and a half are saved, less the overlap that is read twice.
    for hour_takes_ms, is_cut in ((5_800, False), (5_900, True)):
        opened = query(checkpoint(TAIL, replace(backfill, opened_ms=NOW - hour_takes_ms), gaps=(GAP,)))
        assert opened
        assert (opened.use is Use.BACKFILL) == is_cut


def test_a_window_of_which_less_than_two_overlaps_are_left_is_not_cut_however_slow_it_is() -> None:
    slow = stream(Use.BACKFILL, START_MS, END_MS, opened_ms=NOW - 20 * HOUR_MS)
    for left_ms, is_cut in ((2 * OVERLAP_MS, False), (3 * OVERLAP_MS, True)):
        opened = query(checkpoint(TAIL, read_at_an_even_rate(slow, END_MS - left_ms), gaps=(GAP,)))
        assert opened
        assert (opened.use is Use.BACKFILL) == is_cut


def test_a_window_of_which_nothing_was_read_or_that_has_no_order_is_not_cut() -> None:
    unread = stream(Use.BACKFILL, START_MS, END_MS, opened_ms=NOW - HOUR_MS)
    assert query(checkpoint(TAIL, unread, gaps=(GAP,))) == LOOKBACK_QUERY
    unordered = replace(read_at_an_even_rate(unread, START_MS + HOUR_MS), disorder_ms=OVERLAP_MS + 1)
    assert query(checkpoint(TAIL, unordered, gaps=(GAP,))) == LOOKBACK_QUERY


def test_no_more_than_four_backfills_are_read_side_by_side() -> None:
    step_ms = (END_MS - START_MS) // 8
    backfills = [
        stream(Use.BACKFILL, START_MS + n * step_ms, START_MS + (n + 1) * step_ms, opened_ms=NOW - HOUR_MS + n)
        for n in range(BACKFILLS_AT_ONCE)
    ]
    assert query(checkpoint(TAIL, *backfills, gaps=(GAP,))) == LOOKBACK_QUERY
    three = query(checkpoint(TAIL, *backfills[:-1], gaps=(GAP,)))
    assert three == Query(Use.BACKFILL, START_MS + 3 * step_ms, END_MS, 500)


def test_a_gap_that_cannot_be_served_waits_for_its_time_and_holds_no_other() -> None:
    failing = replace(UNSERVABLE, start_ms=START_MS, end_ms=START_MS + 1000)
    other = Gap(START_MS + 1000, END_MS)
    assert query(checkpoint(TAIL, gaps=(failing, other))) == Query(Use.BACKFILL, START_MS + 1000, END_MS, 500)
    assert query(checkpoint(TAIL, gaps=(failing,))) == LOOKBACK_QUERY
    due = replace(failing, retry_ms=NOW)
    assert query(checkpoint(TAIL, gaps=(due,))) == Query(Use.BACKFILL, START_MS, START_MS + 1000, 1)


def test_a_gap_at_the_live_edge_waits_until_what_is_late_has_arrived() -> None:
    gap = Gap(NOW - HOUR_MS, NOW - OVERLAP_MS + 1)
    assert query(checkpoint(TAIL, gaps=(gap,))) == LOOKBACK_QUERY
    assert query(checkpoint(TAIL, gaps=(replace(gap, end_ms=NOW - OVERLAP_MS),))) == Query(
        Use.BACKFILL, NOW - HOUR_MS, NOW - OVERLAP_MS, 500
    )


def test_pages_of_a_gap_are_never_larger_than_the_tenant_accepts() -> None:
    gap = Gap(START_MS, END_MS, GapState.NARROWED, 1000, 1)
    assert query(checkpoint(TAIL, gaps=(gap,))) == Query(Use.BACKFILL, START_MS, END_MS, 500)


def test_what_of_the_gaps_nothing_reads() -> None:
    inner = stream(Use.BACKFILL, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS, opened_ms=1)
    last = stream(Use.BACKFILL, END_MS - HOUR_MS, END_MS, opened_ms=2)
    failing = Gap(START_MS - 1000, START_MS, GapState.NARROWED, 1, 2)
    assert list(checkpoint(inner, last, gaps=(failing, GAP)).unread_gaps()) == [
        Gap(START_MS, START_MS + HOUR_MS),
        Gap(START_MS + 2 * HOUR_MS, END_MS - HOUR_MS),
        failing,
    ]


def test_where_there_is_nothing_to_do_no_query_is_opened() -> None:
    assert query(checkpoint(TAIL), lookback_is_due=False) is None
    assert query(checkpoint(TAIL, stream(Use.LOOKBACK, NOW - 1000, NOW))) is None


def reconciliation(state: Checkpoint, since_ms: int = RECONCILIATION_INTERVAL_MS) -> Query | None:
    return query(replace(state, reconciled_ms=NOW - since_ms), lookback_is_due=False, started_ms=0)


def test_once_an_hour_the_last_day_is_read_again() -> None:
    assert reconciliation(checkpoint(TAIL)) == Query(Use.RECONCILIATION, NOW - RECONCILED_MS, NOW - OVERLAP_MS, 500)
    assert reconciliation(checkpoint(TAIL), RECONCILIATION_INTERVAL_MS - 1) is None
    running = stream(Use.RECONCILIATION, NOW - HOUR_MS, NOW - OVERLAP_MS, opened_ms=3)
    assert reconciliation(checkpoint(TAIL, running)) is None


def test_a_reconciliation_comes_before_the_gaps_in_which_a_page_failed_unless_it_was_refused() -> None:
    waiting = replace(UNSERVABLE, retry_ms=NOW)
    state = replace(checkpoint(TAIL, gaps=(waiting,)), reconciled_ms=NOW - RECONCILIATION_INTERVAL_MS)
    for may_reconcile, use in ((True, Use.RECONCILIATION), (False, Use.BACKFILL)):
        opened = query(state, lookback_is_due=False, started_ms=0, may_reconcile=may_reconcile)
        assert opened is not None
        assert opened.use is use


def test_where_no_tail_lives_a_reconciliation_has_its_turn_too() -> None:
    state = replace(checkpoint(), reconciled_ms=NOW - RECONCILIATION_INTERVAL_MS)
    for live_in_row, use in ((LIVE_IN_ROW - 1, Use.LOOKBACK), (LIVE_IN_ROW, Use.RECONCILIATION)):
        opened = query(state, lookback_is_due=False, started_ms=0, live_in_row=live_in_row)
        assert opened is not None
        assert opened.use is use


def test_where_the_keys_reach_less_far_it_is_read_again_sooner() -> None:
    reach_ms = 90 * MINUTE_MS
    state = replace(checkpoint(TAIL), seen=Seen(complete_from_ms=NOW - reach_ms))
    oldest_ms = NOW - reach_ms + OVERLAP_MS + SLACK_MS
    assert reconciliation(state, (NOW - oldest_ms) // 3) == Query(Use.RECONCILIATION, oldest_ms, NOW - OVERLAP_MS, 500)
    assert reconciliation(state, (NOW - oldest_ms) // 3 - 1) is None
    short = replace(state, seen=Seen(complete_from_ms=NOW - 10 * MINUTE_MS))
    assert reconciliation(short, 10 * MINUTE_MS) is None


@pytest.mark.parametrize(
    ("origin_ms", "complete_from_ms", "expected"),
    [
        (0, 0, NOW - RECONCILED_MS),
        (NOW - HOUR_MS, 0, NOW - HOUR_MS),
        (0, NOW - 2 * HOUR_MS, NOW - 2 * HOUR_MS + OVERLAP_MS + SLACK_MS),
    ],
    ids=["a day", "never before what was asked for", "no further than the keys reach"],
)
def test_how_far_back_it_reads(origin_ms: int, complete_from_ms: int, expected: int) -> None:
    state = Checkpoint(Coverage(NOW, origin_ms), seen=Seen(complete_from_ms=complete_from_ms))
    assert reconciled_window(state, NOW, OVERLAP_MS) == Interval(expected, NOW)
    assert RECONCILED_MS < RETENTION_MS


def test_what_was_never_read_comes_before_a_reconciliation() -> None:
    turns = [
        query(replace(checkpoint(TAIL, gaps=(GAP,)), reconciled_ms=0), started_ms=0, filled_last=filled)
        for filled in (False, True)
    ]
    assert [turn.use for turn in turns if turn] == [Use.BACKFILL, Use.LOOKBACK]
    reading = stream(Use.BACKFILL, START_MS, END_MS, opened_ms=1)
    assert reconciliation(checkpoint(TAIL, reading, gaps=(GAP,))) is None
    assert reconciliation(checkpoint(TAIL, gaps=(UNSERVABLE,))) is not None


def test_around_pages_that_cannot_be_served_each_part_has_its_turn() -> None:
    failing = (
        replace(UNSERVABLE, start_ms=NOW - 5 * HOUR_MS, end_ms=NOW - 5 * HOUR_MS + 1000),
        replace(UNSERVABLE, start_ms=NOW - 60_000, end_ms=NOW),
    )
    state = Checkpoint(Coverage(NOW, 0, failing))
    windows = {reconciled_window(state, NOW + hour * HOUR_MS, OVERLAP_MS) for hour in range(4)}
    assert {window.end_ms for window in windows} == {
        NOW - 5 * HOUR_MS - OVERLAP_MS,
        NOW - 60_000 - OVERLAP_MS,
    }
    # Each begins after the page before it.
    assert NOW - 5 * HOUR_MS + 1000 in {window.start_ms for window in windows}


def test_how_long_a_window_takes_is_told_by_its_last_pages() -> None:
    """Most of the window so far was empty, and took no time."""
    reading = read_to(stream(Use.BACKFILL, START_MS, END_MS, opened_ms=NOW - 60_000), END_MS - HOUR_MS)
    slow = tuple(Position(f"{page}", END_MS - HOUR_MS - (7 - page) * 1000) for page in range(8))
    state = checkpoint(TAIL, replace(reading, trail=slow, pages=200), gaps=(GAP,))
    cut = query(state)
    assert cut is not None
    assert (cut.use, cut.start_ms, cut.end_ms) == (Use.BACKFILL, END_MS - HOUR_MS // 2, END_MS)
