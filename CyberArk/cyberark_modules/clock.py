"""The two clocks: this machine's, and the tenant's as its answers show it."""

import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from threading import Event, Lock

# The header has no fraction of a second; an answer that differs by more than this comes from a clock that was set.
TOLERANCE_S = 5.0
# Clocks that differ by less may both be wrong; beyond, it is this machine's.
CLOCKS_COMPARABLE_MS = 15 * 60 * 1000


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


def http_date(text: str | None) -> float | None:
    """Return the epoch time (s) of an HTTP date (RFC 9110, 5.6.7), None if it is not one. Without a zone it is UTC."""
    try:
        date = parsedate_to_datetime(text or "")
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


class TenantClock:
    """The tenant's time, read off the `Date` header of its answers (RFC 9110, 6.6.1) and carried on in between.

    A machine whose own clock is wrong or jumps neither loses events nor asks too often: what lies in the future, and
    how long ago a query was opened, are judged by this clock. Before the first answer, and with a service that sends
    no date, it is the machine's clock. Thread-safe.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._is_audits = False
        self._offset: float | None = None  # the tenant's epoch time minus this machine's monotonic time

    def observe(self, date: str | None, is_audit: bool = True) -> None:
        """Take the `Date` header of an answer that has just arrived into account; anything else is ignored.

        That of another service counts until the Audit API has given its own.
        """
        seen = http_date(date)
        if seen is None:
            return
        offset = seen - self._clock.monotonic()
        with self._lock:
            if self._is_audits and not is_audit:
                return
            first = is_audit and not self._is_audits
            self._is_audits = self._is_audits or is_audit
            if first or self._offset is None or not 0 <= self._offset - offset <= TOLERANCE_S:
                self._offset = offset

    def now_ms(self) -> int:
        """Return the tenant's epoch time (ms)."""
        offset = self._offset
        seconds = self._clock.wall() if offset is None else self._clock.monotonic() + offset
        return int(seconds * 1000)

    def opened_ms(self) -> int:
        """Return the epoch time (ms) up to which a query that is opened now is sure to show events.

        The earlier of the two clocks: with a `Date` that is minutes ahead, events would be taken for shown that are
        still to come. Where they differ by 15 minutes or more, the tenant's: this machine's clock was never set.
        """
        tenant_ms, wall_ms = self.now_ms(), int(self._clock.wall() * 1000)
        return min(tenant_ms, wall_ms) if abs(tenant_ms - wall_ms) < CLOCKS_COMPARABLE_MS else tenant_ms

    def skew(self) -> float:
        """Return how many seconds this machine's clock is ahead of the tenant's; 0 when unknown."""
        return 0.0 if self._offset is None else self._clock.wall() - self.now_ms() / 1000
