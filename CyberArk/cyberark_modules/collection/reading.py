"""What a page makes of the stream that it belongs to: pure functions from value to value."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import takewhile

from ..audit_api.events import Event, Page
from ..checkpoint.stream import DATES_KEPT, Position, Stream, Use

# An event dated up to this much after the tenant's time, known only to the second, does not count as dated ahead.
AHEAD_TOLERANCE_MS = 2_000
# The API may show an event a moment after one that happened later: a tail reads this much before its end again.
TAIL_OVERLAP_MS = 3_000
TRAIL_KEPT = 8
# A stream whose latest event is older than this has not caught up with the live edge.
TAIL_LAG_MS = 10_000
TAIL_QUIET_MS = 30_000
LIVE_EDGE_MS = 90_000
# An empty page with the cursor that was asked for, or without one, is the end once there are two in a row.
EMPTY_PAGES_END = 2
# One with a new cursor is the end as well, or a hole: the API filters what it has scanned. Where the end was seen to
# have another form, it is a hole. Elsewhere, so many in a row are the end; what is read seldom is followed further.
EMPTY_PAGES_NEW_CURSOR = 8
EMPTY_PAGES_NEW_CURSOR_SELDOM = 20
SELDOM = (Use.BACKFILL, Use.RECONCILIATION)
HOLE_AT_MOST = 500
REPEATED_PAGES_END = 2
EDGE_PAGES_END = 2
# So many events tell an order; a shorter stream is read until it comes empty.
ORDER_KNOWN_EVENTS = 64
# A page of fewer events is not a full one, although it may be the longest so far.
SURELY_SHORT = 50


class End(Enum):
    """Whether a stream continues, or how it ended. Of a tail, the end is that of what is shown so far."""

    NOT_YET = auto()
    PROVEN = auto()
    DOUBTFUL = auto()


@dataclass(frozen=True, slots=True)
class Read:
    """A stream after a page."""

    stream: Stream
    end: End


@dataclass(frozen=True, slots=True)
class Known:
    """The moment (epoch ms), the overlap (ms), and what this API was seen to do.

    `holes` is the longest row of empty pages that events have followed, `end_is_marked` whether a stream was seen to
    end with an empty page that has no new cursor. `is_far_apart`: calls have to be kept so far apart that looking
    for a hole costs too much.
    """

    now_ms: int
    overlap_ms: int
    holes: int = 0
    end_is_marked: bool = False
    is_far_apart: bool = False


def after_page(stream: Stream, page: Page, previous: Collection[int], brought_new: bool, known: Known) -> Read:
    """Return the stream after that page, read at its cursor.

    `previous` are the hashes of the texts that the stream has shown since its latest date (two events may share one
    uuid, and follow others that do), `brought_new` tells whether the page holds anything that was not delivered
    before.
    """
    dates = [event.time_ms for event in page.events if event.time_ms is not None]
    present = [date for date in dates if date <= known.now_ms + AHEAD_TOLERANCE_MS]
    latest_ms = max(stream.latest_ms, max(present, default=0))
    is_known = bool(page.events) and all(hash(event.text) in previous for event in page.events)
    is_repeated = is_known and latest_ms <= stream.latest_ms
    following = replace(
        stream,
        dates=(*stream.dates, *present[-DATES_KEPT:])[-DATES_KEPT:],
        latest_ms=latest_ms,
        disorder_ms=max(stream.disorder_ms, _disorder_ms(stream, present)),
        pages=stream.pages + 1,
        events=stream.events + len(present),
        longest_page=max(stream.longest_page, len(page.events)),
        edge_pages=stream.edge_pages + 1 if _is_short_and_recent(stream, page, present, known.now_ms) else 0,
        empty_pages=0 if page.events else stream.empty_pages + 1,
        repeated_pages=stream.repeated_pages + 1 if is_repeated else 0,
    )
    if page.cursor and page.events and len(present) == len(dates):
        # A cursor after an event that is dated ahead is no such place: it would show nothing until that date.
        earlier = (position for position in stream.trail if position.date_ms < latest_ms)
        following = replace(following, trail=(*earlier, Position(page.cursor, latest_ms))[-TRAIL_KEPT:])
    if stream.use is Use.TAIL:
        return _tail_after(stream, following, page, brought_new, known)
    following = replace(following, cursor=page.cursor or stream.cursor)
    return Read(following, _end(stream, following, page, known))


def _is_short_and_recent(stream: Stream, page: Page, present: list[int], now_ms: int) -> bool:
    return len(page.events) < stream.longest_page and max(present, default=0) >= now_ms - LIVE_EDGE_MS


def _disorder_ms(stream: Stream, present: list[int]) -> int:
    """How far an event is dated before most of those read right ahead of it; a few wrong dates do not count.

    Before most of them: in a stream without order, the earliest of sixteen is early as well, and shows no disorder.
    """
    disorder, recent = 0, stream.dates
    for start in range(0, len(present), DATES_KEPT):
        some = present[start : start + DATES_KEPT]
        if len(recent) == DATES_KEPT:
            disorder = max(disorder, sorted(recent)[DATES_KEPT // 2 - 1] - min(some))
        recent = (*recent, *some)[-DATES_KEPT:]
    return disorder


def _end(stream: Stream, following: Stream, page: Page, known: Known) -> End:
    if not page.events:
        leads_on = page.cursor and page.cursor != stream.cursor
        enough = _empty_pages_end(stream.use, known) if leads_on else EMPTY_PAGES_END
        return End.PROVEN if following.empty_pages >= enough else End.NOT_YET
    if following.repeated_pages >= REPEATED_PAGES_END:
        # A full page that comes again may also be a cursor that got stuck.
        is_short = len(page.events) < max(following.longest_page, min(stream.page_size, SURELY_SHORT))
        return End.PROVEN if is_short else End.DOUBTFUL
    if is_past(following, known.overlap_ms):
        return End.PROVEN
    # Without order by event time, only pages at the live edge tell that everything earlier has been shown.
    is_at_edge = following.disorder_ms > known.overlap_ms and following.edge_pages >= EDGE_PAGES_END
    return End.PROVEN if is_at_edge else End.NOT_YET


def _empty_pages_end(use: Use, known: Known) -> int:
    """Return how many empty pages in a row, each with a new cursor, are the end of a stream of that use."""
    if known.end_is_marked:
        return HOLE_AT_MOST
    least = 2 * known.holes + 2 if known.holes else EMPTY_PAGES_END
    if known.is_far_apart:
        return least
    return max(least, EMPTY_PAGES_NEW_CURSOR_SELDOM if use in SELDOM else EMPTY_PAGES_NEW_CURSOR)


def is_past(stream: Stream, overlap_ms: int) -> bool:
    """Return whether the stream has read past its window.

    Where pages come by arrival, a late event of the window can follow for another overlap. A lookback's window ends
    when its query was opened, and nothing that had arrived by then follows events that happened later.
    """
    if stream.end_ms is None or stream.disorder_ms > overlap_ms:
        return False
    margin_ms = 0 if stream.use is Use.LOOKBACK else overlap_ms
    return stream.events >= ORDER_KNOWN_EVENTS and stream.read_to_ms >= stream.end_ms + margin_ms


def until_tail(read: Read, tail: Stream | None, overlap_ms: int) -> Read:
    """Return what a page makes of a lookback that has read its window while the tail has read far ahead of it.

    It reads on until it meets the tail, and follows the live edge from there: if it became the tail at once, new
    events would wait for what has already been read. A lookback that gains too little on the tail ends where it is.
    """
    stream = read.stream
    if tail is None or stream.use is not Use.LOOKBACK or stream.end_ms is None or not is_past(stream, overlap_ms):
        return read
    lag_ms, so_far_ms = tail.latest_ms - stream.latest_ms, stream.end_ms - stream.opened_ms
    if lag_ms <= TAIL_LAG_MS or 0 < so_far_ms < 2 * lag_ms:
        return read
    return Read(replace(stream, end_ms=tail.latest_ms), End.NOT_YET)


def beyond_window(stream: Stream, page: Page, overlap_ms: int) -> tuple[Event, ...]:
    """Return the events at the end of a page that the stream has read past its window: others deliver them.

    A single event that is dated later, among others that are not, belongs to the window: a clock was ahead.
    """
    if stream.end_ms is None or stream.use in (Use.TAIL, Use.LOOKBACK) or not is_past(stream, overlap_ms):
        return ()
    end_ms = stream.end_ms + overlap_ms
    beyond = takewhile(lambda event: event.time_ms is not None and event.time_ms >= end_ms, reversed(page.events))
    return tuple(beyond)


def _tail_after(stream: Stream, following: Stream, page: Page, brought_new: bool, known: Known) -> Read:
    """Each pass of the tail starts some seconds back, and stops at the first page that is not full.

    Where that brings nothing new, it looks once more at the frontier: short or empty pages can lie in between.
    """
    at_frontier = stream.cursor == stream.frontier
    is_full = len(page.events) >= following.longest_page > 0 and not following.repeated_pages
    frontier = page.cursor if page.cursor and (at_frontier or brought_new or is_full) else stream.frontier
    following = replace(following, frontier=frontier)
    if page.cursor and page.cursor != stream.cursor and is_full:
        return Read(replace(following, cursor=page.cursor), End.NOT_YET)
    if not brought_new and not at_frontier:
        return Read(replace(following, cursor=frontier), End.NOT_YET)
    is_in_hole = following.latest_ms < known.now_ms - TAIL_LAG_MS and 0 < following.empty_pages <= known.holes
    if is_in_hole and page.cursor and page.cursor != stream.cursor:
        return Read(replace(following, cursor=frontier), End.NOT_YET)
    paused = rewound(following)
    if not brought_new and following.latest_ms < known.now_ms - TAIL_QUIET_MS:
        # Nothing has been shown for a while, or the cursor has a ceiling: one page tells as much as two.
        paused = replace(paused, cursor=frontier)
    return Read(paused, End.PROVEN)


def is_at_live_edge(stream: Stream, page: Page, now_ms: int) -> bool:
    """Return whether a stream has come to where events appear one by one: a page a few seconds later shows several."""
    return 0 < len(page.events) < stream.longest_page and stream.latest_ms >= now_ms - LIVE_EDGE_MS


def rewound(stream: Stream) -> Stream:
    """Return the tail at the place where its next reading begins: the newest that is some seconds old."""
    older = [
        number
        for number, position in enumerate(stream.trail)
        if position.date_ms <= stream.latest_ms - TAIL_OVERLAP_MS
    ]
    trail = stream.trail[older[-1] :] if older else stream.trail
    cursor = trail[0].cursor if trail else stream.frontier
    return replace(stream, trail=trail, cursor=cursor, empty_pages=0, repeated_pages=0)


def tail_of(stream: Stream) -> Stream:
    """Return the tail that follows that query, which was read to its end."""
    frontier = stream.cursor
    return rewound(replace(stream.used_for(Use.TAIL, stream.start_ms, None), frontier=frontier))
