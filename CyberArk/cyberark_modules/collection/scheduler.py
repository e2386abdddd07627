"""Which query to open next: a pure function of the checkpoint and the time.

The API accepts one query a minute, so a query is the scarce thing. It goes, in this order, to: the live edge when
nothing follows it; a gap, or the second half of the longest one, while fewer than four are read side by side; about
once an hour, a reconciliation; a lookback. While there are gaps, they and the lookback take turns.
"""

from dataclasses import dataclass, replace

from ..checkpoint.coverage import Gap, Interval
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import SLACK_MS, Checkpoint
from .closing import closed
from .reading import is_past

QUERY_SPACING_S = 60.0
BACKFILLS_AT_ONCE = 4
# A tail that is opened beside a lookback that takes long begins so far before now.
TAIL_FROM_MS = 15_000
# A lookback over less than this is read soon, and is no backlog.
BACKLOG_MS = 120_000
# Where no stream ever gets to follow the live edge, gaps have a turn after this many queries.
LIVE_IN_ROW = 3
# A window is cut in two where that saves so much of the time that reading it takes.
WORTH_CUTTING_MS = 20_000
RECONCILED_MS = 24 * 3_600_000
# Less than an hour, so that what arrives right after one is delivered within the hour.
RECONCILIATION_INTERVAL_MS = 3_300_000
RECONCILIATION_INTERVAL_LEAST_MS = 600_000


