"""Live events: when they happen, and when the Audit API begins to show them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from sandbox.events.index import EventIndex


@dataclass
class Delays:
    """How long after its time an event arrives, in seconds. A `late_share` of them comes up to `late_bound` late.

    `batch_seconds` is the time between two arrivals, each of everything that waits; 0 shows each event by itself.
    Events of `late_application` (an applicationCode) come `late_application_seconds` later than the others.
    """

    least: float = 0.1
    most: float = 1.5
    late_share: float = 0.0
    late_bound: float = 0.0
    batch_seconds: float = 0.0
    late_application: str = ""
    late_application_seconds: float = 0.0

    def draw(self, rng: random.Random) -> float:
        if self.late_share and rng.random() < self.late_share:
            return rng.uniform(self.most, max(self.late_bound, self.most))
        return rng.uniform(self.least, self.most)

    def arrival(self, time: float, application: str, rng: random.Random) -> float:
        """When the API begins to show an event of that application."""
        arrival = time + self.draw(rng)
        if self.late_application and application == self.late_application:
            arrival += self.late_application_seconds
        return ceil(arrival / self.batch_seconds) * self.batch_seconds if self.batch_seconds else arrival


class Production:
    """Makes events at an even rate. They are put in the index when somebody looks, with the times they were due."""

    def __init__(self, index: EventIndex, now: Callable[[], float], seed: int) -> None:
        self.delays = Delays()
        self._index = index
        self._now = now
        self._rng = random.Random(seed)
        self._rate = 0.0
        self._next = 0.0

    def start(self, events_per_second: float) -> None:
        self.catch_up()
        self._rate = events_per_second
        self._next = self._now()

    def stop(self) -> None:
        self.catch_up()
        self._rate = 0.0

    def catch_up(self) -> None:
        """Put in what has happened by now."""
        now = self._now()
        while self._rate and self._next <= now:
            application = self._index.next_kind().application if self.delays.late_application else ""
            arrival = self.delays.arrival(self._next, application, self._rng)
            if self._index.factory.twins and self._index.factory.is_twin(len(self._index)):
                self._index.add_twin()  # shown together with the one before
            else:
                self._index.add(self._next, arrival)
            self._next += 1 / self._rate
