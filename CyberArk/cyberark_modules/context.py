"""Time, calls in the background, and the stop: everything that waits, waits here."""

import math
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for_one
from threading import Event
from typing import Any, TypeVar

from .clock import Clock
from .http import in_daemon_thread

T = TypeVar("T")
# So that the connector shows that it is alive meanwhile.
LONGEST_WAIT_S = 30.0
# How soon a wait for a call notices the stop (s).
STOP_NOTICED_S = 0.1
# The platform sends SIGTERM, and kills what still runs ten seconds later. Until the first time, what is in flight may
# still be accepted; then the state is saved, and the last line is sent. Each has a time of its own: a storage that
# hangs does not cost the last line. Then the process ends, whatever still holds it.
STOP_WITHIN_S, LAST_WRITE_WITHIN_S, LAST_LINE_WITHIN_S, EXIT_WITHIN_S = 8.0, 8.7, 9.0, 9.5


class Stopping(Exception):
    """The connector is to stop."""


class Context:
    """The clocks and the waits of a run. `stop_event` is the SDK's; `heartbeat` shows that the connector is alive."""

    def __init__(self, clock: Clock, stop_event: Event, heartbeat: Callable[[], object]) -> None:
        self.clock = clock
        self.monotonic = clock.monotonic
        self.now_ms = clock.now_ms
        self.earlier_ms = clock.earlier_ms
        self.later_ms = clock.later_ms
        self._stop_event = stop_event
        self._heartbeat = heartbeat
        self._stopping_since: float | None = None

    def is_stopping(self) -> bool:
        """Return whether the connector is to stop."""
        return self._stop_event.is_set()

    def remaining_s(self, within_s: float) -> float:
        """Return what is left of `within_s` seconds since a stop was noticed: infinite before."""
        if not self.is_stopping():
            return math.inf
        if self._stopping_since is None:
            self._stopping_since = self.monotonic()
        return max(0.0, self._stopping_since + within_s - self.monotonic())

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start a call in the background."""
        return in_daemon_thread(call)

    def finish(self, call: Callable[[], T]) -> T:
        """Make a call in the background; return or raise what it does. Raises Stopping if there is no time for it."""
        future = self.submit(call)
        while not self.is_stopping() and not self.wait_for((future,), LONGEST_WAIT_S):
            pass
        remaining_s = self.remaining_s(STOP_WITHIN_S)
        try:
            return future.result(None if math.isinf(remaining_s) else remaining_s)
        except TimeoutError:
            if future.done():
                raise  # its own
        raise Stopping

    def wait_for(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        """Wait until a call is done, for that long, or until the connector is to stop; return whether one is done."""
        self._heartbeat()
        return self._wait(futures, seconds)

    def wait(self, seconds: float) -> None:
        """Wait for that long. Raises Stopping when the connector is to stop."""
        end = self.monotonic() + seconds
        while not self.is_stopping() and (remaining := end - self.monotonic()) > 0:
            self.wait_for((), min(remaining, LONGEST_WAIT_S))
        if self.is_stopping():
            raise Stopping

    def _wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        end = self.monotonic() + seconds
        while not (is_done := any(future.done() for future in futures)) and not self.is_stopping():
            if (remaining := end - self.monotonic()) <= 0:
                break
            if futures:
                wait_for_one(futures, min(remaining, STOP_NOTICED_S), FIRST_COMPLETED)
            else:
                self._stop_event.wait(remaining)
        return is_done