@dataclass(frozen=True, slots=True)
class Query:
    """A query to open for that use: over [start_ms, end_ms) of event time, or open-ended."""

    use: Use
    start_ms: int
    end_ms: int | None
    page_size: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What the plan needs beside the checkpoint. Times are epoch milliseconds by the tenant's clock.

    `lookback_is_due` goes by the configured frequency; `filled_last` tells whether the last query was for what is old,
    and `live_in_row` how many in a row were for the live edge. `started_ms` is when this process began. `is_slow`
    tells that the API accepts one page at a time, or calls far apart: one gap is then read at a time. `may_reconcile`
    is False for a while after the API has refused a reconciliation.
    """

    now_ms: int
    overlap_ms: int
    page_size: int
    lookback_is_due: bool
    filled_last: bool
    live_in_row: int
    started_ms: int
    is_slow: bool = False
    may_reconcile: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """The query to open now (None: none is wanted), and the checkpoint to continue with, changed for it."""

    checkpoint: Checkpoint
    query: Query | None = None


def plan(checkpoint: Checkpoint, turn: Turn) -> Plan:
    """Return what a free minute is used for."""
    checkpoint = _with_slow_lookback_as_backfill(checkpoint, turn)
    tail, lookback = checkpoint.stream(Use.TAIL), checkpoint.stream(Use.LOOKBACK)
    start_ms, filled = checkpoint.lookback_from_ms(turn.now_ms), _fill(checkpoint, turn)
    reconciliation = _reconciliation(checkpoint, turn)
    if tail is None and not (turn.live_in_row >= LIVE_IN_ROW and (filled or reconciliation)):
        if lookback is None and not (turn.is_slow and checkpoint.backfills):
            return Plan(checkpoint, Query(Use.LOOKBACK, start_ms, None, turn.page_size))
        return Plan(checkpoint, Query(Use.TAIL, turn.now_ms - TAIL_FROM_MS, None, turn.page_size))
    lookback_is_due = turn.lookback_is_due and lookback is None
    if not (lookback_is_due and turn.filled_last):
        # It goes first, about once an hour: the search for an unservable page may take every second query for days.
        if reconciliation:
            return Plan(checkpoint, reconciliation)
        if filled:
            return filled
    return Plan(checkpoint, Query(Use.LOOKBACK, start_ms, None, turn.page_size) if lookback_is_due else None)


def _with_slow_lookback_as_backfill(checkpoint: Checkpoint, turn: Turn) -> Checkpoint:
    """A lookback that is still being read when the next query may be opened, far from the live edge, is a backlog.

    The watermark then advances to an overlap before its opening: what lies before that becomes a gap, which it reads.
    """
    lookback = checkpoint.stream(Use.LOOKBACK)
    if lookback is None:
        return checkpoint
    edge_ms = lookback.opened_ms - turn.overlap_ms
    has_more = lookback.read_to_ms < edge_ms or checkpoint.stream(Use.TAIL) is None
    if edge_ms - lookback.start_ms < BACKLOG_MS or not has_more:
        return checkpoint
    room = (1 if turn.is_slow else BACKFILLS_AT_ONCE) - len(checkpoint.backfills)
    if turn.is_slow and room <= 0:
        return checkpoint
    coverage = checkpoint.coverage.with_gap(Gap(lookback.start_ms, edge_ms)).advanced(edge_ms)
    backfill = lookback.used_for(Use.BACKFILL, lookback.start_ms, edge_ms)
    if room > 0:
        return replace(checkpoint.without_stream(lookback), coverage=coverage).with_stream(backfill)
    return closed(
        replace(checkpoint, coverage=coverage).with_stream(backfill), backfill, turn.overlap_ms, is_proven=False
    )


def _fill(checkpoint: Checkpoint, turn: Turn) -> Plan | None:
    """Open a gap that nothing reads, or cut the window that takes longest in two."""
    others = len(checkpoint.backfills) + (checkpoint.stream(Use.LOOKBACK) is not None)
    if len(checkpoint.backfills) >= BACKFILLS_AT_ONCE or (turn.is_slow and others):
        return None
    for gap in checkpoint.unread_gaps():
        if gap.retry_ms <= turn.now_ms and gap.end_ms <= turn.now_ms - turn.overlap_ms:
            size = min(gap.page_size or turn.page_size, turn.page_size)
            return Plan(checkpoint, Query(Use.BACKFILL, gap.start_ms, gap.end_ms, size))
    longest = max(checkpoint.backfills, key=lambda stream: _saved_ms(stream, turn), default=None)
    if longest is None or _saved_ms(longest, turn) < WORTH_CUTTING_MS:
        return None
    assert longest.end_ms is not None  # noqa: S101
    middle_ms = (longest.read_to_ms + longest.end_ms) // 2
    cut = replace(longest, end_ms=middle_ms)
    second = Query(Use.BACKFILL, middle_ms, longest.end_ms, turn.page_size)
    return Plan(checkpoint.with_stream(cut), second)


def _saved_ms(stream: Stream, turn: Turn) -> int:
    """How much sooner (ms) the rest of the window would be read if it were cut in two, judged by the last pages.

    The first half is then read an overlap past its end. A window may begin with nothing, which tells no speed.
    """
    if stream.end_ms is None or stream.disorder_ms > turn.overlap_ms or is_past(stream, turn.overlap_ms):
        return 0
    if len(stream.trail) < 2:
        return 0
    fewer_ms, elapsed_ms = (stream.end_ms - stream.read_to_ms) // 2 - turn.overlap_ms, turn.now_ms - stream.opened_ms
    span_ms = max(1, stream.trail[-1].date_ms - stream.trail[0].date_ms)
    return max(0, fewer_ms) * (len(stream.trail) - 1) * elapsed_ms // (span_ms * max(1, stream.pages))


def _reconciliation(checkpoint: Checkpoint, turn: Turn) -> Query | None:
    """Re-read as far back as the keys are remembered, for what arrived later than the overlap."""
    window = reconciled_window(checkpoint, turn.now_ms, turn.overlap_ms)
    reach_ms = turn.now_ms - window.start_ms
    interval_ms = min(RECONCILIATION_INTERVAL_MS, max(RECONCILIATION_INTERVAL_LEAST_MS, reach_ms // 3))
    if turn.is_slow:
        interval_ms = RECONCILIATION_INTERVAL_MS
    is_due = turn.now_ms - max(checkpoint.reconciled_ms, turn.started_ms) >= interval_ms
    # What was never read comes first, but not what is searched for a page that cannot be served.
    has_unread = any(not gap.failures for gap in checkpoint.coverage.gaps)
    if not is_due or not turn.may_reconcile or has_unread or checkpoint.stream(Use.RECONCILIATION):
        return None
    if window.end_ms - window.start_ms < SLACK_MS:
        return None
    return Query(Use.RECONCILIATION, window.start_ms, window.end_ms, turn.page_size)


def reconciled_window(checkpoint: Checkpoint, now_ms: int, overlap_ms: int) -> Interval:
    """Return what a reconciliation can read without delivering anything twice, or a part of it.

    A page that cannot be served would end it: the parts between such pages take turns, each for an hour.
    """
    remembered_ms = checkpoint.seen.complete_from_ms
    if remembered_ms:
        # Where the date filter goes by arrival, events dated up to an overlap earlier are shown too.
        remembered_ms += overlap_ms + SLACK_MS
    start_ms = max(checkpoint.coverage.origin_ms, remembered_ms, now_ms - RECONCILED_MS)
    parts = []
    for gap in checkpoint.coverage.gaps:
        if gap.failures and gap.end_ms > start_ms:
            # A reconciliation reads an overlap past its window.
            parts.append(Interval(start_ms, gap.start_ms - overlap_ms))
            start_ms = gap.end_ms
    parts.append(Interval(start_ms, checkpoint.coverage.watermark_ms))
    worth = [part for part in parts if part.end_ms - part.start_ms >= SLACK_MS] or parts[-1:]
    return worth[-1 - now_ms // RECONCILIATION_INTERVAL_MS % len(worth)]
