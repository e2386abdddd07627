"""The truth: what was made, shown and accepted, and what was lost or came twice on the way."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import RLock

from sandbox.events.index import EventIndex
from sandbox.http import Request
from sandbox.ledger.percentiles import Percentiles
from sandbox.ledger.snapshot import Shown, Snapshot

RETENTION_SECONDS = 7 * 86400
"""What is older is no longer shown by the Audit API."""

_SATURATED = 255


@dataclass(frozen=True)
class Exchange:
    """A request as it was answered; the beginning of its body only."""

    time: float
    endpoint: str
    request: Request
    outcome: str


class Ledger:
    """Every count is of events by their exact text. All methods may be called from any thread."""

    def __init__(self, index: EventIndex, now: Callable[[], float]) -> None:
        self.lock = RLock()
        self.index = index
        self.journal: deque[Exchange] = deque(maxlen=2000)
        self.requests: Counter[tuple[str, str]] = Counter()
        self.query_times: list[float] = []
        self.altered: list[str] = []
        self.altered_count = 0
        self.duplicates = 0
        self.taken_but_refused = 0
        self.queries_too_soon = 0
        self.refused: set[int] = set()
        self.split_twins: set[int] = set()
        self.last_accepted_at: float | None = None
        self._now = now
        self._opened_at = now()
        self._spoilt: set[float] = set()
        self._smallest_spacing: float | None = None
        self._accepted = 0
        self._times_accepted = bytearray()
        self._lags = Percentiles()
        self._lags_since_arrival = Percentiles()
        self._backlog_lags = Percentiles()

    def accept(self, texts: Sequence[str], at: float) -> None:
        """The intake took these events and said so."""
        with self.lock:
            self._cover()
            self.last_accepted_at = at
            for text in texts:
                sequence = self.index.identify(text)
                if sequence is None:
                    self.altered_count += 1
                    if len(self.altered) < 20:
                        self.altered.append(text)
                elif self._times_accepted[sequence]:
                    self.duplicates += 1
                    self._times_accepted[sequence] = min(self._times_accepted[sequence] + 1, _SATURATED)
                else:
                    self._accepted += 1
                    self._times_accepted[sequence] = 1
                    self._measure(sequence, at)

    def take_but_refuse(self, texts: Sequence[str]) -> None:
        """The intake took these events, but its answer said otherwise or never came."""
        with self.lock:
            self.taken_but_refused += len(texts)

    def served(self, sequences: Sequence[int]) -> None:
        """The tenant puts these events in one page."""
        factory = self.index.factory
        if not factory.twins:
            return
        page = set(sequences)
        for sequence in page:
            first = sequence - 1 if factory.is_twin(sequence) else sequence
            if factory.is_twin(first + 1) and len({first, first + 1} & page) == 1:
                self.split_twins.add(first)

    def refuse(self, text: str) -> None:
        """The intake refuses this event by itself, and will: it is not lost."""
        with self.lock:
            sequence = self.index.identify(text)
            if sequence is not None:
                self.refused.add(sequence)

    def query(self, accepted: bool, minimum_seconds: float) -> None:
        """The tenant was asked to open a query, and did or refused because the last one is too recent."""
        now = self._now()
        with self.lock:
            if self.query_times:
                last = self.query_times[-1]
                if last not in self._spoilt:
                    self._smallest_spacing = min(now - last, self._smallest_spacing or now - last)
                    self.queries_too_soon += now - last < minimum_seconds
            if accepted:
                self.query_times.append(now)

    def spoil_last_query(self) -> None:
        """The last query was opened, but its answer was lost: who asked cannot know that it was."""
        with self.lock:
            self._spoilt.add(self.query_times[-1])

    def exchange(self, endpoint: str, request: Request, outcome: str) -> None:
        with self.lock:
            self.requests[endpoint, outcome] += 1
            kept = Request(request.method, request.path, request.headers, request.body[:4096])
            self.journal.append(Exchange(self._now(), endpoint, kept, outcome))

    def lost(self, patience_seconds: float = 0.0, limit: int | None = None) -> list[str]:
        """The texts that the API has shown for longer than this, still shows, and that were never accepted.

        What the intake cannot take is not counted as lost.
        """
        with self.lock:
            found = islice(self._lost(patience_seconds), limit)
            return [self.index.text(sequence).decode() for sequence in found]

    def lost_count(self, patience_seconds: float = 0.0) -> int:
        with self.lock:
            return sum(1 for _ in self._lost(patience_seconds))

    def expired(self) -> int:
        """How many events left the API's retention without being accepted."""
        with self.lock:
            oldest = (self._now() - RETENTION_SECONDS) * 1000
            if (self.index.oldest_ms() or oldest) >= oldest:
                return 0
            return sum(self.index.times_ms[sequence] < oldest for sequence in self.unaccepted())

    def refused_count(self) -> int:
        """How many events the intake refuses by themselves and has not accepted, those too large for it aside."""
        with self.lock:
            return sum(not self.times_accepted(number) for number in self.refused - self.index.too_large)

    def by_showing(self, seconds: float) -> list[Shown]:
        """What was lost and what was delivered twice, by the time at which the API began to show it."""
        with self.lock:
            self._cover()
            now, counts = self._now(), dict[int, list[int]]()
            for sequence, arrival in enumerate(self.index.arrivals):
                if arrival <= now:
                    times = self._times_accepted[sequence]
                    row = counts.setdefault(int(arrival // seconds), [0, 0, 0, 0])
                    row[0] += 1
                    row[1] += times > 0
                    row[2] += times == 0 and not self.is_excused(sequence)
                    row[3] += max(0, times - 1)
            return [Shown(place * seconds, *counts[place]) for place in sorted(counts)]

    def times_accepted(self, sequence: int) -> int:
        """How often the intake has accepted an event (255 at most)."""
        return self._times_accepted[sequence] if sequence < len(self._times_accepted) else 0

    def remaining_of_first(self, count: int) -> tuple[int, float | None]:
        """How many of the first so many events are not accepted, and when the first of these happened (epoch s)."""
        with self.lock:
            self._cover()
            remaining = self._times_accepted.count(0, 0, count)
            first = self._times_accepted.find(0, 0, count)
            return remaining, None if first < 0 else self.index.times_ms[first] / 1000

    def snapshot(self) -> Snapshot:
        with self.lock:
            now = self._now()
            shown = self.index.shown(now)
            left_out = self.index.too_large | {number for number in self.refused if not self.times_accepted(number)}
            too_large = sum(self.index.arrivals[sequence] <= now for sequence in left_out)
            return Snapshot(
                time=now,
                made=len(self.index),
                shown=shown,
                accepted=self._accepted,
                waiting=shown - too_large - self._accepted - self.expired(),
                duplicates=self.duplicates,
                altered=self.altered_count,
                taken_but_refused=self.taken_but_refused,
                queries=len(self.query_times),
                last_query=self.query_times[-1] if self.query_times else None,
                queries_too_soon=self.queries_too_soon,
                smallest_spacing=self._smallest_spacing,
                requests=dict(self.requests),
                lag=self._lags.read(),
                lag_since_arrival=self._lags_since_arrival.read(),
                backlog_lag=self._backlog_lags.read(),
            )

    def forget_delays(self) -> None:
        """Measure delays from now on only."""
        with self.lock:
            self._opened_at = self._now()
            self._lags.clear()
            self._lags_since_arrival.clear()
            self._backlog_lags.clear()

    def _measure(self, sequence: int, at: float) -> None:
        """What was there before says nothing of how fast events travel: its delay is kept apart."""
        arrival = self.index.arrivals[sequence]
        if arrival >= self._opened_at:
            self._lags.add(at - self.index.times_ms[sequence] / 1000)
            self._lags_since_arrival.add(at - arrival)
        else:
            self._backlog_lags.add(at - self._opened_at)

    def _cover(self) -> None:
        self._times_accepted.extend(bytes(len(self.index) - len(self._times_accepted)))

    def _lost(self, patience_seconds: float) -> Iterator[int]:
        now = self._now()
        newest, oldest_ms = now - patience_seconds, (now - RETENTION_SECONDS) * 1000
        for sequence in self.unaccepted():
            shown = self.index.arrivals[sequence] <= newest and self.index.times_ms[sequence] >= oldest_ms
            if shown and not self.is_excused(sequence):
                yield sequence

    def is_excused(self, sequence: int) -> bool:
        """Whether an event need not be delivered: the intake refuses it, or its twin was shown in another page."""
        twin_of = sequence - 1 if self.index.factory.is_twin(sequence) else sequence
        return sequence in self.index.too_large or sequence in self.refused or twin_of in self.split_twins

    def unaccepted(self) -> Iterator[int]:
        """The events that the intake has not accepted, shown or not."""
        self._cover()
        sequence = self._times_accepted.find(0)
        while sequence >= 0:
            yield sequence
            sequence = self._times_accepted.find(0, sequence + 1)
