"""What a page makes of its reader, and what the end of a reader makes of the checkpoint. Pure.

An end before that of the window is never believed at once: the live edge is queried again every minute, and a closed
window is complete when a second query brings events, and none that is new; or a third, where it brings none at all.
"""

from dataclasses import replace

from ..checkpoint.value import DAY_MS, OVERLAP_MS, TIMES_KEPT, Checkpoint, Reader, Times, Window, whole_second
from ..events import Page

# The API may return an event a moment after one that happened later: the live edge is read from so far back.
LOOK_BACK_MS = 10_000
MARKS_AT_MOST = 32
# A short live page that reaches so near the present is the last one for now.
PRESENT_MS = 3_000
# Where events arrive later than that, so many pages in a row with so few events are the end for now.
SHORT_PAGES_END = 2
SURELY_SHORT = 50
# So many events show that a query is in order. So many idle pages, the last one empty, are an end.
ORDER_KNOWN_EVENTS = 64
EMPTY_PAGES_END = 2
# A second query meets the hole that the first one took for its end: it follows more empty pages.
IDLE_PAGES_END = 20


def after_page(reader: Reader, page: Page, new: int) -> Reader:
    """Return the reader after that page, of whose events `new` were not delivered before."""
    times = tuple(event.time_ms for event in page.events if event.time_ms is not None)
    last, newest_ms = (*reader.times, *times)[-TIMES_KEPT:], max(reader.newest_ms, *times, 0)
    is_short = len(page.events) < SURELY_SHORT and (page.events or reader.caught_up)
    is_idle = not new and newest_ms == reader.newest_ms and reader.position_at(last) == reader.position_ms
    following = replace(
        reader,
        cursor=page.cursor or reader.cursor,
        times=last,
        newest_ms=newest_ms,
        span_ms=max(times) - min(times) if times else reader.span_ms,
        events=reader.events + len(times),
        new=reader.new + new,
        idle_pages=reader.idle_pages + 1 if is_idle else 0,
        short_pages=reader.short_pages + bool(page.events) if is_short else 0,
        is_disordered=reader.is_disordered or _is_disordered(reader.times, times),
    )
    return _marked(following, page) if reader.is_live else following


def is_end(before: Reader, after: Reader, page: Page, now_ms: int) -> bool:
    """Return whether a page is the last one for now: `before` and `after` are its reader before and after it.

    `now_ms` is the earlier of the two clocks. A short page alone is no end, unless it reaches the present.
    """
    has_new_cursor = page.cursor is not None and page.cursor != before.cursor
    if not page.events:
        empty_pages_end = IDLE_PAGES_END if before.window.to_confirm else EMPTY_PAGES_END
        return not has_new_cursor or after.idle_pages >= empty_pages_end
    is_short = len(page.events) < before.window.page_size
    is_present = before.is_live and is_short and after.newest_ms >= now_ms - PRESENT_MS
    leads_nowhere = page.cursor is None or (after.idle_pages > 0 and not has_new_cursor)
    trickles = before.is_live and after.short_pages >= SHORT_PAGES_END
    return is_present or trickles or leads_nowhere or is_past(after) or after.idle_pages >= IDLE_PAGES_END


def is_past(reader: Reader) -> bool:
    """Return whether a reader in order has read past the end of its window."""
    end_ms = reader.window.end_ms
    is_in_order = reader.events >= ORDER_KNOWN_EVENTS and not reader.is_disordered
    return end_ms is not None and is_in_order and reader.position_ms >= end_ms


def ended(checkpoint: Checkpoint, reader: Reader) -> Checkpoint:
    """Return the checkpoint once that reader has come to an end."""
    window = reader.window
    if window.end_ms is None:
        return _caught_up(checkpoint, reader)
    is_confirmed = not reader.new and window.to_confirm >= (1 if reader.events else 2)
    if window.again or is_past(reader) or is_confirmed:
        return checkpoint.without_readers(reader).with_complete(window.start_ms, window.end_ms)
    start_ms = max(window.start_ms, min(reader.resume_ms, whole_second(window.end_ms - 1)))
    rest = replace(window, start_ms=start_ms, to_confirm=1 if reader.new else window.to_confirm + 1)
    return checkpoint.without_readers(reader).with_windows(rest)


