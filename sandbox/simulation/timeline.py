"""Virtual time: it passes when somebody waits, and nobody sleeps."""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event

from cyberark_modules.clock import Clock

_SHORTEST_WAIT_S = 0.001


class Killed(BaseException):
    """The process is gone: nothing that follows happens in it."""


def _never() -> bool:
    return False


class Timeline:
    """The one time of everybody, in epoch seconds. `now` is where it stands for whoever has the turn.

    Time does not pass beyond `horizon`: whoever wants to wait longer gives the turn away there, by `give_turn`.
    """

    def __init__(self, start: float) -> None:
        self.now = start
        self.horizon = start
        self.give_turn: Callable[[], None] = lambda: None
        self._latest = start
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._is_aside = False

    def __call__(self) -> float:
        """The time for the services, which never goes back."""
        self._latest = max(self._latest, self.now)
        return self._latest

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at that time. It must not wait."""
        heapq.heappush(self._due, (moment, next(self._numbers), action))

    def advance(self, seconds: float) -> None:
        self.advance_to(self.now + seconds)

    def advance_to(self, moment: float, until: Callable[[], bool] = _never) -> None:
        """Let time pass, and what is due happen, up to that time or until something holds."""
        if self._is_aside:
            self.now = max(self.now, moment)
            return
        while not until():
            reached = min(moment, self.horizon)
            if self._due and self._due[0][0] <= reached:
                time, _, action = heapq.heappop(self._due)
                self.now = max(self.now, time)
                action()
                continue
            self.now = max(self.now, reached)
            if moment <= self.horizon:
                return
            self.give_turn()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done here takes its time beside what everybody else does: time stands where it was afterwards.

        Whoever waits for it has to read `now` before the end.
        """
        start, was_aside = self.now, self._is_aside
        self._is_aside = True
        try:
            yield
        finally:
            self.now, self._is_aside = start, was_aside


class ProcessClock(Clock):
    """The clock of one process: its monotonic time begins when it starts, its wall time can be set by anyone."""

    def __init__(self, timeline: Timeline, wall_offset: Callable[[], float]) -> None:
        self._timeline = timeline
        self._wall_offset = wall_offset
        self._started = timeline.now

    def wall(self) -> float:
        return self._timeline.now + self._wall_offset()

    def monotonic(self) -> float:
        return self._timeline.now - self._started

    def wait(self, stop: Event, seconds: float) -> None:
        # No sleep is shorter, and a time that rounding leaves a hair before its end still passes.
        self._timeline.advance_to(self._timeline.now + max(_SHORTEST_WAIT_S, seconds), stop.is_set)
