"""Calls made beside one another in virtual time: what stands in the place of threads, executors and locks."""

import importlib
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as StillWaiting
from concurrent.futures import wait as wait_for_threads
from typing import Any, TypeVar

import sekoia_automation.connector

from sandbox.simulation.timeline import SHORTEST_WAIT_S, Group, Killed, Timeline

T = TypeVar("T")

_MOST_WAITS_A_SECOND = 20_000
# Whoever holds one of these waits for an answer; another thread that wants it has to give its turn away.
_MODULES_WITH_LOCKS = ("cyberark_modules.audit_api.token", "cyberark_modules.client.auth")


class TaskFuture(Future[T]):
    """The result of a call that is made in virtual time."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def result(self, timeout: float | None = None) -> T:
        if not self.done() and Timeline.current() is not None:
            end = float("inf") if timeout is None else self._timeline.now + timeout
            self._timeline.advance_to(end, self.done)
        if not self.done():
            raise StillWaiting
        return super().result(0)


class Tasks(Executor):
    """Makes the calls of one process, each in a task of its own."""

    def __init__(self, timeline: Timeline, group: Group) -> None:
        self.timeline = timeline
        self._group = group

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: TaskFuture[T] = TaskFuture(self.timeline)

        def job() -> None:
            try:
                future.set_result(call(*args, **kwargs))
            except Killed:
                self._group.is_dying = True
                self.timeline.interrupt()
            except BaseException as error:  # handed to whoever asks for the result
                future.set_exception(error)

        self.timeline.start(self._group, job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """There is no thread to end."""


class SimulatedBackground:
    """In the place of `cyberark_modules.platform.background.Background`."""

    def __init__(self, stop_event: threading.Event, timeline: Timeline, tasks: Tasks) -> None:
        self._stop_event = stop_event
        self._timeline = timeline
        self._tasks = tasks
        self._waits = 0
        self._counted_from = timeline.now

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Make a call beside everything else."""
        return self._tasks.submit(call)

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        """Wait until one of them is done, for so long, or until stop; return whether one is done."""
        self._count()
        end = self._timeline.now + max(SHORTEST_WAIT_S, seconds)
        self._timeline.advance_to(end, lambda: self._stop_event.is_set() or any(future.done() for future in futures))
        return any(future.done() for future in futures)

    def _count(self) -> None:
        if self._timeline.now >= self._counted_from + 1.0:
            self._counted_from, self._waits = self._timeline.now, 0
        self._waits += 1
        if self._waits > _MOST_WAITS_A_SECOND:
            self._timeline.fail(AssertionError(f"{_MOST_WAITS_A_SECOND} waits in a second: the connector spins"))
            raise Killed


class SimulatedLock:
    """A lock that a task may wait for without holding the others up; an ordinary one outside of simulations."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self) -> bool:
        task = Timeline.current()
        if task is None:
            return self._lock.acquire()
        task.timeline.advance_to(float("inf"), lambda: self._lock.acquire(blocking=False))
        return True

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _wait_for_all(futures: Iterable[Future[Any]], *args: Any, **kwargs: Any) -> Any:
    """What the SDK waits with for its requests to the intake."""
    task, futures = Timeline.current(), list(futures)
    if task is not None:
        task.timeline.advance_to(float("inf"), lambda: all(future.done() for future in futures))
    return wait_for_threads(futures, *args, **kwargs)


def install() -> None:
    """Have the SDK and the connector wait in virtual time where they would wait for a thread of their own."""
    sekoia_automation.connector.wait_futures = _wait_for_all  # type: ignore[attr-defined]
    for name in _MODULES_WITH_LOCKS:
        try:
            module = importlib.import_module(name)
        except ImportError:  # of another edition
            continue
        if hasattr(module, "Lock"):
            module.Lock = SimulatedLock
