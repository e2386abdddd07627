"""Virtual time: it passes when everybody waits, and nobody sleeps.

Whoever does something is a task: a thread that runs only while it has the turn. The turn goes from one to the next in
the order of the moments that they wait for, so that overlapping calls reach a service in the order of their times, and
the same seed gives the same run. Time never goes back.
"""

import heapq
import threading
from collections.abc import Callable
from itertools import count
from threading import Event
from typing import Final

from cyberark_modules.clock import Clock

SHORTEST_WAIT_S = 0.001
_MOST_TURNS_AT_ONCE = 50_000

_here = threading.local()


class Killed(BaseException):
    """The process is gone: nothing that follows happens in it."""


class Task:
    """What may have the turn. `group` is its process, which can be killed with all that it does."""

    def __init__(self, timeline: "Timeline") -> None:
        # Held while it is another's turn; whoever gives the turn away releases the next one's.
        self.turn = threading.Lock()
        self.turn.acquire()
        self.group: Group | None = None
        self.until: Callable[[], bool] | None = None
        self.wait_number = -1
        self.job: Callable[[], None] | None = None
        self.timeline = timeline

    def run(self) -> None:
        """What its thread does: one job after the other, each when it gets the turn."""
        _here.task = self
        while True:
            self.turn.acquire()
            job, self.job = self.job, None
            if job is None:
                return
            if self.group is not None and not self.group.is_dying:
                job()
            self.timeline.finished(self)


class Group:
    """The tasks of one process."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.is_dying = False


class Timeline:
    """The one time of everybody, in epoch seconds. Whoever makes it drives it, by `run_to`."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._horizon = start
        self._due: list[tuple[float, int, Callable[[], None] | Task]] = []
        self._waiting: list[Task] = []
        self._numbers = count()
        self._driver: Final = Task(self)
        self._idle: list[Task] = []
        self._is_interrupted = False
        self._error: BaseException | None = None
        self._turns_at_once = 0

    def __call__(self) -> float:
        """The time for the services."""
        return self.now

    @staticmethod
    def current() -> Task | None:
        """The task that this thread is; None outside of every simulation."""
        task: Task | None = getattr(_here, "task", None)
        return task

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at that time. It must not wait."""
        heapq.heappush(self._due, (max(moment, self.now), next(self._numbers), action))

    def start(self, group: Group, job: Callable[[], None]) -> None:
        """Have a job done by a task of that process, from now on. It must not raise."""
        if self._idle:
            task = self._idle.pop()
        else:
            task = Task(self)
            threading.Thread(target=task.run, name="simulated", daemon=True).start()
        task.group, task.job = group, job
        group.tasks.append(task)
        self._wait(task, self.now, None)

    def run_to(self, moment: float) -> None:
        """Let everybody do what is due up to that time, or until `interrupt`. Raises what went wrong meanwhile."""
        self._horizon = moment
        self._is_interrupted = False
        if (chosen := self._next()) is not self._driver:
            chosen.turn.release()
            self._driver.turn.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def interrupt(self) -> None:
        """Give the turn back to who drives, at this moment."""
        self._is_interrupted = True

    def fail(self, error: BaseException) -> None:
        """Have who drives raise that, whoever has noticed it."""
        self._error = self._error or error
        self.interrupt()

    def advance(self, seconds: float) -> None:
        self.advance_to(self.now + seconds)

    def advance_to(self, moment: float, until: Callable[[], bool] | None = None) -> None:
        """Wait up to that time, or until something holds; called by a task. Raises Killed when its process is."""
        task = self.current()
        if task is None or task.group is None:
            raise RuntimeError("only what is simulated can wait here")
        if task.group.is_dying:
            raise Killed
        if until is not None and until():
            return
        self._wait(task, moment, until)
        if (chosen := self._next()) is not task:
            chosen.turn.release()
            task.turn.acquire()
        if task.group.is_dying:
            raise Killed

    def finished(self, task: Task) -> None:
        """That task's job is done: it gives the turn away for good."""
        if task.group is not None:
            task.group.tasks.remove(task)
        task.group = None
        self._idle.append(task)
        self._next().turn.release()

    def end(self, group: Group) -> None:
        """End every task of a process where it is; called by who drives."""
        group.is_dying = True
        for task in list(group.tasks):
            self._forget(task)
            self._is_interrupted = True
            task.turn.release()
            self._driver.turn.acquire()

    def close(self) -> None:
        """End the threads, once every process has ended."""
        for task in self._idle:
            task.turn.release()
        self._idle.clear()

    def _wait(self, task: Task, moment: float, until: Callable[[], bool] | None) -> None:
        task.wait_number = next(self._numbers)
        heapq.heappush(self._due, (max(moment, self.now), task.wait_number, task))
        if until is not None:
            task.until = until
            self._waiting.append(task)

    def _forget(self, task: Task) -> None:
        """It does not wait any more."""
        task.wait_number = -1
        if task.until is not None:
            task.until = None
            self._waiting.remove(task)

    def _next(self) -> Task:
        """Who has the turn next; time passes up to then."""
        before = self.now
        try:
            chosen = self._choose()
        except BaseException as error:  # of a service, in whatever thread this is
            self.fail(error)
            return self._driver
        self._turns_at_once = self._turns_at_once + 1 if self.now == before else 0
        if self._turns_at_once > _MOST_TURNS_AT_ONCE:
            self._turns_at_once = 0
            self.fail(AssertionError(f"{_MOST_TURNS_AT_ONCE} turns in no time: the connector spins"))
            return self._driver
        return chosen

    def _choose(self) -> Task:
        while not self._is_interrupted:
            for task in self._waiting:
                if task.until is not None and task.until():
                    self._forget(task)
                    return task
            if not self._due or self._due[0][0] > self._horizon:
                self.now = max(self.now, self._horizon)
                break
            moment, number, action = heapq.heappop(self._due)
            if not isinstance(action, Task):
                self.now = moment
                action()
            elif action.wait_number == number:
                self.now = moment
                self._forget(action)
                return action
        return self._driver


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
        self._timeline.advance_to(self._timeline.now + max(SHORTEST_WAIT_S, seconds), stop.is_set)
