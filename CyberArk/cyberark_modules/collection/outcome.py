"""What the end, the loss or the failure of a stream means for the coverage: pure functions from value to value."""

from dataclasses import replace

from ..checkpoint.coverage import Coverage, Gap
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint

SMALLER = 8
SECOND_MS = 1000
WIDENED_AFTER_PAGES = 16
# More failures than pages of four sizes account for.
FAILURES_OF_ONE_PAGE = 8
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
        if checkpoint.seen.complete_from_ms >= stream.start_ms > 0:
            # It had to start behind the watermark, for want of keys, and leaves nothing before its start.
            coverage = coverage.advanced(min(stream.start_ms, stream.opened_ms))
    elif stream.use is Use.BACKFILL:
        coverage = coverage.covered(stream.start_ms, min(reach_ms, stream.end_ms or reach_ms))
    elif stream.use is Use.RECONCILIATION and not is_proven and stream.end_ms is not None:
        # What it has not re-read is a gap like others, so that it is read on from there and not from the start.
        coverage = coverage.with_gap(Gap(stream.resume_ms(overlap_ms), stream.end_ms))
        checkpoint = replace(checkpoint, reconciled_ms=stream.opened_ms)
    return replace(checkpoint.without_stream(stream), coverage=coverage)


def as_read(checkpoint: Checkpoint, overlap_ms: int) -> Coverage:
    """Return the coverage with what the open streams have read so far, as if all of them were lost now."""
    for stream in checkpoint.streams:
        if stream.use is not Use.RECONCILIATION:
            checkpoint = ended(checkpoint, stream, overlap_ms, is_proven=False)
    return checkpoint.coverage


