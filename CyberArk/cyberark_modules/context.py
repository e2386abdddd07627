"""What the loop needs of its environment: the time, waiting, and whether the connector is to stop."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any, TypeVar

from .clock import Clock, ServiceClock
from .sdk.stop import Stopping, StopRequest, Threads

T = TypeVar("T")
# So that the connector shows that it is alive meanwhile.
LONGEST_WAIT_S = 30.0


class Context:
    """The clocks and the waits of a run. `heartbeat` shows that the connector is alive. Times are epoch ms."""

    def __init__(
        self,
        clock: Clock,
        service_clock: ServiceClock,
        threads: Threads,
        stop_request: StopRequest,
        heartbeat: Callable[[], None],
    ) -> None:
        self.monotonic = clock.monotonic
        self.now_ms = service_clock.now_ms
        self.earlier_ms = service_clock.earlier_ms
        self.later_ms = service_clock.later_ms
        self._threads = threads
        self._stop_request = stop_request
        self._heartbeat = heartbeat

    def is_stopping(self) -> bool:
        """Return whether the connector is to stop."""
        return self._stop_request.is_asked

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start a call in the background."""
        return self._threads.submit(call)

    def finish(self, call: Callable[[], T]) -> T:
        """Make a call in the background, and return what it returns. Raises Stopping if there is no time for it."""
        future = self._threads.submit(call)
        while not future.done() and not self.is_stopping():
            self.wait_for((future,), LONGEST_WAIT_S)
        return self._stop_request.result(future)

    def is_done(self, future: Future[Any], seconds: float) -> bool:
        """Wait that long for a call; return whether it is done."""
        return future.done() or (seconds > 0 and self._threads.wait((future,), seconds))

    def wait_for(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Wait until one of them is done, for that long, or until the connector is to stop."""
        self._heartbeat()
        self._threads.wait(futures, seconds)

    def wait(self, seconds: float) -> None:
        """Wait for that long. Raises Stopping when the connector is to stop."""
        end = self.monotonic() + seconds
        while not self.is_stopping() and (remaining := end - self.monotonic()) > 0:
            self.wait_for((), min(remaining, LONGEST_WAIT_S))
        if self.is_stopping():
            raise Stopping
