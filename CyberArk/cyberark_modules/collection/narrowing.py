"""What a page that cannot be served means for the coverage: pure functions from value to value.

It is asked for again in smaller pages, until only the second that fails is left waiting: everything around it is
delivered. What is left unread is in a gap, which is in one of these states until it has been read:

| state      | what it means                                 | what comes next                                        |
| ---------- | --------------------------------------------- | ------------------------------------------------------ |
| unread     | it is read in full pages                      | a page fails: narrowed, or halved where in no order    |
| narrowed   | a page has failed: it is read in smaller ones | many are served: unread; one event fails: its second   |
|            |                                               | is unservable, and what follows it is searched         |
| searched   | what fails is at its start or anywhere in it: | its first page fails: a step is skipped, and the rest  |
|            | a first page that fails tells no date         | searched with larger steps; one second: unservable     |
| skipped    | a step of a search: what follows comes first  | what follows fails too: unservable; it fails itself:   |
|            |                                               | as searched                                            |
| halved     | half of a gap, which is read on its own       | a page fails: halved again; one second: unservable     |
| refused    | its query was refused: it waits for its retry | refused again and again: unservable                    |
| unservable | it fails, and waits longer before each retry  | several seconds fail again: halved or searched         |

Where cursors live too short to read a gap in small pages, what is left of it is narrowed, with larger ones.
"""

from dataclasses import replace

from ..checkpoint.coverage import Gap, GapState
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint
from .closing import closed

# A page of 1000 that fails is asked for with 125, 15 and 1: four sizes, so three failures before the last.
SMALLER = 8
SECOND_MS = 1000
WIDENED_AFTER_PAGES = 16
QUERY_FAILS_AFTER = 4
RETRY_FIRST_MS = 60_000
RETRY_LONGEST_MS = 1_800_000
# So many gaps that wait cost as many queries at each retry.
WAITING_ENOUGH = 8