def page_failed(checkpoint: Checkpoint, stream: Stream, now_ms: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint without that stream, the next page of which cannot be served.

    What is behind the failing page is asked for again in smaller pages, or where nothing tells an order, in halves of
    event time; what not even a page of one event serves is a gap of its own, a second of event time, that is retried
    at growing intervals. Everything behind it is still read.
    """
    if stream.use is Use.TAIL:
        return checkpoint.without_stream(stream)
    failed_ms = _failing_from_ms(stream)
    end_ms = stream.end_ms or failed_ms
    if stream.use is Use.LOOKBACK:
        # The watermark advances past the failing page, or to where the lookback would have moved it.
        end_ms = max(_second(stream.opened_ms - overlap_ms), failed_ms + SECOND_MS)
        coverage = checkpoint.coverage.with_gap(Gap(stream.start_ms, end_ms)).advanced(end_ms)
        checkpoint = replace(checkpoint, coverage=coverage)
        stream = stream.used_for(Use.BACKFILL, stream.start_ms, end_ms)
    if stream.use is Use.RECONCILIATION:
        # What it has not re-read is a gap like others: something that was never delivered may be in it.
        coverage = checkpoint.coverage.with_gap(Gap(stream.start_ms, end_ms))
        checkpoint = replace(checkpoint, coverage=coverage, reconciled_ms=stream.opened_ms)
        stream = stream.used_for(Use.BACKFILL, stream.start_ms, end_ms)
    failures = _failures_at(checkpoint, stream.start_ms) + 1
    checkpoint = ended(checkpoint, stream, overlap_ms, is_proven=False)
    if stream.disorder_ms > overlap_ms:
        return _halved(checkpoint, Gap(stream.start_ms, end_ms, None, failures), now_ms)
    if failed_ms >= end_ms:
        # What is left is the overlap before the end, of which a late event can still be behind the failing page.
        left = Gap(max(stream.start_ms, stream.resume_ms(overlap_ms)), end_ms, stream.page_size, failures)
        if stream.page_size > 1:
            return _with_gap(checkpoint, replace(left, page_size=max(1, stream.page_size // SMALLER)))
        if left.start_ms > stream.start_ms:
            return _with_gap(checkpoint, left)
        return _set_apart(checkpoint, replace(stream, dates=()), left, now_ms)
    checkpoint = _with_gap(checkpoint, Gap(stream.resume_ms(overlap_ms), failed_ms, stream.page_size, failures - 1))
    if stream.page_size > 1:
        return _with_gap(checkpoint, Gap(failed_ms, end_ms, max(1, stream.page_size // SMALLER), failures))
    return _set_apart(checkpoint, stream, Gap(failed_ms, end_ms, 1, failures), now_ms)


def _set_apart(checkpoint: Checkpoint, stream: Stream, gap: Gap, now_ms: int) -> Checkpoint:
    """Postpone what cannot be read: the first second of that gap, or as much as is searched for it.

    Where a query fails at its first page, the date of what cannot be read is not known: it is searched for in ever
    larger steps, and then by halves. Where a step fails at its first page as well, nothing before it can be read.
    """
    gaps = checkpoint.coverage.gaps
    known = next((each for each in gaps if each.is_failing and each.start_ms <= gap.start_ms < each.end_ms), None)
    before = next((each for each in gaps if each.end_ms == gap.start_ms and each.page_size == 1), None)
    retry_ms = _retry_ms(now_ms, gap.failures)
    is_last = known is not None and not any(each.is_failing and each.start_ms == known.end_ms for each in gaps)
    is_searched = not is_last or (known is not None and known.end_ms - known.start_ms <= SECOND_MS)
    if known is not None and not stream.dates and is_searched:
        # Retried in vain. Of a row of such gaps only the last holds what fails: the others are retried as one.
        start_ms = known.start_ms if is_last or before is None or not before.is_failing else before.start_ms
        return _with_gap(checkpoint, replace(known, start_ms=start_ms, failures=gap.failures, retry_ms=retry_ms))
    width_ms = before.end_ms - before.start_ms if before is not None else _searched_ms(gap.failures)
    if stream.dates or not width_ms:
        end_ms = min(gap.end_ms, gap.start_ms + SECOND_MS)
        checkpoint = _with_gap(checkpoint, replace(gap, start_ms=end_ms))
        return _with_gap(checkpoint, replace(gap, end_ms=end_ms, retry_ms=retry_ms))
    if before is not None and not before.is_failing:
        first = next((each for each in gaps if each.end_ms == before.start_ms and each.is_failing), before)
        checkpoint = _with_gap(
            checkpoint, replace(before, start_ms=first.start_ms, failures=gap.failures, retry_ms=retry_ms)
        )
    middle_ms = _second(min(gap.start_ms + 2 * width_ms, (gap.start_ms + gap.end_ms) // 2))
    if middle_ms <= gap.start_ms:
        return _with_gap(checkpoint, replace(gap, retry_ms=retry_ms))
    # What has failed less often is read first.
    checkpoint = _with_gap(checkpoint, replace(gap, end_ms=middle_ms, failures=gap.failures + 1))
    return _with_gap(checkpoint, replace(gap, start_ms=middle_ms))


def _searched_ms(failures: int) -> int:
    """Return how far was searched for what fails, where retention has passed the gaps that told it."""
    return SECOND_MS << min(20, failures - FAILURES_OF_ONE_PAGE) if failures > FAILURES_OF_ONE_PAGE else 0


def halved(checkpoint: Checkpoint, start_ms: int, now_ms: int) -> Checkpoint:
    """Return the checkpoint with the gap that begins there in two."""
    gap = next((each for each in checkpoint.coverage.gaps if each.start_ms <= start_ms < each.end_ms), None)
    return checkpoint if gap is None else _halved(checkpoint, gap, now_ms)


def _halved(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    middle_ms = _second((gap.start_ms + gap.end_ms) // 2)
    if middle_ms <= gap.start_ms:
        return _with_gap(checkpoint, replace(gap, page_size=1, retry_ms=_retry_ms(now_ms, gap.failures)))
    # Two gaps, not one of the same kind: the second is tried a moment later.
    first, second = (
        replace(gap, end_ms=middle_ms, retry_ms=now_ms),
        replace(gap, start_ms=middle_ms, retry_ms=now_ms + 1),
    )
    return _with_gap(_with_gap(checkpoint, first), second)


def widened(checkpoint: Checkpoint, stream: Stream, page_size: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint with larger pages asked for again, once a stream of small ones is past what needed them.

    Each time that this was too early, twice as many small pages are read first.
    """
    failures = _failures_at(checkpoint, stream.start_ms)
    if stream.use is not Use.BACKFILL or stream.page_size >= page_size:
        return checkpoint
    # Each time, a page has failed in three sizes.
    if stream.pages < WIDENED_AFTER_PAGES * 2 ** min(failures // 3, 10) or stream.disorder_ms > overlap_ms:
        return checkpoint
    end_ms = stream.end_ms or stream.start_ms
    checkpoint = ended(checkpoint, stream, overlap_ms, is_proven=False)
    return _with_gap(checkpoint, Gap(stream.resume_ms(overlap_ms), end_ms, None, failures))


def _with_gap(checkpoint: Checkpoint, gap: Gap) -> Checkpoint:
    return replace(checkpoint, coverage=checkpoint.coverage.with_gap(gap))


def _failures_at(checkpoint: Checkpoint, time_ms: int) -> int:
    return max((gap.failures for gap in checkpoint.coverage.gaps if gap.start_ms <= time_ms < gap.end_ms), default=0)


def _retry_ms(now_ms: int, failures: int) -> int:
    return now_ms + min(RETRY_LONGEST_MS, RETRY_FIRST_MS << min(failures, 10))


def _failing_from_ms(stream: Stream) -> int:
    """Return the second of event time at which the page that fails begins."""
    if not stream.dates:
        return _second(stream.start_ms)
    return _second(max(stream.start_ms, stream.dates[-1] if stream.page_size == 1 else min(stream.dates)))


def _second(time_ms: int) -> int:
    """Return the beginning of that second: the API reads dates by the second."""
    return time_ms - time_ms % SECOND_MS
