"""Calls made in another thread, so that the connector can be stopped while it waits for an answer."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Executor, Future
from concurrent.futures import TimeoutError as StillWaiting
from concurrent.futures import wait as wait_for_one
from typing import Any, TypeVar

from ..clock import Clock

T = TypeVar("T")

# How soon a wait for a result notices that the connector is to stop (s).
_STOP_NOTICED_S = 0.1


class Background:
    """Starts calls in threads of their own, and waits for them until the connector is to stop."""

    def __init__(self, stop_event: threading.Event, clock: Clock) -> None:
        self._stop_event = stop_event
        self._clock = clock

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start a call in a thread of its own, and return its future."""
        return in_background(call)

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        """Wait until one of them is done, for so many seconds, or until stop; return whether one is done."""
        end = self._clock.monotonic() + seconds
        while not (done := any(future.done() for future in futures)) and not self._stop_event.is_set():
            remaining = end - self._clock.monotonic()
            if remaining <= 0:
                break
            if futures:
                wait_for_one(futures, min(remaining, _STOP_NOTICED_S), FIRST_COMPLETED)
            else:
                self._clock.wait(self._stop_event, remaining)
        return done


class DaemonExecutor(Executor):
    """So many calls at a time, each in a daemon thread.

    The interpreter does not end before the threads of a ThreadPoolExecutor, the SDK's, have: a request that is not
    answered would hold a connector that has stopped.
    """

    def __init__(self, workers: int) -> None:
        self._workers = threading.Semaphore(workers)

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Make the call once a worker is free."""

        def run() -> T:
            with self._workers:
                return call(*args, **kwargs)

        return in_background(run)


def in_background(call: Callable[[], T]) -> Future[T]:
    """Start the call in a thread of its own, and return its future.

    The thread is a daemon: unlike those of an executor, it does not keep a stopped process waiting for a timeout.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # handed to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def within(seconds: float, call: Callable[[], T], late: Exception) -> T:
    """Return what the call returns, or raise what it raises; raise `late` when it takes longer than that.

    For what no timeout of a connection bounds: a name that is being resolved, an answer that trickles.
    """
    try:
        return in_background(call).result(seconds)
    except StillWaiting:
        raise late from None
