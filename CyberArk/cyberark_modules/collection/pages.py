"""The pages in flight: which stream may ask for its next page, and when. Each has one page in flight at most."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from ..audit_api.backoff import Backoff
from ..audit_api.events import Page
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint
from ..errors import CyberArkError, Throttled
from ..platform.background import Background
from .rate_limiter import RateLimiter

TAIL_INTERVAL_S = 5.0
# Where one page at a time is served, the tail has a turn so often while other streams wait.
TAIL_INTERVAL_BESIDE_S = 30.0
LIVE_EDGE_PAUSE_S = 2.0
PAGES_BETWEEN_QUERIES = 4
# The twenty empty pages that are followed at most would then take over a minute and a half.
FAR_APART_S = 5.0
# The streams at the live edge come first where the others have waited as long.
_ORDER = (Use.LOOKBACK, Use.TAIL, Use.BACKFILL, Use.RECONCILIATION)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A page that was asked for at `asked_ms` (epoch ms by the tenant's clock)."""

    number: int
    cursor: str
    page: Future[Page]
    asked_ms: int


@dataclass(frozen=True, slots=True)
class Failing:
    """How often in a row a stream's page has failed, since when, and when to ask again (monotonic s)."""

    failures: int
    since: float
    retry_at: float


@dataclass(slots=True)
class _Known:
    """What is known of a stream: when its last page was asked for, how that fails, until when it is paused (s)."""

    asked_at: float = -math.inf
    failing: Failing | None = None
    paused_until: float = -math.inf


