"""What a page that cannot be served means for the coverage: pure functions from value to value.

It is asked for again in smaller pages, then set apart by its second, so that everything around it is delivered.
"""

from dataclasses import replace

from ..checkpoint.coverage import Gap
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint
from .closing import closed

# A page of 1000 that fails is asked for with 125, 15 and 1: four sizes, so three failures before the last.
SMALLER = 8
SECOND_MS = 1000
WIDENED_AFTER_PAGES = 16
# More than one failing page accounts for, which fails in four sizes: a search has been made here before.
FAILURES_OF_ONE_PAGE = 8
QUERY_FAILS_AFTER = 4
RETRY_FIRST_MS = 60_000
RETRY_LONGEST_MS = 1_800_000
# So many gaps that fail cost as many queries at each retry.
FAILING_GAPS_ENOUGH = 8


def narrowed(checkpoint: Checkpoint, stream: Stream, now_ms: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint without that stream, the next page of which cannot be served.

    What is behind the failing page is asked for again in smaller pages, or where nothing tells an order, in halves of
    event time; what not even a page of one event serves is a gap of its own, a second of event time, that is retried
    at growing intervals. Everything behind it is still read.
    """
    if stream.use is Use.TAIL:
        return checkpoint.without_stream(stream)
    failed_ms = _failing_from_ms(stream)
    checkpoint, stream = _as_backfill(checkpoint, stream, failed_ms, overlap_ms)
    end_ms = stream.end_ms or failed_ms
    failures = _failures_at(checkpoint, stream.start_ms) + 1
    checkpoint = closed(checkpoint, stream, overlap_ms, is_proven=False)
    if stream.disorder_ms > overlap_ms:
        return _halved(checkpoint, Gap(stream.start_ms, end_ms, None, failures), now_ms)
    if failed_ms < end_ms:
        checkpoint = _with_gap(
            checkpoint, Gap(stream.resume_ms(overlap_ms), failed_ms, stream.page_size, failures - 1)
        )
        rest = Gap(failed_ms, end_ms, max(1, stream.page_size // SMALLER), failures)
        if stream.page_size > 1:
            return _with_gap(checkpoint, rest)
        # Where the filter goes by arrival, what was read may all be dated before the window.
        is_dated = stream.latest_ms >= stream.start_ms
        return _set_apart(checkpoint, rest, now_ms) if is_dated else _searched(checkpoint, rest, now_ms)
    # What is left is the overlap before the end, of which a late event can still be behind the failing page.
    left = Gap(stream.resume_ms(overlap_ms), end_ms, max(1, stream.page_size // SMALLER), failures)
    if stream.page_size > 1 or left.start_ms > stream.start_ms:
        return _with_gap(checkpoint, left)
    return _searched(checkpoint, left, now_ms)


def _as_backfill(checkpoint: Checkpoint, stream: Stream, failed_ms: int, overlap_ms: int) -> tuple[Checkpoint, Stream]:
    """Return that stream as one that reads a gap, which is what it leaves unread."""
    if stream.use is Use.LOOKBACK:
        # The watermark advances past the failing page, or to where the lookback would have moved it.
        end_ms = max(_second(stream.opened_ms - overlap_ms), failed_ms + SECOND_MS)
        coverage = checkpoint.coverage.with_gap(Gap(stream.start_ms, end_ms)).advanced(end_ms)
        return replace(checkpoint, coverage=coverage), stream.used_for(Use.BACKFILL, stream.start_ms, end_ms)
    if stream.use is Use.RECONCILIATION:
        # Something that was never delivered may be in what it has not re-read.
        end_ms = stream.end_ms or failed_ms
        coverage = checkpoint.coverage.with_gap(Gap(stream.start_ms, end_ms))
        checkpoint = replace(checkpoint, coverage=coverage, reconciled_ms=stream.opened_ms)
        return checkpoint, stream.used_for(Use.BACKFILL, stream.start_ms, end_ms)
    return checkpoint, stream


def _set_apart(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    """Postpone the first second of that gap; what is behind it is read on."""
    end_ms = min(gap.end_ms, gap.start_ms + SECOND_MS)
    checkpoint = _with_gap(checkpoint, replace(gap, start_ms=end_ms))
    return _with_gap(checkpoint, replace(gap, end_ms=end_ms, retry_ms=_retry_ms(now_ms, gap.failures)))


def _searched(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    """Search that gap for the second that fails: its query fails at the first page, which tells no date.

    It is searched for in ever larger steps, and then by halves. Where a step fails at its first page as well, what is
    before it waits as one gap.
    """
    gaps = checkpoint.coverage.gaps
    known = next((each for each in gaps if each.is_failing and each.start_ms <= gap.start_ms < each.end_ms), None)
    before = next((each for each in gaps if each.end_ms == gap.start_ms and each.page_size == 1), None)
    retry_ms = _retry_ms(now_ms, gap.failures)
    if known is not None:
        is_last = not any(each.is_failing and each.start_ms == known.end_ms for each in gaps)
        if not is_last or known.end_ms - known.start_ms <= SECOND_MS:
            return _retried(checkpoint, replace(known, failures=gap.failures), before, retry_ms)
    width_ms = before.end_ms - before.start_ms if before is not None else _searched_ms(gap.failures)
    if not width_ms:
        return _set_apart(checkpoint, gap, now_ms)
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


def _retried(checkpoint: Checkpoint, failing: Gap, before: Gap | None, retry_ms: int) -> Checkpoint:
    """Have a gap that was retried in vain wait for longer.

    One of several seconds may hold more than what fails: it is read in halves, unless so many wait already that they
    are better retried as one. (Where `dateTo` is ignored, the halves fail for what is behind them.)
    """
    are_few = _are_few(checkpoint)
    middle_ms = _second((failing.start_ms + failing.end_ms) // 2)
    if are_few and middle_ms > failing.start_ms:
        # The first is read first: once it is, a failure of the second says nothing about it.
        checkpoint = _with_gap(
            checkpoint, replace(failing, end_ms=middle_ms, failures=failing.failures - 1, retry_ms=0)
        )
        return _with_gap(checkpoint, replace(failing, start_ms=middle_ms, retry_ms=0))
    start_ms = failing.start_ms if are_few or before is None or not before.is_failing else before.start_ms
    return _with_gap(checkpoint, replace(failing, start_ms=start_ms, retry_ms=retry_ms))


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
    # Each page that had to be read in small ones has failed in three sizes at least.
    if stream.pages < WIDENED_AFTER_PAGES * 2 ** min(failures // 3, 10) or stream.disorder_ms > overlap_ms:
        return checkpoint
    end_ms = stream.end_ms or stream.start_ms
    checkpoint = closed(checkpoint, stream, overlap_ms, is_proven=False)
    return _with_gap(checkpoint, Gap(stream.resume_ms(overlap_ms), end_ms, None, failures))


def retried_later(checkpoint: Checkpoint, start_ms: int, now_ms: int, *, is_refused_as_small: bool) -> Checkpoint:
    """Return the checkpoint with the gap of a query that is refused waiting: others are read meanwhile.

    Where it may be refused for its small pages (HTTP 400), what cannot be served is found by halves of full pages.
    Refused in full pages again and again, it is one that cannot be served.
    """
    gap = next((each for each in checkpoint.coverage.gaps if each.start_ms <= start_ms < each.end_ms), None)
    if gap is None:
        return checkpoint
    later = replace(gap, failures=gap.failures + 1, retry_ms=_retry_ms(now_ms, gap.failures))
    if is_refused_as_small:
        later = replace(later, page_size=None)
        is_long = later.end_ms - later.start_ms > SECOND_MS
        return _halved(checkpoint, later, now_ms) if is_long and _are_few(checkpoint) else _with_gap(checkpoint, later)
    if gap.page_size or later.failures >= QUERY_FAILS_AFTER:
        later = replace(later, page_size=1)
    return _with_gap(checkpoint, later)


def _are_few(checkpoint: Checkpoint) -> bool:
    """Whether so few gaps fail that another one may be read in halves."""
    return sum(gap.failures > 0 and gap.retry_ms > 0 for gap in checkpoint.coverage.gaps) < FAILING_GAPS_ENOUGH


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
