"""The pages in flight: which reader asks for its next page, and when. Each has one page in flight at most."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from ..checkpoint.value import OVERLAP_MS, Checkpoint, Reader
from ..context import Context
from ..errors import Backoff, ConfigurationError, Throttled, TransientError
from ..events import Page
from .rate import RateLimiter

# How often the live edge is read, alone, and where it shares one page at a time with a backlog.
LIVE_INTERVAL_S, SHARED_INTERVAL_S = 5.0, 20.0
# A page that has failed for that long is left to another query once others are served: after four failures that
# come at once, or one that is the end of its deadline.
GIVEN_UP_AFTER_S = 20.0
PAUSES_S = (1.0, 5.0, 14.0, 30.0)
# The pages in flight hold no more than about this many characters, however large the events are.
CHARACTERS_IN_FLIGHT = 8_000_000
PAGES_BETWEEN_QUERIES = 4


@dataclass(frozen=True)
class InFlight:
    """A page that was requested at `asked_at` (monotonic s) and `asked_ms` (epoch ms, the earlier clock)."""

    number: int
    page: Future[Page]
    asked_at: float
    asked_ms: int


@dataclass
class Failing:
    """A page that fails: since when (monotonic s, and epoch ms), how often in a row, and when the last time."""

    since: float
    since_ms: int
    failures: int = 0
    failed_at: float = 0.0

    def is_given_up(self) -> bool:
        """Whether it has failed for long enough."""
        return self.failed_at - self.since >= GIVEN_UP_AFTER_S


@dataclass
class _Turn:
    """When a reader requested its last page, began to read after a pause, came to an end, and may request the next."""

    asked_at: float = -math.inf
    began_at: float | None = None
    ended_at: float = -math.inf
    due_at: float = -math.inf


class Pages:
    """Asks for pages, in turns. `fetch` is the client's; `in_flight` and `failing` are by reader's number."""

    def __init__(self, fetch: Callable[[str], Page], context: Context, limiter: RateLimiter, backoff: Backoff) -> None:
        self.failing: dict[int, Failing] = {}
        self._fetch = fetch
        self._context = context
        self._limiter = limiter
        self._backoff = backoff
        self.in_flight: dict[int, InFlight] = {}
        self._turns: defaultdict[int, _Turn] = defaultdict(_Turn)
        self._waiting: list[Reader] = []
        self._served_at = -math.inf
        self._characters = 0
        self._asked_since_query = 0

    def ask(self, checkpoint: Checkpoint) -> None:
        """Request as many pages as may be in flight; drop readers that are gone, and what arrives for them."""
        known = {reader.number for reader in checkpoint.readers}
        for by_number in (self.in_flight, self._turns, self.failing):
            for number in by_number.keys() - known:
                del by_number[number]
        for reader in sorted(checkpoint.readers, key=lambda each: self._turns[each.number].asked_at):
            self.ask_for(reader)

    def ask_for(self, reader: Reader) -> None:
        """Request the next page of a reader, if it may be requested now."""
        if not self._has_room() or self._limiter.wait_s() or self._ready_in(reader) > 0:
            return
        now, cursor, turn = self._context.monotonic(), reader.cursor, self._turns[reader.number]
        self._limiter.called()
        self._asked_since_query += 1
        turn.asked_at = now
        turn.began_at = now if turn.began_at is None else turn.began_at
        page = self._context.submit(lambda: self._fetched(cursor))
        self.in_flight[reader.number] = InFlight(reader.number, page, now, self._context.earlier_ms())

    def ask_meanwhile(self, *following: Reader) -> None:
        """Ask for the page after one that is about to be pushed, but first for those that wait for their turn."""
        if 2 * self._characters <= CHARACTERS_IN_FLIGHT:  # two of that size are not too much to hold
            for reader in (*self._waiting, *following):
                self.ask_for(reader)

    def wait_s(self, checkpoint: Checkpoint) -> float:
        """Return in how many seconds a page could be requested next; infinity if none is to be."""
        if not self._has_room():
            return math.inf
        return max(min(map(self._ready_in, checkpoint.readers), default=math.inf), self._limiter.wait_s())

    def arrived(self, checkpoint: Checkpoint) -> Iterator[tuple[InFlight, Reader]]:
        """Take out the pages that have arrived, or failed, with their readers."""
        self._waiting = [reader for reader in checkpoint.readers if reader.number not in self.in_flight]
        for reader in checkpoint.readers:
            asked = self.in_flight.get(reader.number)
            if asked is not None and asked.page.done():
                del self.in_flight[reader.number]
                yield asked, reader

    def served(self, asked: InFlight, page: Page) -> None:
        """Note that a page was served. One that was to be cut out is requested once more: it may be served too."""
        self._limiter.accepted(asked.asked_at)
        self._characters = sum(len(event.text) for event in page.events)
        self.failing.pop(asked.number, None)
        for number, failing in self.failing.items():
            if failing.is_given_up() and failing.failed_at > self._served_at:
                self._turns[number].due_at = -math.inf
        self._served_at = self._context.monotonic()

    def failed(self, asked: InFlight, error: Exception) -> Failing | None:
        """Note that a page failed: it is requested again after a pause. HTTP 429 says nothing about the page."""
        now = self._context.monotonic()
        if isinstance(error, Throttled):
            self._limiter.refused(error, len(self.in_flight), asked.asked_at)
            return None
        failing = self.failing.setdefault(asked.number, Failing(asked.asked_at, asked.asked_ms))
        failing.failures += 1
        failing.failed_at = now
        pause_s = PAUSES_S[min(failing.failures, len(PAUSES_S)) - 1]
        if isinstance(error, ConfigurationError):
            pause_s = self._backoff.pause(error, failing.failures)
        self._turns[asked.number].due_at = now + pause_s
        return failing

    def are_others_served(self, failing: Failing) -> bool:
        """Return whether others are served while a page fails."""
        return failing.since < self._served_at

    def is_held_up(self, reader: Reader) -> bool:
        """Return whether a live reader has come to no end for longer than an overlap, or ever in this process."""
        return self._context.monotonic() - self._turns[reader.number].ended_at > OVERLAP_MS / 1000

    def is_to_be_cut(self, failing: Failing) -> bool:
        """Return whether a page is to be cut out: others were served since it began to fail, and it failed again."""
        return failing.is_given_up() and self.are_others_served(failing) and self._served_at < failing.failed_at

    def paused(self, reader: Reader) -> None:
        """Note that a live reader has read what the API returns: look again some seconds after it began to."""
        turn, now = self._turns[reader.number], self._context.monotonic()
        interval_s = SHARED_INTERVAL_S if self._limiter.at_once == 1 and len(self._turns) > 1 else LIVE_INTERVAL_S
        turn.due_at = max((now if turn.began_at is None else turn.began_at) + interval_s, now + 1.0)
        turn.began_at, turn.ended_at = None, now

    def query_called(self) -> None:
        """Note that a query is opened: it is a call too."""
        self._limiter.called()
        self._asked_since_query = 0

    def may_open_query(self, checkpoint: Checkpoint) -> bool:
        """Return whether a query may take the place of a page: not every time where calls are kept apart."""
        if not self._limiter.interval_s or not checkpoint.readers:
            return True
        return self._asked_since_query >= (PAGES_BETWEEN_QUERIES if checkpoint.live else 1)

    def _fetched(self, cursor: str) -> Page:
        """Fetch a page, in the background; what the API asks to wait counts before the loop has seen it."""
        try:
            return self._fetch(cursor)
        except TransientError as error:
            self._limiter.pause(error.retry_after or 0.0)
            raise

    def _has_room(self) -> bool:
        in_flight = len(self.in_flight)
        is_small = not in_flight or (in_flight + 1) * self._characters <= CHARACTERS_IN_FLIGHT
        return in_flight < self._limiter.at_once and is_small

    def _ready_in(self, reader: Reader) -> float:
        is_in_flight = reader.number in self.in_flight
        return math.inf if is_in_flight else self._turns[reader.number].due_at - self._context.monotonic()
