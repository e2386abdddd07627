"""What becomes of the event time around a page that fails while others are served. Pure.

The part in which it fails is cut out, about a quarter more event time than the last page had, and everything else is
read first. The part is then read event by event, as far as the next event is likely; the second that fails waits for
a minute, two, up to thirty, and what follows it is read in tens, or in full pages if it is much.
"""

from dataclasses import replace

from ..checkpoint.value import MINUTE_MS, OVERLAP_MS, PAGE_SIZE, SECOND_MS, Checkpoint, Reader, Window, whole_second

SMALL_PAGE_SIZE = 10
# Where one page after another fails, each is to leave a second or two: a query for each is all that there is time for.
REPEATED_PAGE_SIZE = 3
# The live edge is read in smaller pages for a while after a cut: the next page that fails leaves less.
WARY_PAGE_SIZE = 50
LONGEST_RETRY_MINUTES = 30


def cut(checkpoint: Checkpoint, reader: Reader, failed_at_ms: int, now_ms: int, served: list[Reader]) -> Checkpoint:
    """Return the checkpoint without a reader whose page fails, and with windows for what it leaves.

    `failed_at_ms` is when that page failed first, `now_ms` the time of the retries; `served` are the live readers
    whose pages are served.
    """
    if reader.is_live:
        return _cut_live(checkpoint, reader, failed_at_ms, served)
    window, found = reader.window, checkpoint.without_readers(reader)
    assert window.end_ms is not None  # noqa: S101 # a closed one
    if window.again:
        return found.with_complete(window.start_ms, window.end_ms)  # it was delivered before
    start_ms = min(window.end_ms, whole_second(_next_ms(reader)))
    split_ms = _split_ms(reader, window.end_ms)
    part = replace(window, start_ms=start_ms, end_ms=split_ms, to_confirm=0, page_size=1)
    is_narrow = len(reader.times) > 1 or split_ms - start_ms <= SECOND_MS
    if window.page_size < PAGE_SIZE and is_narrow:
        part = retried_later(part, now_ms)
    is_long = 0 < 2 * PAGE_SIZE * _distance_ms(reader) < window.end_ms - split_ms
    size_behind = PAGE_SIZE if is_long else SMALL_PAGE_SIZE
    size = size_behind if window.page_size == 1 else window.page_size
    rest = replace(window, start_ms=split_ms, failures=0, retry_at_ms=0, page_size=size)
    return found.with_complete(window.start_ms, start_ms).with_windows(part, rest)


def retried_later(window: Window, now_ms: int) -> Window:
    """Return a window that has failed once more, with the time of its next query."""
    minutes = min(LONGEST_RETRY_MINUTES, 2 ** min(window.failures, 5))
    return replace(window, failures=window.failures + 1, retry_at_ms=now_ms + minutes * MINUTE_MS)


def probe_from_ms(reader: Reader, failed_at_ms: int) -> int:
    """Return where the live edge can be read behind the page of a live reader that fails since then."""
    next_ms = whole_second(_next_ms(reader))
    # The answer's date is cut to the second: what made the page fail has happened within the next one.
    edge_ms = max(whole_second(failed_at_ms + SECOND_MS, up=True), next_ms + SECOND_MS)
    is_backlog = edge_ms - next_ms > OVERLAP_MS and reader.times
    return _split_ms(reader, edge_ms) if is_backlog else edge_ms


def _cut_live(checkpoint: Checkpoint, reader: Reader, failed_at_ms: int, served: list[Reader]) -> Checkpoint:
    next_ms = max(checkpoint.watermark_ms, whole_second(_next_ms(reader)))
    behind = [other.window.start_ms for other in served if other.window.start_ms > next_ms]
    from_ms = min(behind, default=max(probe_from_ms(reader, failed_at_ms), next_ms + SECOND_MS))
    split_ms = max(_split_ms(reader, from_ms), next_ms + SECOND_MS)
    numbers = {other.number for other in served}
    failing = [other for other in checkpoint.live if other.number not in numbers]
    found = checkpoint.without_readers(*failing).advanced(from_ms)
    before = next((each for each in checkpoint.unread if each.end_ms == checkpoint.watermark_ms), None)
    if before is not None and not before.failures:
        # One such page after another: a single query for all that lies between them.
        return found.with_windows(Window(before.start_ms, from_ms, page_size=REPEATED_PAGE_SIZE))
    # What it has read may still get late events, which the next live query would have returned.
    read = Window(checkpoint.watermark_ms, next_ms, to_confirm=1)
    part, rest = Window(next_ms, split_ms, page_size=1), Window(split_ms, from_ms)
    return found.with_windows(read, part, rest)


def _next_ms(reader: Reader) -> int:
    """Return the event time from which a reader's next event can be: that of its last one, where it has an order."""
    if reader.is_live or reader.is_disordered or not reader.times:
        return reader.resume_ms
    return max(reader.window.start_ms, reader.times[-1])


def _distance_ms(reader: Reader) -> int:
    """Return the mean time between the last events of a reader, 0 if that is not known."""
    times = reader.times
    return 0 if len(times) < 2 or reader.is_disordered else (max(times) - min(times)) // (len(times) - 1)


def _split_ms(reader: Reader, end_ms: int) -> int:
    """Return where the part ends in which the next page fails, before `end_ms`.

    Where nothing shows it: all of it, for single events to show it; half, if those do not.
    """
    next_ms, distance_ms = _next_ms(reader), _distance_ms(reader)
    if len(reader.times) > 1 and not reader.is_disordered:
        # Half as much again as between two events, or a quarter more than a page has.
        step_ms = distance_ms * 3 // 2 if reader.window.page_size == 1 else reader.span_ms * 5 // 4
        if reader.window.failures and distance_ms < SECOND_MS:
            step_ms = 0  # the same second again
        next_ms = max(next_ms, reader.times[-1])
    else:
        step_ms = (end_ms - next_ms) // (1 if reader.window.page_size == PAGE_SIZE and not reader.times else 2)
    return min(end_ms, max(whole_second(next_ms) + SECOND_MS, whole_second(next_ms + step_ms, up=True)))
