"""What the loop needs of its environment: the time, waiting, and whether the connector is to stop."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any, TypeVar

from ..clock import Clock, TenantClock
from ..platform.background import Background
from ..platform.stop import Stop, Stopping

T = TypeVar("T")
# So that the connector shows that it is alive meanwhile.
LONGEST_WAIT_S = 30.0


class Surroundings:
    """The clocks and the waits of a run. `heartbeat` shows that the connector is alive. Times are epoch ms."""

    def __init__(
        self,
        clock: Clock,
        tenant_clock: TenantClock,
        background: Background,
        stopping: Stop,
        heartbeat: Callable[[], None],
        overlap_ms: int,
    ) -> None:
        self._clock = clock
        self._tenant_clock = tenant_clock
        self._background = background
        self._heartbeat = heartbeat
        self._stopping = stopping
        self.overlap_ms = overlap_ms

    def is_stopping(self) -> bool:
        """Return whether the connector is to stop."""
        return self._stopping.is_asked

    def now_ms(self) -> int:
        """Return the tenant's time."""
        return self._tenant_clock.now_ms()

    def opened_ms(self) -> int:
        """Return the time up to which a query that is opened now is sure to show what has arrived."""
        return self._tenant_clock.opened_ms()

    def latest_ms(self) -> int:
        """Return the time by the clock that is further ahead: a restart believes the other one, and waits longer."""
        return max(self.now_ms(), self.wall_ms())

    def earliest_ms(self) -> int:
        """Return the time by the clock that is behind."""
        return min(self.now_ms(), self.wall_ms())

    def wall_ms(self) -> int:
        """Return this machine's time."""
        return int(self._clock.wall() * 1000)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start a call in the background."""
        return self._background.submit(call)

    def finish(self, call: Callable[[], T]) -> T:
        """Make a call, and return what it returns. Raises Stopping if the connector has to end before that."""
        future = self._background.submit(call)
        while not future.done() and not self.is_stopping():
            self.wait_for((future,), LONGEST_WAIT_S)
        return self._stopping.result(future)

    def wait_for(self, futures: Collection[Future[Any]], seconds: float) -> None:
        """Wait until one of them is done, for so long, or until the connector is to stop."""
        self._heartbeat()
        self._background.wait(futures, seconds)

    def wait(self, seconds: float) -> None:
        """Wait for so long. Raises Stopping when the connector is to stop."""
        end = self._clock.monotonic() + seconds
        while not self.is_stopping() and (remaining := end - self._clock.monotonic()) > 0:
            self.wait_for((), min(remaining, LONGEST_WAIT_S))
        if self.is_stopping():
            raise Stopping
