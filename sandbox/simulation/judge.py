"""The promise, judged from outside: by the ledger, by what was on its way at each kill, and by nothing else.

- Every event that the API shows while the promise covers it is delivered: it happened since the first run's start and
  was shown no later than the overlap. What was shown later is found by reconciliation, for some hours back, and as far
  as the budget of keys reaches: so many deliveries are remembered, one that was late as two.
- Nothing is delivered twice, but what was being pushed, or was not stored yet, when a process ended.
"""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from sandbox.environment import Service
from sandbox.http import Request, Response
from sandbox.ledger.ledger import RETENTION_SECONDS
from sandbox.platform.sekoia import read_batch
from sandbox.simulation.network import Latency
from sandbox.simulation.simulation import Simulation

STATE, BACKUP = "context.json", "context.previous.json"
STREAMS_AT_MOST = 7
"""Tail, lookback, reconciliation and four backfills: each has one page in flight at most."""

_HISTORY_S = 3600.0
_STORED_AGAIN_WITHIN_S = 62.0
# A restart that cannot know of the last query asks again and again, within its minute.
_QUERIES_WITHIN_A_MINUTE = 6
# Reconciliation reads the last 24 h, about once an hour: what is older at the end may have been out of its reach.
_RECONCILED_S = 20 * 3600.0
# What arrives is reconciled this much later, a turn of other queries included.
_RECONCILED_AFTER_S = 1.2 * 3600.0
# The budget of keys that delivery.md tells; and a reconciliation begins an overlap and this much later than they do.
_KEYS_REMEMBERED = 100_000
_KEYS_BEFORE_S = 180.0


@dataclass
class Findings:
    """What was found to be wrong, each in one sentence; and the figures."""

    failures: list[str] = field(default_factory=list)
    lost: int = 0
    lost_late: int = 0
    duplicates: int = 0
    duplicates_allowed: float = 0


