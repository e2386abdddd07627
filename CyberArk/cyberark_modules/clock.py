"""The two clocks: this machine's, and the service's as its answers show it."""

import time
from datetime import UTC
from email.utils import parsedate_to_datetime


def http_date(text: str | None) -> float | None:
    """Return the epoch time (s) of an HTTP date (RFC 9110, 5.6.7), None if it is not one. Without a zone it is UTC."""
    try:
        date = parsedate_to_datetime(text or "")
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


class Clock:
    """This machine's time, and the service's: read off the `Date` of its answers (RFC 9110, 6.6.1) and carried on.

    Before the first answer, and with a service that sends no date, that is this machine's. Either clock may be wrong:
    a caller says with `earlier_ms` or `later_ms` for which side it errs. Thread-safe. A simulation gives another one.
    """

    _is_audits = False
    _offset: float | None = None  # the service's epoch time minus this machine's monotonic time

    def wall(self) -> float:
        """Return this machine's epoch time (s). It may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Return a time (s) that never jumps."""
        return time.monotonic()

    def observe(self, date_header: str | None, is_audit: bool) -> None:
        """Take the `Date` header of an answer that has just arrived into account; anything else is ignored.

        That of another service counts until the Audit API has given its own.
        """
        seen = http_date(date_header)
        if seen is not None and (is_audit or not self._is_audits):
            self._is_audits = is_audit
            self._offset = seen - self.monotonic()

    def now_ms(self) -> int:
        """Return the service's epoch time (ms)."""
        offset = self._offset
        return int(1000 * (self.wall() if offset is None else self.monotonic() + offset))

    def earlier_ms(self) -> int:
        """Return the epoch time (ms) by the earlier of the service's clock and this machine's."""
        return min(self.now_ms(), int(self.wall() * 1000))

    def later_ms(self) -> int:
        """Return the epoch time (ms) by the later of the service's clock and this machine's."""
        return max(self.now_ms(), int(self.wall() * 1000))
