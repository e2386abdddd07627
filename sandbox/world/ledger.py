"""The truth: what was made, returned and accepted, and what was lost or came twice on the way."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import RLock

from sandbox.world.index import EventIndex
from sandbox.world.messages import Request

RETENTION_S = 7 * 86400
"""The Audit API returns no older events."""

_SATURATED = 255


@dataclass(frozen=True)
class Snapshot:
    """The ledger at one moment.

    `waiting`: returned by the API, not accepted, and not excused (see Ledger.lost). `lag` (from the event's time) and
    `delay` (from its arrival) are percentiles in seconds of the events that arrived since the measurement began.
    """

    time: float
    made: int
    arrived: int
    accepted: int
    waiting: int
    duplicates: int
    altered: int
    queries: int
    queries_too_soon: int
    requests: dict[tuple[str, str], int]
    lag: dict[str, float]
    delay: dict[str, float]


class Ledger:
    """Counts events by their exact text. Every method may be called from any thread.

    `rejected` are the events that the intake rejects by themselves; neither they nor those too large for it are lost.
    """

    def __init__(self, index: EventIndex, now: Callable[[], float]) -> None:
        self.lock = RLock()
        self.index = index
        self.journal: deque[tuple[str, Request]] = deque(maxlen=2000)  # endpoint, and the beginning of the body
        self.requests: Counter[tuple[str, str]] = Counter()
        self.query_times: list[float] = []
        self.results_times: deque[float] = deque(maxlen=100_000)
        self.altered: list[str] = []
        self.duplicates = 0
        self.queries_too_soon = 0
        self.rejected: set[int] = set()
        self.accepted = 0
        self.last_accepted_at: float | None = None
        self._now = now
        self._measured_from = now()
        self._unanswered: set[float] = set()
        self._times_accepted = bytearray()
        self._lag, self._delay = list[float](), list[float]()

    def accept(self, texts: Sequence[str], at: float) -> None:
        """Take note that the intake accepted these events, and answered so at that time."""
        with self.lock:
            self._cover()
            index, times, since = self.index, self._times_accepted, self._measured_from
            self.last_accepted_at = at
            for text in texts:
                sequence = index.identify(text)
                if sequence is None:
                    self.altered.append(text)
                elif times[sequence]:
                    self.duplicates += 1
                    times[sequence] = min(times[sequence] + 1, _SATURATED)
                else:
                    self.accepted += 1
                    times[sequence] = 1
                    arrival = index.arrivals[sequence]
                    if arrival >= since:
                        self._lag.append(at - index.times_ms[sequence] / 1000)
                        self._delay.append(at - arrival)

    def reject(self, text: str) -> None:
        """Take note that the intake rejects this event by itself, and will."""
        with self.lock:
            if (sequence := self.index.identify(text)) is not None:
                self.rejected.add(sequence)

    def query(self, accepted: bool, spacing_s: float) -> None:
        """Note a createQuery, opened or throttled because the last one is too recent."""
        now = self._now()
        with self.lock:
            last = self.query_times[-1] if self.query_times else None
            if last is not None and last not in self._unanswered:
                self.queries_too_soon += now - last < spacing_s
            if accepted:
                self.query_times.append(now)

    def forgive_last_query(self) -> None:
        """Take note that the answer to the last query was lost: who asked cannot know that it was opened."""
        with self.lock:
            self._unanswered.add(self.query_times[-1])

    def exchange(self, endpoint: str, request: Request, outcome: str) -> None:
        """Take note of a request and how it was answered."""
        with self.lock:
            self.requests[endpoint, outcome] += 1
            if endpoint == "results":
                self.results_times.append(self._now())
            kept = Request(request.method, request.path, request.headers, request.body[:4096])
            self.journal.append((endpoint, kept))

    def lost(self, patience_s: float = 0.0, limit: int | None = None) -> list[str]:
        """Return the texts that the API has returned for longer than this, returns still, and nobody accepted."""
        with self.lock:
            return [self.index.text(sequence) for sequence in islice(self.missing(patience_s), limit)]

    def lost_count(self, patience_s: float = 0.0) -> int:
        with self.lock:
            return sum(1 for _ in self.missing(patience_s))

    def missing(self, patience_s: float = 0.0) -> Iterator[int]:
        """Yield the sequence numbers of what is lost (see `lost`)."""
        now = self._now()
        newest, oldest_ms = now - patience_s, (now - RETENTION_S) * 1000
        arrivals, times_ms = self.index.arrivals, self.index.times_ms
        excused = self.index.too_large | self.rejected
        for sequence in self.unaccepted():
            if arrivals[sequence] <= newest and times_ms[sequence] >= oldest_ms and sequence not in excused:
                yield sequence

    def expired_count(self) -> int:
        """Return how many events left the API's retention without being accepted."""
        with self.lock:
            oldest_ms = (self._now() - RETENTION_S) * 1000
            if (self.index.oldest_ms() or oldest_ms) >= oldest_ms:
                return 0
            return sum(self.index.times_ms[sequence] < oldest_ms for sequence in self.unaccepted())

    def unaccepted(self) -> Iterator[int]:
        """Yield the events that the intake has not accepted, arrived or not."""
        self._cover()
        sequence = self._times_accepted.find(0)
        while sequence >= 0:
            yield sequence
            sequence = self._times_accepted.find(0, sequence + 1)

    def times_accepted(self, sequence: int) -> int:
        """Return how often the intake accepted an event (255 at most)."""
        return self._times_accepted[sequence] if sequence < len(self._times_accepted) else 0

    def remaining_of_first(self, count: int) -> int:
        """Return how many of the first `count` events are not accepted."""
        with self.lock:
            self._cover()
            return self._times_accepted.count(0, 0, count)

    def measure_from_now(self) -> None:
        """Measure lag and delay of the events that arrive from now on."""
        with self.lock:
            self._measured_from = self._now()
            self._lag.clear()
            self._delay.clear()

    def results_a_minute(self, within_s: float) -> float:
        """Return how many `results` calls a minute were made within the last `within_s` seconds."""
        since = self._now() - within_s
        with self.lock:
            return sum(time >= since for time in self.results_times) * 60 / within_s

    def snapshot(self) -> Snapshot:
        """Return the figures of now."""
        with self.lock:
            now = self._now()
            arrived = self.index.arrived(now)
            excused = [n for n in self.index.too_large | self.rejected if not self.times_accepted(n)]
            left_out = sum(self.index.arrivals[sequence] <= now for sequence in excused) + self.expired_count()
            return Snapshot(
                time=now,
                made=len(self.index),
                arrived=arrived,
                accepted=self.accepted,
                waiting=arrived - left_out - self.accepted,
                duplicates=self.duplicates,
                altered=len(self.altered),
                queries=len(self.query_times),
                queries_too_soon=self.queries_too_soon,
                requests=dict(self.requests),
                lag=_percentiles(self._lag),
                delay=_percentiles(self._delay),
            )

    def _cover(self) -> None:
        self._times_accepted.extend(bytes(len(self.index) - len(self._times_accepted)))


def _percentiles(seconds: list[float]) -> dict[str, float]:
    """Return seconds by `p50`, `p95`, `p100`; nothing when there is none."""
    ordered = sorted(seconds)
    return {f"p{percent}": ordered[(len(ordered) - 1) * percent // 100] for percent in (50, 95, 100) if ordered}
