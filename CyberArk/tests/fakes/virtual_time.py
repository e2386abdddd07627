"""Virtual time in one thread: a call in the background is made at once, and is done at the time at which it ends."""

import heapq
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from itertools import count
from math import inf
from threading import Event
from typing import Any, TypeVar

from cyberark_modules.clock import Clock
from cyberark_modules.context import Context

T = TypeVar("T")
START_S = 1_800_000_000.0


class VirtualTime(Clock):
    """The clock; whoever waits makes time pass. `wall_ahead` is how far this machine's clock is wrong (s)."""

    def __init__(self) -> None:
        self.wall_ahead = 0.0
        self._now = 0.0
        self._call_now: float | None = None
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def monotonic(self) -> float:
        return self._now if self._call_now is None else self._call_now

    def wall(self) -> float:
        return START_S + self.monotonic() + self.wall_ahead

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do something at that time (monotonic s); what it raises, the connector sees."""
        heapq.heappush(self._due, (moment, next(self._numbers), action))

    def pass_s(self, seconds: float) -> None:
        """Let time pass; in a call, make it take that long."""
        self.pass_to(self.monotonic() + seconds)

    def pass_to(self, moment: float, until: Callable[[], bool] = lambda: False) -> None:
        if self._call_now is not None:
            self._call_now = max(self._call_now, moment)
            return
        while not until() and self._due and self._due[0][0] <= moment:
            due_at, _, action = heapq.heappop(self._due)
            self._now = max(self._now, due_at)
            action()
        if not until():
            if moment == inf:
                raise AssertionError("waiting for what never happens")
            self._now = max(self._now, moment)

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        outer, future = self._call_now, TimedFuture[T](self)
        self._call_now = self.monotonic()
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)
        finally:
            future.done_at, self._call_now = self._call_now, outer
        return future


class TimedFuture(Future[T]):
    """The future of a call that has been made, and ends at `done_at`."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self.done_at = inf
        self._time = time

    def done(self) -> bool:
        return self._time.monotonic() >= self.done_at

    def result(self, timeout: float | None = None) -> T:
        if not self.done():
            self._time.pass_to(min(self.done_at, self._time.monotonic() + (inf if timeout is None else timeout)))
        if not self.done():
            raise TimeoutError
        return super().result(0)


class VirtualContext(Context):
    """The connector's clocks and waits."""

    def __init__(self, time: VirtualTime, stop_event: Event, heartbeat: Callable[[], object] = lambda: None) -> None:
        super().__init__(time, stop_event, heartbeat)
        self._time = time

    def submit(self, call: Callable[[], T]) -> Future[T]:
        return self._time.submit(call)

    def _wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        end = self._time.monotonic() + max(seconds, 1e-6)
        if not any(future.done() for future in futures):
            ends = [future.done_at for future in futures if isinstance(future, TimedFuture)]
            self._time.pass_to(min([end, *ends]), self.is_stopping)
        return any(future.done() for future in futures)


class InlineExecutor(Executor):
    """In the place of the SDK's executor."""

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(call(*args, **kwargs))
        return future
