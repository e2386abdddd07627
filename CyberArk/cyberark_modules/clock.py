"""The two clocks: this machine's, and the tenant's as its answers show it."""

import time
from email.utils import parsedate_to_datetime
from threading import Event, Lock

# The header has no fraction of a second; an answer that differs by more than this comes of a clock that was set.
TOLERANCE_S = 5.0


class Clock:
    """This machine's time and waits; a simulation gives another one."""

    def wall(self) -> float:
        """Return the epoch time (s). It may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Return a time (s) that never jumps."""
        return time.monotonic()

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for `seconds`, or until `stop` is set."""
        stop.wait(max(0.0, seconds))


class TenantClock:
    """The tenant's time, read off the `Date` header of its answers (RFC 9110, 6.6.1) and carried on in between.

    What is ahead of the clock, when a query was opened and how long ago that is are judged by this clock: a machine
    whose own clock is off or jumps then neither loses events nor asks too often. Before the first answer, and with a
    service that sends no date, it is the machine's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._is_audits = False
        self._offset: float | None = None  # the tenant's epoch time minus this machine's monotonic time

    def observe(self, date: str | None, is_audit: bool = True) -> None:
        """Take the `Date` header of an answer that has just arrived into account; anything else is ignored.

        Another service's counts until the Audit API has told its own.
        """
        if self._is_audits and not is_audit:
            return
        try:
            seen = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        offset = seen - self._clock.monotonic()
        with self._lock:
            first = is_audit and not self._is_audits
            self._is_audits = self._is_audits or is_audit
            if first or self._offset is None or not 0 <= self._offset - offset <= TOLERANCE_S:
                self._offset = offset

    def now_ms(self) -> int:
        """Return the tenant's epoch time (ms)."""
        offset = self._offset
        seconds = self._clock.wall() if offset is None else self._clock.monotonic() + offset
        return int(seconds * 1000)

    def skew(self) -> float:
        """Return how many seconds this machine's clock is ahead of the tenant's; 0 when unknown."""
        return 0.0 if self._offset is None else self._clock.wall() - self.now_ms() / 1000
