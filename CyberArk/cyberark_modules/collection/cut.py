"""What becomes of the event time around a page that fails while others are served. Pure.

The window is read in pages of ten, then event by event from just before the one that fails. The stretch in which that
event is likely is divided, the latest part first, down to a second; the rest is read before, in full pages. The second
that fails waits for a minute, two, up to thirty.
"""

from collections.abc import Iterator
from dataclasses import replace

from ..checkpoint.value import MINUTE_MS, OVERLAP_MS, PAGE_SIZE, SECOND_MS, Checkpoint, Reader, Window, whole_second

SMALL_PAGE_SIZE = 10
# Where one page after another fails, each is to leave a second or two, since each of them needs a query.
REPEATED_PAGE_SIZE = 3
LONGEST_RETRY_MINUTES = 30
# So many events can be read one by one before the next query is free.
FEW_EVENTS = 150


def cut(checkpoint: Checkpoint, reader: Reader, failed_at_ms: int, now_ms: int, served: list[Reader]) -> Checkpoint:
    """Return the checkpoint without the reader whose page fails, or all such live ones, and with windows for the rest.

    `failed_at_ms` is when that page failed first, `now_ms` the time of the retries; `served` are the live readers
    whose pages do not fail.
    """
    if reader.is_live:
        return _cut_live(checkpoint, reader, failed_at_ms, served)
    window, end_ms, found = reader.window, reader.window.end_ms, checkpoint.without_readers(reader)
    assert end_ms is not None  # noqa: S101 # a closed one
    if window.again:
        return found.with_complete(window.start_ms, end_ms)  # the next re-read tries again
    if end_ms - window.start_ms <= SECOND_MS:
        return found.with_windows(retried_later(replace(window, page_size=1), now_ms))
    window = replace(window, failures=0, retry_at_ms=0)
    if window.page_size >= SMALL_PAGE_SIZE:
        return found.with_windows(replace(window, start_ms=reader.resume_ms, page_size=_smaller_size(reader)))
    start_ms = min(end_ms, whole_second(_next_ms(reader)))
    split_ms = _split_ms(reader, end_ms)
    size = REPEATED_PAGE_SIZE if window.page_size == REPEATED_PAGE_SIZE else PAGE_SIZE
    rest = replace(window, start_ms=split_ms, page_size=size)
    return found.with_complete(window.start_ms, start_ms).with_windows(*_parts(start_ms, split_ms), rest)


def _parts(start_ms: int, end_ms: int) -> Iterator[Window]:
    """Yield the later part of an interval, that of the earlier one, and so on: halves, of minutes three quarters."""
    while end_ms - start_ms > SECOND_MS:
        split_ms = whole_second(start_ms + (end_ms - start_ms) // (4 if end_ms - start_ms > MINUTE_MS else 2))
        yield Window(split_ms, end_ms, page_size=1)
        end_ms = split_ms
    yield Window(start_ms, end_ms, page_size=1)


def retried_later(window: Window, now_ms: int) -> Window:
    """Return a window that has failed once more, with the time of its next query."""
    minutes = min(LONGEST_RETRY_MINUTES, 2 ** min(window.failures, 5))
    return replace(window, failures=window.failures + 1, retry_at_ms=now_ms + minutes * MINUTE_MS)


def probe_from_ms(reader: Reader, failed_at_ms: int) -> int:
    """Return where the live edge can be read behind the page of a live reader that fails since then."""
    # The answer's date is cut to the second: what made the page fail has happened within the next one.
    edge_ms = max(whole_second(failed_at_ms + SECOND_MS, up=True), reader.resume_ms + SECOND_MS)
    is_backlog = edge_ms - reader.resume_ms > 2 * OVERLAP_MS and reader.times
    return edge_ms - OVERLAP_MS if is_backlog else edge_ms


def _cut_live(checkpoint: Checkpoint, reader: Reader, failed_at_ms: int, served: list[Reader]) -> Checkpoint:
    next_ms = max(checkpoint.watermark_ms, reader.resume_ms)
    behind = [other.window.start_ms for other in served if other.window.start_ms > next_ms]
    from_ms = min(behind, default=max(probe_from_ms(reader, failed_at_ms), next_ms + SECOND_MS))
    failing = [other for other in checkpoint.live if other not in served]
    found = checkpoint.without_readers(*failing).advanced(from_ms)
    before = next((each for each in checkpoint.unread if each.end_ms == checkpoint.watermark_ms), None)
    if before is not None and not before.failures and before.start_ms >= checkpoint.watermark_ms - OVERLAP_MS:
        # One such page after another, and no backlog: a single query for all that lies between them.
        return found.with_windows(Window(before.start_ms, from_ms, page_size=REPEATED_PAGE_SIZE))
    # What it has read may still get late events, which the next live query would have returned.
    read = Window(checkpoint.watermark_ms, next_ms, to_confirm=1)
    return found.with_windows(read, Window(next_ms, from_ms, page_size=_smaller_size(reader)))


def _smaller_size(reader: Reader) -> int:
    """Return the size of the pages that show where the next page of a reader fails."""
    is_short = len(reader.times) > 1 and reader.span_ms <= FEW_EVENTS * _distance_ms(reader)
    return 1 if is_short or reader.window.page_size == SMALL_PAGE_SIZE else SMALL_PAGE_SIZE


def _next_ms(reader: Reader) -> int:
    """Return the event time from which a reader's next event can be: that of its last one, where it has an order."""
    if reader.is_disordered or not reader.times:
        return reader.resume_ms
    return max(reader.window.start_ms, reader.times[-1])


def _distance_ms(reader: Reader) -> int:
    """Return the mean time between the last events of a reader, two at least; 0 if they have no order."""
    return 0 if reader.is_disordered else (max(reader.times) - min(reader.times)) // (len(reader.times) - 1)


def _split_ms(reader: Reader, end_ms: int) -> int:
    """Return until when the next page likely fails; half of the way where nothing shows it."""
    next_ms = _next_ms(reader)
    if len(reader.times) < 2 or reader.is_disordered:
        step_ms = (end_ms - next_ms) // 2
    else:
        # Half as much again as between two events, or a quarter more than a page has.
        likely_ms = _distance_ms(reader) * 3 // 2 if reader.window.page_size == 1 else reader.span_ms * 5 // 4
        step_ms = SECOND_MS + likely_ms
    return min(end_ms, whole_second(next_ms + max(SECOND_MS, step_ms)))
