"""Virtual time: one clock, and two threads of which one runs at any moment, who drives and the connector's main loop.

A call that the connector makes in the background is made at once, by a clock of its own: it ends at the time at which
it would have ended, and its future is done when the common clock gets there. So nothing ever waits for a lock, and the
same seed always gives the same run. A call that takes long sees the world as it is at its own time, but what was
scheduled for meanwhile (`at`) has not happened yet.
"""

import heapq
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from itertools import count
from math import inf
from typing import Any, TypeVar

from cyberark_modules.clock import Clock
from cyberark_modules.context import Context

T = TypeVar("T")

# Rounding must not make a wait end before its end.
_SHORTEST_WAIT_S = 1e-6
_MOST_TURNS_A_SECOND = 5000


class Killed(BaseException):
    """The process was killed: raised in it at its next wait, request or write."""


class Process:
    """The connector's main loop, in a thread that runs only while it has the turn."""

    def __init__(self, job: Callable[[], None]) -> None:
        self.is_running = True
        self.is_killed = False
        self.error: BaseException | None = None
        self.paused_until = -inf
        self.wakes_at = -inf
        self._until: Callable[[], bool] = lambda: True
        self._job = job
        self._turn = threading.Semaphore(0)
        self._drivers = threading.Semaphore(0)
        threading.Thread(target=self._run, name="simulated connector", daemon=True).start()

    def is_due(self, now: float) -> bool:
        """Return whether it would go on now."""
        return self.is_running and now >= self.paused_until and (now >= self.wakes_at or self._until())

    def resume(self) -> None:
        """Give it the turn, until it waits or ends."""
        self._turn.release()
        self._drivers.acquire()

    def wait(self, moment: float, until: Callable[[], bool]) -> None:
        """Give the turn back up to that time, or until something holds; called by the process. Raises Killed."""
        self.check()
        self.wakes_at, self._until = moment, until
        self._drivers.release()
        self._turn.acquire()
        self.check()

    def check(self) -> None:
        """Raise Killed if it is to die."""
        if self.is_killed:
            raise Killed

    def kill(self) -> None:
        """End it where it is; called by who drives."""
        self.is_killed = True
        while self.is_running:
            self.resume()

    def _run(self) -> None:
        self._turn.acquire()
        try:
            self.check()
            self._job()
        except Killed:
            self.is_killed = True
        except BaseException as error:  # raised where the time is driven
            self.error = error
        finally:
            self.is_running = False
            self._drivers.release()


class Timeline:
    """The time in epoch seconds. Whoever makes it drives it, by `run_to`; `process` is the connector's."""

    def __init__(self, start: float) -> None:
        self.now = start
        self.process: Process | None = None
        self._call_time: float | None = None
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def __call__(self) -> float:
        """Return the time of whoever asks: that of the call which is being made, else the common one."""
        return self.now if self._call_time is None else self._call_time

    @property
    def is_in_call(self) -> bool:
        """Return whether this is a call in the background, and not the connector's main loop."""
        return self._call_time is not None

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at that time. It must not wait."""
        heapq.heappush(self._due, (moment, next(self._numbers), action))

    def run_to(self, end: float) -> None:
        """Let time pass up to `end`, or until the process ends. Raises what the process raised."""
        process, turns, since = self.process, 0, self.now
        while True:
            if process is not None and process.is_due(self.now):
                turns, since = (turns + 1, since) if self.now < since + 1 else (0, self.now)
                if turns > _MOST_TURNS_A_SECOND:
                    raise AssertionError(f"more than {turns} turns a second: the connector spins")
                process.resume()
                if not process.is_running:
                    if process.error is not None:
                        raise process.error
                    return
                continue
            wakes_at = max(process.wakes_at, process.paused_until) if process and process.is_running else inf
            moment = min(wakes_at, self._due[0][0] if self._due else inf)
            if moment > end:
                self.now = max(self.now, end)
                return
            self.now = max(self.now, moment)
            while self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()

    def advance(self, seconds: float) -> None:
        self.advance_to(self() + seconds)

    def advance_to(self, moment: float, until: Callable[[], bool] = lambda: False) -> None:
        """Wait up to that time, or until something holds; called by the process. Raises Killed."""
        process = self.process
        if process is None:
            raise RuntimeError("only the connector can wait here")
        if until():
            process.check()
        elif self._call_time is None:
            process.wait(moment, until)
        else:
            process.check()
            self._call_time = max(self._call_time, moment)

    def call(self, function: Callable[[], T]) -> "TimedFuture[T]":
        """Make a call at once, by a clock of its own."""
        outer, future = self._call_time, TimedFuture[T](self)
        self._call_time = self()
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)
        finally:
            future.done_at, self._call_time = self._call_time, outer
        return future


class TimedFuture(Future[T]):
    """The future of a call that has been made, and ends at `done_at`."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.done_at = inf
        self._timeline = timeline

    def done(self) -> bool:
        """Return whether the call has ended by now."""
        return self._timeline() >= self.done_at

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result. Raises TimeoutError."""
        self._wait(timeout)
        return super().result(0)

    def _wait(self, timeout: float | None) -> None:
        if not self.done():
            self._timeline.advance_to(min(self.done_at, self._timeline() + (inf if timeout is None else timeout)))
        if not self.done():
            raise TimeoutError


class VirtualContext(Context):
    """The connector's clocks and waits: calls are made at once, waits take virtual time."""

    def __init__(
        self,
        timeline: Timeline,
        wall_offset: Callable[[], float],
        stop_event: threading.Event,
        heartbeat: Callable[[], object],
    ) -> None:
        super().__init__(VirtualClock(timeline, wall_offset), stop_event, heartbeat)
        self._timeline = timeline

    def submit(self, call: Callable[[], T]) -> Future[T]:
        return self._timeline.call(call)

    def _wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        timeline = self._timeline
        if not any(future.done() for future in futures):
            ends = [future.done_at for future in futures if isinstance(future, TimedFuture)]
            end = timeline() + max(seconds, _SHORTEST_WAIT_S)
            timeline.advance_to(min(end, *ends) if ends else end, self.is_stopping)
        return any(future.done() for future in futures)


class VirtualExecutor(Executor):
    """In the place of the SDK's executor: each call is made at once, one after the other."""

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Make a call, and return its future, which is done."""
        future: Future[T] = Future()
        future.set_result(call(*args, **kwargs))
        return future


class VirtualClock(Clock):
    """The clock of one process: its monotonic time begins when it starts, its wall time can be set."""

    def __init__(self, timeline: Timeline, wall_offset: Callable[[], float]) -> None:
        self._timeline = timeline
        self._wall_offset = wall_offset
        self._started = timeline()

    def wall(self) -> float:
        return self._timeline() + self._wall_offset()

    def monotonic(self) -> float:
        return self._timeline() - self._started
