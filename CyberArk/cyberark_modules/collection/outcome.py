"""What the end, the loss or the failure of a stream means for the coverage: pure functions from value to value."""

from dataclasses import replace

from ..checkpoint.coverage import Coverage, Gap
from ..checkpoint.stream import DATES_KEPT, Stream, Use
from ..checkpoint.value import Checkpoint

SMALLER = 8
SECOND_MS = 1000
# The event time of small pages, where nothing tells how much of it a page holds.
NARROWED_MS = 60_000
RETRY_FIRST_MS = 60_000
RETRY_LONGEST_MS = 1_800_000


def ended(checkpoint: Checkpoint, stream: Stream, overlap_ms: int, *, is_proven: bool) -> Checkpoint:
    """Return the checkpoint without that stream, with what it has read covered.

    A stream covers nothing after an overlap before its opening: that may not have arrived then. One that ended without
    proof, because its cursor was lost for example, covers as far as another query need not read again.
    """
    reach_ms = stream.opened_ms - overlap_ms
    if not is_proven:
        reach_ms = min(reach_ms, stream.resume_ms(overlap_ms))
    coverage = checkpoint.coverage
    if stream.use is Use.LOOKBACK:
        coverage = coverage.advanced(reach_ms)
    elif stream.use is Use.BACKFILL:
        coverage = coverage.covered(stream.start_ms, min(reach_ms, stream.end_ms or reach_ms))
    return replace(checkpoint.without_stream(stream), coverage=coverage)


def as_read(checkpoint: Checkpoint, overlap_ms: int) -> Coverage:
    """Return the coverage with what the open streams have read so far, as if all of them were lost now."""
    for stream in checkpoint.streams:
        checkpoint = ended(checkpoint, stream, overlap_ms, is_proven=False)
    return checkpoint.coverage


def page_failed(checkpoint: Checkpoint, stream: Stream, page_size: int, now_ms: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint without that stream, the next page of which cannot be served.

    The page is asked for again in smaller ones; what not even a page of one event serves is a gap of its own, a second
    of event time, that is retried at growing intervals. Everything behind it is read on.
    """
    if stream.use in (Use.TAIL, Use.RECONCILIATION):
        return checkpoint.without_stream(stream)
    if stream.use is Use.LOOKBACK:
        return _lookback_failed(checkpoint, stream, page_size, now_ms, overlap_ms)
    end_ms = stream.end_ms or stream.start_ms
    failed_ms = _failing_from_ms(stream)
    if failed_ms >= end_ms:
        return ended(checkpoint, stream, overlap_ms, is_proven=True)
    # Another query would read what lies before the failing page, and then fail at it again.
    coverage = checkpoint.coverage.covered(stream.start_ms, min(failed_ms, stream.opened_ms - overlap_ms))
    checkpoint = replace(checkpoint.without_stream(stream), coverage=coverage)
    return _narrowed(checkpoint, stream, Gap(failed_ms, end_ms), page_size, now_ms)


def _lookback_failed(
    checkpoint: Checkpoint, stream: Stream, page_size: int, now_ms: int, overlap_ms: int
) -> Checkpoint:
    """The watermark goes on behind the failing page, or to where the lookback would have brought it."""
    failed_ms = _failing_from_ms(stream)
    edge_ms = max(_second(stream.opened_ms - overlap_ms), failed_ms + SECOND_MS)
    coverage = checkpoint.coverage.with_gap(Gap(stream.start_ms, edge_ms)).advanced(edge_ms)
    settled_ms = min(failed_ms, stream.opened_ms - overlap_ms)
    coverage = coverage.covered(stream.start_ms, settled_ms)
    checkpoint = replace(checkpoint.without_stream(stream), coverage=coverage)
    return _narrowed(checkpoint, stream, Gap(failed_ms, edge_ms), page_size, now_ms)


def _narrowed(checkpoint: Checkpoint, stream: Stream, gap: Gap, page_size: int, now_ms: int) -> Checkpoint:
    """Return the checkpoint with the beginning of that gap asked for in smaller pages, or set apart for a while."""
    known = next((each for each in checkpoint.coverage.gaps if each.start_ms <= gap.start_ms < each.end_ms), None)
    failures = (known.failures if known else 0) + 1
    if stream.page_size > 1:
        end_ms = min(gap.end_ms, gap.start_ms + _narrow_span_ms(stream))
        smaller = Gap(gap.start_ms, end_ms, max(1, stream.page_size // SMALLER), failures)
        return replace(checkpoint, coverage=checkpoint.coverage.with_gap(smaller))
    width_ms = SECOND_MS
    has_read = len(stream.dates) > 0
    before = next((each for each in checkpoint.coverage.gaps if each.end_ms == gap.start_ms and each.is_failing), None)
    if not has_read and before is not None:
        # The date of what cannot be read is not known: look for its end twice as far each time.
        width_ms = 2 * (before.end_ms - before.start_ms)
    retry_ms = now_ms + min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** min(failures, 10))
    if known is not None and known.is_failing and known.end_ms - known.start_ms > SECOND_MS and not has_read:
        # Retried in vain: in halves, one of which may be served.
        middle_ms = _second((known.start_ms + known.end_ms) // 2)
        halves = (
            Gap(known.start_ms, middle_ms, 1, failures, retry_ms),
            Gap(middle_ms, known.end_ms, 1, failures, now_ms),
        )
        coverage = checkpoint.coverage.with_gap(halves[0]).with_gap(halves[1])
        return replace(checkpoint, coverage=coverage)
    failing = Gap(gap.start_ms, min(gap.end_ms, gap.start_ms + width_ms), 1, failures, retry_ms)
    return replace(checkpoint, coverage=checkpoint.coverage.with_gap(failing))


def _failing_from_ms(stream: Stream) -> int:
    """Return the second of event time at which the page that fails begins."""
    if not stream.dates:
        return _second(stream.start_ms)
    return _second(max(stream.start_ms, stream.dates[-1] if stream.page_size == 1 else min(stream.dates)))


def _narrow_span_ms(stream: Stream) -> int:
    """Return the event time to read in smaller pages: twice what the last page held."""
    if len(stream.trail) > 1:
        return max(2 * SECOND_MS, 2 * (stream.trail[-1].date_ms - stream.trail[-2].date_ms))
    if len(stream.dates) == DATES_KEPT and stream.page_size < DATES_KEPT:
        return max(2 * SECOND_MS, 2 * (stream.dates[-1] - stream.dates[0]))
    return NARROWED_MS


def _second(time_ms: int) -> int:
    """Return the beginning of that second: the API reads dates by the second."""
    return time_ms - time_ms % SECOND_MS