class Judge:
    """A simulation, and what may be said of it. `simulation` is to be entered and left with this."""

    def __init__(
        self, seed: int = 0, latency: Latency | None = None, events_per_request: int = 1_000_000, **configuration: Any
    ) -> None:
        self.simulation = Simulation(
            seed,
            latency,
            events_per_request,
            observe=self._observe,
            stored=self._stored,
            ended=self._ended,
            **configuration,
        )
        self.page_size = int(configuration.get("chunk_size", 500))
        self.applications: list[str] = configuration.get("application_codes", [])
        self.overlap = 60.0 * configuration.get("overlap", 5)
        self.duplicates_allowed = 0.0
        self.promised_from = float("inf")
        self.state_bytes = 0
        self._accepted = 0
        self._accepted_when_stored: dict[str, int] = {}
        self._storable_from = float("-inf")
        self._readable_from = float("-inf")
        self._excused_queries = 0
        self._failing_seconds: set[int] = set()
        self._failing_times: list[float] = []

    def __enter__(self) -> Self:
        self.simulation.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self.simulation.__exit__(None, None, None)

    def start(self) -> None:
        """Start the first run: its history is promised from here on."""
        self._promise()
        self.simulation.start()

    def state_unwritable(self, seconds: float) -> None:
        self._storable_from = max(self._storable_from, self.simulation.now + seconds)
        self._set_for(seconds, "writable", lambda: self.simulation.now >= self._storable_from)

    def state_unreadable(self, seconds: float) -> None:
        self._readable_from = max(self._readable_from, self.simulation.now + seconds)
        self._set_for(seconds, "readable", lambda: self.simulation.now >= self._readable_from)

    def damage(self, keep: float, and_backup: bool) -> None:
        """Damage the state of a connector that does not run. What was delivered since the backup may come again."""
        folder = self.simulation.folder
        if folder.read(STATE) is None:
            return
        has_backup = folder.read(BACKUP) is not None and not and_backup
        self.duplicates_allowed += self._accepted - (self._accepted_when_stored[BACKUP] if has_backup else 0)
        self._excused_queries += 1
        folder.damage(STATE, keep)
        if and_backup:
            folder.damage(BACKUP, keep)

    def note_failing_pages(self) -> None:
        """What no query can tell from an event whose pages fail need not be delivered while they do.

        That is its second by the date that the tenant filters by: a batch that arrives in one is shown as a whole. And
        a reconciliation ends an overlap before it.
        """
        environment = self.simulation.environment
        made = len(environment.ledger.index)
        failing = environment.tenant.failing_events()
        self._failing_seconds = {self._filtered_second(sequence) for sequence in failing if sequence < made}
        index = environment.ledger.index
        self._failing_times = [index.times_ms[sequence] / 1000 for sequence in failing if sequence < made]

    def missing(self, within_overlap: bool = True) -> list[int]:
        """The promised events that are not delivered: those that were shown within the overlap, or the later ones."""
        ledger, now = self.simulation.environment.ledger, self.simulation.now
        oldest = max(self.promised_from, now - (RETENTION_SECONDS if within_overlap else _RECONCILED_S))
        found = []
        for sequence in ledger.unaccepted():
            time, arrival = ledger.index.times_ms[sequence] / 1000, ledger.index.arrivals[sequence]
            is_in_time = arrival <= time + self.overlap + 0.001
            if time < oldest or arrival > now or is_in_time != within_overlap or ledger.is_excused(sequence):
                continue
            if self._filtered_second(sequence) in self._failing_seconds or not self._is_wanted(sequence):
                continue
            if not is_in_time and any(0 <= failing - time <= self.overlap + 60 for failing in self._failing_times):
                continue
            found.append(sequence)
        return found if within_overlap or not found else self._within_budget(found)

    def _within_budget(self, late: list[int]) -> list[int]:
        """Those of the late events for which the keys were remembered far enough back when they had arrived."""
        index, now = self.simulation.environment.ledger.index, self.simulation.now
        keys: list[float] = []
        for sequence, arrival in enumerate(index.arrivals):
            time = index.times_ms[sequence] / 1000
            if arrival <= now:
                keys += [time, arrival] if arrival > time + self.overlap else [time]
        keys.sort()

        def remembered(sequence: int) -> int:
            first = index.times_ms[sequence] / 1000 - self.overlap - _KEYS_BEFORE_S
            return bisect(keys, index.arrivals[sequence] + _RECONCILED_AFTER_S) - bisect(keys, first)

        return [sequence for sequence in late if remembered(sequence) <= _KEYS_REMEMBERED]

    def findings(self) -> Findings:
        """What is wrong at the end, once everything had the time to arrive."""
        ledger, found = self.simulation.environment.ledger, Findings()
        snapshot = ledger.snapshot()
        lost, lost_late = self.missing(), self.missing(within_overlap=False)
        found.lost, found.lost_late = len(lost), len(lost_late)
        found.duplicates, found.duplicates_allowed = snapshot.duplicates, self.duplicates_allowed
        for name, sequences in (("lost", lost), ("late and not found", lost_late)):
            if sequences:
                texts = [ledger.index.text(sequence).decode()[:120] for sequence in sequences[:2]]
                found.failures.append(f"{len(sequences)} {name}: {texts}")
        if snapshot.duplicates > self.duplicates_allowed:
            found.failures.append(f"{snapshot.duplicates} duplicates, {self.duplicates_allowed:g} allowed")
        if snapshot.altered:
            found.failures.append(f"{snapshot.altered} altered: {ledger.altered[:1]}")
        if snapshot.queries_too_soon > self._excused_queries:
            found.failures.append(f"{snapshot.queries_too_soon} queries too soon, {self._excused_queries} allowed")
        found.failures += [
            line for line in self.simulation.said("error") if line.startswith(("Unexpected", "Traceback"))
        ][:2]
        return found

    def _filtered_second(self, sequence: int) -> int:
        """The second of an event by the date that the tenant filters by."""
        environment = self.simulation.environment
        index, field = environment.ledger.index, environment.tenant.settings.date_field
        return int(index.arrivals[sequence]) if field == "arrival" else index.times_ms[sequence] // 1000

    def _is_wanted(self, sequence: int) -> bool:
        if not self.applications:
            return True
        return self.simulation.environment.ledger.index.kind(sequence).application in self.applications

    def _promise(self) -> None:
        self.promised_from = self.simulation.now - _HISTORY_S + 2.0

    def _set_for(self, seconds: float, name: str, is_over: Callable[[], bool]) -> None:
        folder, timeline = self.simulation.folder, self.simulation.timeline
        setattr(folder, name, False)
        timeline.at(timeline.now + seconds, lambda: setattr(folder, name, is_over()))

    @property
    def _is_unstorable(self) -> bool:
        """The state cannot be written, or could not a moment ago."""
        return self.simulation.now <= self._storable_from + _STORED_AGAIN_WITHIN_S

    def _observe(self, service: Service, request: Request, response: Response) -> None:
        if service != "intake" or response.status != 200 or response.ending != "complete" or not request.body:
            return
        if self.simulation.environment.sekoia.is_intake(response):
            count = len(read_batch(request.body)["jsons"])
            self._accepted += count
            if self.simulation.network.is_sender_dead:
                self.duplicates_allowed += count

    def _stored(self, name: str) -> None:
        self._accepted_when_stored[name] = self._accepted
        content = self.simulation.folder.read(name)
        self.state_bytes = max(self.state_bytes, len(content or b""))

    def _ended(self, was_killed: bool) -> None:
        unstored = self._accepted - self._accepted_when_stored.get(STATE, 0)
        if self._is_unstorable:
            self.duplicates_allowed += unstored
            self._excused_queries += _QUERIES_WITHIN_A_MINUTE
        elif was_killed:
            self.duplicates_allowed += min(unstored, STREAMS_AT_MOST * self.page_size)
        self._accepted_when_stored[STATE] = self._accepted
        if self.simulation.folder.read(STATE) is None and self._is_unstorable:
            self._promise()  # the next start is a first run
