"""Ending in time after a signal: the platform sends SIGTERM, and kills what still runs ten seconds later.

The SDK's own `stop` waits in the signal handler for the executor, which a push in retry holds for up to an hour, and
takes locks that the interrupted thread may hold.
"""

import gc
import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting
from typing import TypeVar

T = TypeVar("T")

# Until then, what is in flight may still be accepted; the rest is for the last write of the state and the last line.
# Each has a time of its own: a storage that hangs does not cost the last line.
STOP_WITHIN_S = 8.0
LAST_WRITE_WITHIN_S = 8.7
LAST_LINE_WITHIN_S = 9.0
# Then the process ends, whatever still holds it.
EXIT_WITHIN_S = 9.5
_LAST_WORDS = b"The connector did not end in time after a signal; it is ended now\n"


class Stopping(Exception):
    """The connector is to stop."""


class Stop:
    """The time that is left once the connector is to stop. `stop_event` is the SDK's."""

    def __init__(self, stop_event: threading.Event, monotonic: Callable[[], float]) -> None:
        self._stop_event = stop_event
        self._monotonic = monotonic
        self._asked_at: float | None = None

    def begin(self) -> None:
        """Start to count: the connector is asked to stop."""
        if self._asked_at is None:
            self._asked_at = self._monotonic()

    def exit_in_time(self) -> None:
        """End the process when the time is over. Call it in the main thread."""
        gc.freeze()  # the interpreter's last collection would take up to half a second, for nothing
        signal.signal(signal.SIGALRM, _exit_now)
        signal.setitimer(signal.ITIMER_REAL, EXIT_WITHIN_S)

    @property
    def is_asked(self) -> bool:
        """Whether the connector is to stop."""
        return self._stop_event.is_set()

    def remaining_s(self, within_s: float) -> float:
        """Return how much is left of so many seconds after the request to stop: infinite until there is one."""
        if not self.is_asked:
            return math.inf
        self.begin()  # the SDK's own event may have been set in another way
        assert self._asked_at is not None  # noqa: S101
        return max(0.0, self._asked_at + within_s - self._monotonic())

    def result(self, future: Future[T]) -> T:
        """Return the result of a call in flight, and raise what it raises; Stopping if it does not end in time.

        For a push: what the intake accepts before the process has to end can still be committed.
        """
        try:
            remaining = self.remaining_s(STOP_WITHIN_S)
            return future.result(None if math.isinf(remaining) else remaining)
        except StillWaiting:
            if future.done():
                return future.result()
        raise Stopping


def _exit_now(*_: object) -> None:
    # Nothing that takes a lock: the interrupted thread may hold it.
    os.write(sys.stderr.fileno() if sys.stderr else 2, _LAST_WORDS)
    os._exit(0)