def narrowed(checkpoint: Checkpoint, stream: Stream, now_ms: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint without that stream, the next page of which cannot be served.

    What follows the failing page is asked for again in smaller pages, or where nothing tells an order, in halves of
    event time; where a page of one event fails, its second waits, or is searched for.
    """
    if stream.use is Use.TAIL:
        return checkpoint.without_stream(stream)
    failed_ms = _failing_from_ms(stream)
    checkpoint, stream = _as_backfill(checkpoint, stream, failed_ms, overlap_ms)
    end_ms, resume_ms = stream.end_ms or failed_ms, stream.resume_ms(overlap_ms)
    known = checkpoint.coverage.gap_at(stream.start_ms) or Gap(stream.start_ms, end_ms)
    checkpoint = closed(checkpoint, stream, overlap_ms, is_proven=False)
    failing = replace(known, start_ms=stream.start_ms, end_ms=end_ms, failures=known.failures + 1)
    if stream.disorder_ms > overlap_ms:
        return _halved(checkpoint, failing, None, now_ms)
    # If it fails past the end, only the overlap before the end is left: a late event can still follow that page.
    is_in_window = failed_ms < end_ms
    failing = replace(failing, start_ms=failed_ms if is_in_window else resume_ms)
    # The last overlap of what was read is read again in the same way, or at once if the gap had to wait.
    if known.retry_ms:
        known = known.in_state(GapState.NARROWED if known.page_size else GapState.UNREAD, known.page_size)
    checkpoint = _with_gaps(checkpoint, replace(known, start_ms=resume_ms, end_ms=failing.start_ms))
    if stream.page_size > 1 or (not is_in_window and resume_ms > stream.start_ms):
        return _with_gaps(checkpoint, failing.in_state(GapState.NARROWED, max(1, stream.page_size // SMALLER)))
    # Where the filter goes by arrival, what was read may all be dated before the window.
    if is_in_window and stream.latest_ms >= stream.start_ms:
        return _with_first_second_waiting(checkpoint, failing, now_ms)
    return (_retried if failing.is_unservable else _searched)(checkpoint, failing, now_ms)


def continued_after(checkpoint: Checkpoint, stream: Stream, now_ms: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint without that stream, whose cursor was refused where another would get no further.

    Its cursors may be too short-lived to get further: what it has read counts, and another query continues from there,
    with larger pages where those that were narrowed were served. (What came late in between is left to the
    reconciliation.) Where nothing was read, the page cannot be served.
    """
    failed_ms = _failing_from_ms(stream)
    reached_ms = min(failed_ms - stream.disorder_ms, stream.opened_ms - overlap_ms)
    if stream.use is Use.TAIL or reached_ms <= stream.start_ms:
        return narrowed(checkpoint, stream, now_ms, overlap_ms)
    checkpoint, stream = _as_backfill(checkpoint, stream, failed_ms, overlap_ms)
    checkpoint = replace(checkpoint, coverage=checkpoint.coverage.covered(stream.start_ms, reached_ms))
    rest = checkpoint.coverage.gap_at(reached_ms)
    if rest is not None and rest.page_size and stream.pages >= SMALLER:
        checkpoint = _with_gaps(checkpoint, rest.in_state(GapState.NARROWED, rest.page_size * SMALLER))
    return checkpoint.without_stream(stream)


def _as_backfill(checkpoint: Checkpoint, stream: Stream, failed_ms: int, overlap_ms: int) -> tuple[Checkpoint, Stream]:
    """Return that stream as one that reads a gap, which is what it leaves unread."""
    if stream.use is Use.LOOKBACK:
        # The watermark advances past the failing page, or to where the lookback would have moved it.
        end_ms = max(_second(stream.opened_ms - overlap_ms), failed_ms + SECOND_MS)
        checkpoint = replace(checkpoint, coverage=checkpoint.coverage.advanced(end_ms))
    elif stream.use is Use.RECONCILIATION:
        # Something that was never delivered may be in what it has not re-read.
        end_ms = stream.end_ms or failed_ms
        checkpoint = replace(checkpoint, reconciled_ms=stream.opened_ms)
    else:
        return checkpoint, stream
    gap = Gap(stream.start_ms, end_ms)
    return _with_gaps(checkpoint, gap), stream.used_for(Use.BACKFILL, gap.start_ms, gap.end_ms)


def _with_first_second_waiting(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    """Make the first second of that gap wait; reading continues with what follows it."""
    end_ms = min(gap.end_ms, gap.start_ms + SECOND_MS)
    rest = replace(gap, start_ms=end_ms).in_state(GapState.SEARCHED, 1, search_ms=SECOND_MS)
    return _with_gaps(checkpoint, _unservable(replace(gap, end_ms=end_ms), 1, now_ms), rest)


def _searched(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    """Search that gap for the second that fails: its query fails at the first page, which tells no date.

    Its first second waits, then ever larger steps are skipped, and finally halves. If what follows a step
    also fails at its first page, the step waits, as one gap with what waits right before it.
    """
    if not gap.search_ms:
        return _with_first_second_waiting(checkpoint, gap, now_ms)
    gaps = checkpoint.coverage.gaps
    step = next((each for each in gaps if each.end_ms == gap.start_ms and each.state is GapState.SKIPPED), None)
    if step is not None:
        checkpoint = _waiting_as_one(checkpoint, replace(step, failures=gap.failures), now_ms)
    search_ms = 2 * gap.search_ms
    middle_ms = min(_second(gap.start_ms + search_ms), _middle_ms(gap))
    if middle_ms <= gap.start_ms:
        return _with_gaps(checkpoint, _unservable(gap, 1, now_ms))
    skipped = replace(gap, end_ms=middle_ms).in_state(GapState.SKIPPED, 1, search_ms=search_ms)
    rest = replace(gap, start_ms=middle_ms).in_state(GapState.SEARCHED, 1, search_ms=search_ms)
    return _with_gaps(checkpoint, skipped, rest)


def _retried(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    """Make a gap that was retried in vain wait longer; a gap of several seconds may hold more than what fails.

    The last gap of a row is searched. Any other is read in halves, the first half first, unless so many already wait
    that they are better retried as one. (Where `dateTo` is ignored, a gap fails because of what follows it.)
    """
    is_last = not any(each.is_unservable and each.start_ms == gap.end_ms for each in checkpoint.coverage.gaps)
    if is_last and gap.end_ms - gap.start_ms > SECOND_MS:
        return _searched(checkpoint, gap, now_ms)
    return _halved(checkpoint, gap, 1, now_ms) if _are_few(checkpoint) else _waiting_as_one(checkpoint, gap, now_ms)


def _waiting_as_one(checkpoint: Checkpoint, gap: Gap, now_ms: int) -> Checkpoint:
    """Have that gap wait, as one with what waits right before it."""
    gaps = checkpoint.coverage.gaps
    before = next((each for each in gaps if each.is_unservable and each.end_ms == gap.start_ms), gap)
    return _with_gaps(checkpoint, _unservable(replace(gap, start_ms=before.start_ms), 1, now_ms))


def halved(checkpoint: Checkpoint, start_ms: int, now_ms: int) -> Checkpoint:
    """Return the checkpoint with the gap that begins there in two."""
    gap = checkpoint.coverage.gap_at(start_ms)
    return checkpoint if gap is None else _halved(checkpoint, gap, None, now_ms)


def _halved(checkpoint: Checkpoint, gap: Gap, page_size: int | None, now_ms: int) -> Checkpoint:
    """Put that gap in two halves, to be read in pages of that size; a gap of one second has no halves, and waits."""
    middle_ms, half = _middle_ms(gap), gap.in_state(GapState.HALVED, page_size)
    if middle_ms <= gap.start_ms:
        return _with_gaps(checkpoint, _unservable(gap, 1, now_ms))
    return _with_gaps(checkpoint, replace(half, end_ms=middle_ms), replace(half, start_ms=middle_ms))


def widened(checkpoint: Checkpoint, stream: Stream, page_size: int, overlap_ms: int) -> Checkpoint:
    """Return the checkpoint with larger pages asked for again, once a stream of small ones is past what needed them.

    Each time that this was too early, twice as many small pages are read first.
    """
    if stream.use is not Use.BACKFILL or stream.page_size >= page_size:
        return checkpoint
    known = checkpoint.coverage.gap_at(stream.start_ms)
    failures = 0 if known is None else known.failures
    # Each page that had to be read in small ones has failed in three sizes at least.
    if stream.pages < WIDENED_AFTER_PAGES * 2 ** min(failures // 3, 10) or stream.disorder_ms > overlap_ms:
        return checkpoint
    end_ms = stream.end_ms or stream.start_ms
    checkpoint = closed(checkpoint, stream, overlap_ms, is_proven=False)
    return _with_gaps(checkpoint, Gap(stream.resume_ms(overlap_ms), end_ms, failures=failures))


def retried_later(checkpoint: Checkpoint, start_ms: int, now_ms: int, *, is_refused_as_small: bool) -> Checkpoint:
    """Return the checkpoint in which the gap of a refused query waits; other gaps are read meanwhile.

    Where it may be refused for its small pages (HTTP 400), what cannot be served is found by halves of full pages.
    A gap that is refused in full pages again and again is unservable.
    """
    gap = checkpoint.coverage.gap_at(start_ms)
    if gap is None:
        return checkpoint
    later = replace(gap, failures=gap.failures + 1)
    if is_refused_as_small and _are_few(checkpoint) and _middle_ms(gap) > gap.start_ms:
        return _halved(checkpoint, later, None, now_ms)
    if gap.page_size is None and later.failures < QUERY_FAILS_AFTER:
        return _with_gaps(checkpoint, later.in_state(GapState.REFUSED, None, retry_ms=_retry_ms(now_ms, gap.failures)))
    return _with_gaps(checkpoint, _unservable(later, None if is_refused_as_small else 1, now_ms))


def _unservable(gap: Gap, page_size: int | None, now_ms: int) -> Gap:
    return gap.in_state(GapState.UNSERVABLE, page_size, retry_ms=_retry_ms(now_ms, gap.failures))


def _are_few(checkpoint: Checkpoint) -> bool:
    """Whether so few gaps fail that another one may be read in halves."""
    failing = GapState.HALVED, GapState.REFUSED, GapState.UNSERVABLE
    return sum(gap.state in failing for gap in checkpoint.coverage.gaps) < WAITING_ENOUGH


def _with_gaps(checkpoint: Checkpoint, *gaps: Gap) -> Checkpoint:
    coverage = checkpoint.coverage
    for gap in gaps:
        coverage = coverage.with_gap(gap)
    return replace(checkpoint, coverage=coverage)


def _retry_ms(now_ms: int, failures: int) -> int:
    return now_ms + min(RETRY_LONGEST_MS, RETRY_FIRST_MS << min(failures, 10))


def _failing_from_ms(stream: Stream) -> int:
    """Return the second of event time at which the page that fails begins."""
    if not stream.dates:
        return _second(stream.start_ms)
    return _second(max(stream.start_ms, stream.dates[-1] if stream.page_size == 1 else min(stream.dates)))


def _middle_ms(gap: Gap) -> int:
    """Return the second in the middle of that gap; in a gap of one second, it is not after the start of the gap."""
    return _second((gap.start_ms + gap.end_ms) // 2)


def _second(time_ms: int) -> int:
    """Return the beginning of that second: the API reads dates to the second."""
    return time_ms - time_ms % SECOND_MS
