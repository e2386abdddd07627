"""A stream: a query that is being read, for one of four uses."""

from dataclasses import dataclass, replace
from enum import StrEnum

# So many dates tell how far a stream has read: a few events dated wrongly must not decide it.
DATES_KEPT = 16


class Use(StrEnum):
    """What a stream is read for."""

    TAIL = "tail"
    LOOKBACK = "lookback"
    BACKFILL = "backfill"
    RECONCILIATION = "reconciliation"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream: the cursor that reads on from there, and the latest event time (ms) read before it."""

    cursor: str
    date_ms: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A query opened at `opened_ms` that is to cover [start_ms, end_ms) of event time; an `end_ms` of None is open.

    `cursor` is the page to ask for next. `dates` are those of the last events read (ms), `latest_ms` the latest of
    all; `disorder_ms` is how far an event was dated before most of those shown right ahead of it. `trail` holds
    earlier positions, the oldest first, and `frontier` the cursor furthest on: a tail reads from the one, then the
    other. `pages` and `events` count what was read (events with a date), `longest_page` is the most events that a page
    had. `empty_pages`, `repeated_pages` and `edge_pages` count pages in a row that were empty, that brought neither a
    new key nor a later date, or that were short and showed what has just happened.
    """

    use: Use
    start_ms: int
    end_ms: int | None
    opened_ms: int
    cursor: str
    page_size: int
    dates: tuple[int, ...] = ()
    latest_ms: int = 0
    disorder_ms: int = 0
    trail: tuple[Position, ...] = ()
    frontier: str = ""
    pages: int = 0
    events: int = 0
    longest_page: int = 0
    empty_pages: int = 0
    repeated_pages: int = 0
    edge_pages: int = 0

    @property
    def number(self) -> int:
        """What tells it from other streams whatever it is used for: no two queries are opened within a minute."""
        return self.opened_ms

    @property
    def read_to_ms(self) -> int:
        """The event time up to which it has read: the earliest of the last dates, once they are enough to tell."""
        return max(self.start_ms, min(self.dates)) if len(self.dates) == DATES_KEPT else self.start_ms

    def resume_ms(self, overlap_ms: int) -> int:
        """Return where another query would have to continue if this one ended now.

        An overlap before what was read: where pages come by arrival, an event dated that much earlier can still
        follow. A stream in no order at all has to be read from its start.
        """
        if self.disorder_ms > overlap_ms:
            return self.start_ms
        return max(self.start_ms, self.read_to_ms - overlap_ms)

    def used_for(self, use: Use, start_ms: int, end_ms: int | None) -> "Stream":
        """Return the same query, read on for another use and window."""
        return replace(self, use=use, start_ms=start_ms, end_ms=end_ms)