class Pages:
    """Asks for pages, in turns. `fetch` is the client's; `monotonic` gives seconds, `now_ms` the tenant's time."""

    def __init__(
        self,
        fetch: Callable[[str], Page],
        background: Background,
        limiter: RateLimiter,
        backoff: Backoff,
        monotonic: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._fetch = fetch
        self._background = background
        self._limiter = limiter
        self._backoff = backoff
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._in_flight: dict[int, InFlight] = {}
        self._known: defaultdict[int, _Known] = defaultdict(_Known)
        self._tail_due = self._tail_began = monotonic()
        self._was_tail = False
        self._tail_asked_at = -math.inf
        self.succeeded_at = self._not_before = self._accepted_asked_at = -math.inf
        self._asked_since_query = 0

    @property
    def futures(self) -> list[Future[Page]]:
        """What to wait for."""
        return [each.page for each in self._in_flight.values()]

    def ask(self, checkpoint: Checkpoint) -> None:
        """Ask for as many pages as may be in flight."""
        while len(self._in_flight) < self._limiter.at_once and not self._limiter.wait_s():
            ready = [stream for stream in checkpoint.streams if self._ready_in(stream) <= 0]
            if not ready:
                return
            others = [stream for stream in ready if stream.use is not Use.TAIL] if self._tail_had_its_turn else []
            self._ask_for(
                min(others or ready, key=lambda each: (self._known[each.number].asked_at, _ORDER.index(each.use)))
            )

    def forget_closed(self, streams: Iterable[Stream]) -> None:
        """Forget streams other than those."""
        open_ = {stream.number for stream in streams}
        for number in self._known.keys() - open_ - self._in_flight.keys():
            del self._known[number]

    def wait_s(self, checkpoint: Checkpoint) -> float:
        """Return in how many seconds a page could be asked for next; infinity if none is to be."""
        if len(self._in_flight) >= self._limiter.at_once:
            return math.inf
        waits = [self._ready_in(stream) for stream in checkpoint.streams if stream.number not in self._in_flight]
        return max(min(waits, default=math.inf), self._limiter.wait_s())

    def arrived(self) -> Iterator[InFlight]:
        """Take out the pages that have arrived, or failed."""
        for each in [each for each in self._in_flight.values() if each.page.done()]:
            del self._in_flight[each.number]
            yield each

    def succeeded(self, stream: Stream) -> None:
        """Note that a page of that stream was served."""
        known = self._known[stream.number]
        known.failing = None
        self.succeeded_at = self._monotonic()
        self._limiter.accepted(known.asked_at - self._accepted_asked_at)
        self._accepted_asked_at = known.asked_at

    def failed(self, stream: Stream, error: CyberArkError) -> Failing:
        """Note that a page failed; return how its stream stands. It is asked for again after a pause."""
        now, known = self._monotonic(), self._known[stream.number]
        before = known.failing or Failing(0, now, now)
        failures = before.failures + 1
        known.failing = Failing(failures, before.since, now + self._backoff.pause(error, failures))
        return known.failing

    def failing(self, stream: Stream) -> Failing | None:
        """Return how often in a row that stream's page has failed, if it has."""
        return self._known[stream.number].failing

    def throttled(self, stream: Stream, error: Throttled) -> None:
        """Note that the API refused a page for its rate (HTTP 429): another stream may be served first."""
        known = self._known[stream.number]
        apart_s = known.asked_at - self._accepted_asked_at
        self._limiter.refused(len(self._in_flight), error.retry_after, apart_s)
        failing = self.failed(stream, error)
        if self.succeeded_at > failing.since:
            return  # others were served since: this one waits alone
        known.failing = replace(failing, retry_at=self._monotonic())
        if stream.use is Use.TAIL:
            # It has not had its turn.
            self._was_tail, self._tail_asked_at = False, -math.inf
        # Another page in flight may be the only cause: the next refusal shows it.
        if error.retry_after and not self._in_flight:
            self.pause_all(min(error.retry_after, self._backoff.longest_asked))

    def pause_all(self, seconds: float) -> None:
        """Ask for nothing for so long."""
        self._not_before = max(self._not_before, self._monotonic() + seconds)

    def pause_all_for(self, error: CyberArkError, failures: int) -> None:
        """Ask for nothing until that error has had time to pass."""
        self.pause_all(self._backoff.pause(error, failures))

    def all_wait_s(self) -> float:
        """Return for how long (s) nothing may be asked for, queries included."""
        return max(self._limiter.wait_s(), self._not_before - self._monotonic(), 0.0)

    def query_called(self) -> None:
        """Note that a query is opened: it is a call too."""
        self._limiter.called()
        self._asked_since_query = 0

    def may_open_query(self, checkpoint: Checkpoint) -> bool:
        """Return whether a query may take the place of a page: not every time where calls are kept apart."""
        if not self._limiter.interval_s or not checkpoint.streams:
            return True
        return self._asked_since_query >= (PAGES_BETWEEN_QUERIES if checkpoint.stream(Use.TAIL) else 1)

    @property
    def is_slow(self) -> bool:
        """Whether calls have to be kept apart, or one page in flight is all that the API accepts."""
        return self._limiter.interval_s > 0 or self._limiter.at_once == 1

    @property
    def is_far_apart(self) -> bool:
        """Whether calls have to be so far apart that a row of empty pages costs minutes."""
        return self._limiter.interval_s >= FAR_APART_S

    @property
    def is_any_failing(self) -> bool:
        """Whether a stream waits to ask again for a page that failed."""
        return any(known.failing for known in self._known.values())

    def pause_at_live_edge(self, stream: Stream) -> None:
        """Note that a stream has come to the live edge: its next page is asked for a moment later."""
        self._known[stream.number].paused_until = self._monotonic() + LIVE_EDGE_PAUSE_S

    def tail_paused(self) -> None:
        """Note that the tail has read what is shown: look again, five seconds after it began to."""
        now = self._monotonic()
        self._tail_due = max(self._tail_began + TAIL_INTERVAL_S, now + 1.0)
        self._tail_began = self._tail_due

    def _ask_for(self, stream: Stream) -> None:
        now = self._monotonic()
        if stream.use is Use.TAIL and now >= self._tail_due:
            self._tail_began = max(self._tail_began, now)
        self._limiter.called()
        self._asked_since_query += 1
        self._known[stream.number].asked_at = now
        self._was_tail = stream.use is Use.TAIL
        if self._was_tail:
            self._tail_asked_at = now
        cursor = stream.cursor
        page = self._background.submit(lambda: self._fetch(cursor))
        self._in_flight[stream.number] = InFlight(stream.number, cursor, page, self._now_ms())

    @property
    def _tail_had_its_turn(self) -> bool:
        """The tail is nearly always due: other streams have every second turn at least."""
        return self._was_tail or self._monotonic() < self._tail_asked_at + TAIL_INTERVAL_BESIDE_S

    def _ready_in(self, stream: Stream) -> float:
        if stream.number in self._in_flight:
            return math.inf
        known = self._known[stream.number]
        due = [self._not_before, known.paused_until]
        if known.failing:
            due.append(known.failing.retry_at)
        if stream.use is Use.TAIL:
            due.append(self._tail_due)
        return max(due) - self._monotonic()