def _caught_up(checkpoint: Checkpoint, reader: Reader) -> Checkpoint:
    """Follow the live edge from a few seconds back, and move the watermark when the query of the minute comes there.

    The watermark follows the events: the newest that this query has returned, at most its opening, less the overlap.
    """
    cursor, times = reader.marks[0]
    following = replace(
        reader,
        cursor=cursor,
        times=times,
        newest_ms=max(times, default=0),
        window=replace(reader.window, to_confirm=0),
        idle_pages=0,
        short_pages=0,
        caught_up=True,
    )
    found = checkpoint.with_reader(following)
    former = [other for other in checkpoint.live if other.number < reader.number]
    if reader.window.start_ms > checkpoint.watermark_ms:  # behind a page that fails
        return found.without_readers(*(other for other in former if other.window.start_ms > checkpoint.watermark_ms))
    if reader.caught_up:
        return found
    found = found.without_readers(*former)
    # Where no event ever has a time, those that were returned have happened before the query.
    is_undated = bool(reader.new) and not reader.events and any(not other.events for other in former)
    newest_ms = reader.opened_ms if is_undated else reader.newest_ms
    watermark_ms = min(newest_ms, reader.opened_ms) - OVERLAP_MS
    if not reader.new and any(other.caught_up and not other.new for other in former):
        # Two queries in a row have brought nothing: a quiet tenant. The hourly re-read goes as far back as a day.
        watermark_ms = max(watermark_ms, reader.opened_ms - DAY_MS)
    return found.advanced(watermark_ms)


def as_window(checkpoint: Checkpoint, reader: Reader, now_ms: int) -> Checkpoint:
    """Return the checkpoint with a live reader that is far behind reading the backlog only, as a closed window.

    The live edge starts there. What one that had caught up has read may get late events; others go on if they had.
    """
    start_ms, end_ms = checkpoint.watermark_ms, _backlog_end_ms(reader, now_ms)
    read_ms = min(start_ms + 2 * OVERLAP_MS, reader.resume_ms) if reader.caught_up else start_ms
    read, window = Window(start_ms, read_ms, to_confirm=1), Window(read_ms, end_ms)
    found = checkpoint.without_readers(reader, *(other for other in checkpoint.live if not other.caught_up))
    backlog = replace(reader, window=window, marks=())
    return found.with_windows(read, window).with_reader(backlog).advanced(end_ms)


def is_far_behind(checkpoint: Checkpoint, reader: Reader, now_ms: int) -> bool:
    """Return whether a live reader has a backlog before it, although the next query is free."""
    end_ms = _backlog_end_ms(reader, now_ms)
    return reader.position_ms < end_ms and reader.window.start_ms <= checkpoint.watermark_ms < end_ms


def _backlog_end_ms(reader: Reader, now_ms: int) -> int:
    """Return the event time before which no event was late when the query was opened, or an overlap ago."""
    return whole_second(max(reader.opened_ms, now_ms - OVERLAP_MS) - OVERLAP_MS)


def _marked(reader: Reader, page: Page) -> Reader:
    """Note the places from which the live edge can be read again."""
    marks = reader.marks
    if page.events and page.cursor:
        marks = (*marks, (page.cursor, reader.times))[-MARKS_AT_MOST:]
    back_ms = reader.position_ms - LOOK_BACK_MS
    far_enough = [index for index, (_, times) in enumerate(marks) if reader.position_at(times) <= back_ms]
    return replace(reader, marks=marks[far_enough[-1] if far_enough else 0 :])


def _is_disordered(before: Times, times: Times) -> bool:
    """Return whether an event happened more than an overlap before those returned ahead of it; a few do not count."""
    for start in range(0, len(times), TIMES_KEPT):
        some = times[start : start + TIMES_KEPT]
        if len(before) == TIMES_KEPT and min(some) < min(before) - OVERLAP_MS:
            return True
        before = (*before, *some)[-TIMES_KEPT:]
    return False
