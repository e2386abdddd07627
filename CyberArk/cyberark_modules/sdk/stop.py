"""Ending in time after a signal: the platform sends SIGTERM, and kills what still runs ten seconds later.

So each call that may hang is made in a daemon thread.
"""

import gc
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Executor, Future
from concurrent.futures import TimeoutError as StillWaiting
from concurrent.futures import wait as wait_for_one
from threading import Event
from typing import Any, TypeVar

from ..clock import Clock
from ..http import in_daemon_thread

T = TypeVar("T")

# Until then, what is in flight may still be accepted; then the state is saved, and the last line is sent. Each has a
# time of its own: a storage that hangs does not cost the last line. Then the process ends, whatever still holds it.
STOP_WITHIN_S, LAST_WRITE_WITHIN_S, LAST_LINE_WITHIN_S, EXIT_WITHIN_S = 8.0, 8.7, 9.0, 9.5
# How soon a wait for a result notices the stop (s).
STOP_NOTICED_S = 0.1


class Stopping(Exception):
    """The connector is asked to stop."""


class StopRequest:
    """The time that is left once the connector is asked to stop. `stop_event` is the SDK's."""

    def __init__(self, stop_event: Event, monotonic: Callable[[], float]) -> None:
        self._stop_event = stop_event
        self._monotonic = monotonic
        self._begun_at: float | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the connector is asked to stop."""
        return self._stop_event.is_set()

    def begin(self) -> None:
        """Start to count: the connector is asked to stop."""
        if self._begun_at is None:
            self._begun_at = self._monotonic()

    def remaining_s(self, within_s: float) -> float:
        """Return what is left of `within_s` seconds after the request to stop: infinite until there is one."""
        if not self.is_asked:
            return math.inf
        self.begin()  # the SDK's own event may have been set in another way
        return max(0.0, (self._begun_at or 0.0) + within_s - self._monotonic())

    def result(self, future: Future[T]) -> T:
        """Return the result of a call in flight, and raise what it raises; Stopping if it does not end in time."""
        try:
            remaining = self.remaining_s(STOP_WITHIN_S)
            return future.result(None if math.isinf(remaining) else remaining)
        except StillWaiting:
            if future.done():
                return future.result()
        raise Stopping

    def exit_in_time(self) -> None:
        """End the process in time after SIGTERM or SIGINT, whatever hangs. Call it once, in the main thread.

        By a thread that the interpreter's handler in C wakes: the main thread may be in a call that lets no handler in
        Python run, while a host name is resolved for one.
        """
        woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        in_daemon_thread(lambda: _exit_after_signal(woken))
        gc.freeze()  # the interpreter's last collection would take up to half a second, for nothing


class Threads(Executor):
    """Makes each call in a thread of its own, and waits for calls until the connector is asked to stop.

    Also in place of the SDK's ThreadPoolExecutor (connector/__init__.py:91), whose threads the interpreter waits for.
    """

    def __init__(self, stop_event: Event, clock: Clock) -> None:
        self._stop_event, self._clock = stop_event, clock

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a call, and return its future."""
        return in_daemon_thread(lambda: call(*args, **kwargs))

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        """Wait until one of them is done, for that many seconds, or until stop; return whether one is done."""
        end = self._clock.monotonic() + seconds
        while not (done := any(future.done() for future in futures)) and not self._stop_event.is_set():
            if (remaining := end - self._clock.monotonic()) <= 0:
                break
            if futures:
                wait_for_one(futures, min(remaining, STOP_NOTICED_S), FIRST_COMPLETED)
            else:
                self._clock.wait(self._stop_event, remaining)
        return done


def _exit_after_signal(woken: socket.socket) -> None:
    while woken.recv(1)[0] not in (signal.SIGTERM, signal.SIGINT):
        pass
    time.sleep(EXIT_WITHIN_S)
    # Nothing that takes a lock: whoever hangs may hold it.
    os.write(2, f"Shutdown took longer than {EXIT_WITHIN_S:g} s; exiting now.\n".encode())
    os._exit(0)
