"""How far collection has come: the reading state as one frozen value, and what each page makes of it. No I/O.

Two streams are read. The **sweep** is the query of the minute: it starts behind everything that may still arrive late
and is the authority for completeness. The **head** is the cursor of a finished sweep, read again every few seconds so
that an event does not wait for the minute; losing it costs latency, never an event.

`settled_ms` is the proof of completeness: every event up to there has been delivered, for good. A page read by a
query that was opened at T holds whatever had arrived by T; what happened before T - overlap had arrived by then. So a
sweep that has read up to p settles min(p, T - overlap), and the next query starts from there.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from .audit_api.events import Page

# The API shows no older events.
RETENTION = timedelta(days=7)
# How far ahead of the tenant's clock, which is known by the second, an event may be dated and still be present.
AHEAD_TOLERANCE_MS = 2_000
# A head that shows events this recent has been read to its end; the API shows an event a second or two after the fact.
CAUGHT_UP_MS = 2_500
# So many dates tell how far a page reaches.
LAST_DATES = 16
# A reading of the head need not begin further back than this: what shows up later than that is left to the sweeps.
HEAD_OVERLAP_MS = 3_000
# A head that has not come nearer to now than this is behind, or its tenant is quiet.
HEAD_STALE_MS = 120_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the stream: the cursor that reads on from there, and the event time (ms) from which it shows any."""

    cursor: str
    from_ms: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """A query that is being read: the cursor to go on with, when it was opened, and two places to start the head from.

    `reached` is the last place, `before` the last that is some seconds old. A cursor behind an event that is dated
    ahead of the clock is no such place: it would show nothing until that date. `last_dates` are those of the last
    events read.
    """

    cursor: str
    opened_ms: int
    before: Mark
    reached: Mark
    last_dates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the stream: the cursor to read next, and the newest event time seen there.

    A reading goes from `start` to the end, and the next one from `following`, which is where the reading before had
    ended, or a place in this one that is some seconds old already: what shows up a moment late, just behind the last
    event read, is then still seen within seconds. `reached` is how far this reading has come.
    """

    cursor: str
    start: Mark
    following: Mark
    reached: Mark
    read_to_ms: int


@dataclass(frozen=True, slots=True)
class _View:
    """What matters of a page: the place behind its events, if there is one, and how far in time it reaches.

    `read_to_ms` is the event time up to which everything has been shown. A few events that are dated wrongly must not
    decide that: of the last dates, pages before this one included, the earliest counts.
    """

    mark: Mark | None
    is_clean: bool
    newest_ms: int
    last_dates: tuple[int, ...]

    @classmethod
    def of(cls, cursor: str, page: Page, now_ms: int, earlier: tuple[int, ...]) -> "_View":
        dates = [event.time_ms for event in page.events if event.time_ms is not None]
        present = [date for date in dates if date <= now_ms + AHEAD_TOLERANCE_MS]
        last_dates = (*earlier, *present[-LAST_DATES:])[-LAST_DATES:]
        goes_on = page.events and page.cursor and page.cursor != cursor
        mark = Mark(page.cursor, min(last_dates, default=0)) if goes_on and page.cursor else None
        return cls(mark, len(present) == len(dates), max(present, default=0), last_dates)

    @property
    def read_to_ms(self) -> int:
        return min(self.last_dates, default=0)

    @property
    def clean_mark(self) -> Mark | None:
        return self.mark if self.is_clean and self.read_to_ms else None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where collection stands; all times are epoch milliseconds by the tenant's clock.

    `position_ms` is the newest event time delivered, never in the future; `query_ms` is when the last query was
    opened, or was about to be.
    """

    settled_ms: int
    position_ms: int
    query_ms: int | None = None
    sweep: Sweep | None = None
    head: Head | None = None

    def since_ms(self, now_ms: int) -> int:
        """Return where the next query starts."""
        return max(self.settled_ms, now_ms - _ms(RETENTION))

    @property
    def shown_from_ms(self) -> int:
        """The event time from which the next query, or a cursor that is kept, can show events again."""
        kept = [self.settled_ms]
        if self.sweep:
            kept.append(self.sweep.before.from_ms)
        if self.head:
            kept.append(self.head.start.from_ms)
        return min(kept)

    def reads(self, cursor: str) -> bool:
        """Return whether that cursor is the next of the sweep, or of the head."""
        return any(stream is not None and stream.cursor == cursor for stream in (self.sweep, self.head))

    def newest_before_ms(self, cursor: str) -> int:
        """Return the newest event time seen in the stream that is read at that cursor, shortly before it."""
        if self.sweep is not None and cursor == self.sweep.cursor:
            return max(self.sweep.last_dates, default=0)
        return self.head.read_to_ms if self.head is not None and cursor == self.head.cursor else 0

    def opening(self, latest_ms: int) -> "Progress":
        """Return the state to store before a query is opened, so that a restart keeps the spacing of queries.

        `latest_ms` is the latest moment at which the API may count it.
        """
        return replace(self, query_ms=latest_ms)

    def opened(self, cursor: str, since_ms: int, opened_ms: int, now_ms: int) -> "Progress":
        """Return the state with that query to be read, opened at the earliest at `opened_ms`, answered at `now_ms`."""
        start = Mark(cursor, since_ms)
        sweep = Sweep(cursor, opened_ms, start, start)
        return replace(self, query_ms=now_ms, sweep=sweep).current(now_ms)

    def not_after(self, now_ms: int) -> "Progress":
        """Return the state with nothing settled in the future: a clock was wrong then."""
        return replace(self, settled_ms=min(self.settled_ms, now_ms), position_ms=min(self.position_ms, now_ms))

    def current(self, now_ms: int) -> "Progress":
        """Return the state without a head that is no longer near the end of the stream.

        It would read the same backlog as the sweep beside it, and settle nothing.
        """
        stale = self.sweep and self.head and self.head.read_to_ms < now_ms - HEAD_STALE_MS
        return replace(self, head=None) if stale else self

    def without(self, cursor: str) -> "Progress":
        """Return the state without that cursor, which the API has refused."""
        sweep = self.sweep if self.sweep and self.sweep.cursor != cursor else None
        head = self.head if self.head and self.head.cursor != cursor else None
        return replace(self, sweep=sweep, head=head)

    def after(self, cursor: str, page: Page, now_ms: int, overlap: timedelta) -> "Progress":
        """Return the state once that page, read at that cursor, is delivered."""
        is_sweep = self.sweep is not None and cursor == self.sweep.cursor
        view = _View.of(cursor, page, now_ms, self.sweep.last_dates if self.sweep and is_sweep else ())
        following = replace(self, position_ms=max(self.position_ms, min(view.newest_ms, now_ms)))
        if self.sweep is not None and cursor == self.sweep.cursor:
            return following._after_sweep(self.sweep, view, overlap, now_ms)
        if self.head is not None and cursor == self.head.cursor:
            return replace(following, head=_after_head(self.head, view, now_ms))
        return following

    def _after_sweep(self, sweep: Sweep, view: _View, overlap: timedelta, now_ms: int) -> "Progress":
        settled_ms = max(self.settled_ms, min(view.read_to_ms, sweep.opened_ms - _ms(overlap)))
        before, reached = sweep.before, view.clean_mark or sweep.reached
        if view.newest_ms < now_ms - HEAD_OVERLAP_MS:
            before = reached
        if view.mark and view.read_to_ms < sweep.opened_ms:
            going_on = Sweep(view.mark.cursor, sweep.opened_ms, before, reached, view.last_dates)
            # Small pages: so few dates as yet that a wrong one could be the earliest of them.
            is_told = len(view.last_dates) == LAST_DATES
            return replace(self, settled_ms=settled_ms if is_told else self.settled_ms, sweep=going_on)
        # Over: an empty page, the moment of its opening read past, or no way to go on.
        head = self.head
        if head is None or head.read_to_ms < view.newest_ms:
            read_to_ms = max(view.newest_ms, head.read_to_ms if head else 0)
            head = Head(before.cursor, before, before, reached, read_to_ms)
        return replace(self, settled_ms=settled_ms, sweep=None, head=head)


def _after_head(head: Head, view: _View, now_ms: int) -> Head:
    read_to_ms = max(head.read_to_ms, view.newest_ms)
    reached = view.clean_mark or head.reached
    following = head.following
    is_old = view.newest_ms < now_ms - HEAD_OVERLAP_MS
    if view.clean_mark and is_old and following.from_ms < view.clean_mark.from_ms:
        following = view.clean_mark
    if view.mark and view.newest_ms < now_ms - CAUGHT_UP_MS:
        return Head(view.mark.cursor, head.start, following, reached, read_to_ms)
    return Head(following.cursor, following, reached, reached, read_to_ms)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
