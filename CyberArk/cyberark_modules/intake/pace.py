"""When the next request to the intake may be sent, and how long it may take."""

from ..errors import CyberArkError, FailureKind, TransientError
from ..http import PUSH_S

# What fails this often in a row is not tried in the same way again. A silence takes as long as that many failures.
FAILURES_AT_MOST = 3
# The pause (s) after a failure, which grows to the longest in ten minutes.
PAUSE_S, PAUSE_GROWTH, LONGEST_PAUSE_S = 2.0, 1.2, 120.0
# What takes longer than this (s), and ten times longer than what was accepted last, is not answered. The intake may
# also have become slow: the deadline doubles each time.
SILENT_S = 10.0


class Pace:
    """When the next push, or the next resend, may be sent: one of each, so that neither waits for the other."""

    def __init__(self) -> None:
        self.failures = 0  # since anything was accepted
        self.next_at = 0.0  # monotonic (s)
        self._pause_s, self.deadline_s = PAUSE_S, SILENT_S

    def accepted(self, took_s: float) -> None:
        """Note that a request was accepted."""
        self.failures = 0
        self._pause_s, self.deadline_s = PAUSE_S, min(PUSH_S, max(SILENT_S, 10 * took_s))

    def failed(self, error: CyberArkError, now: float) -> None:
        """Note that a request failed, and pause."""
        self.failures += 1
        if error.failure.kind is FailureKind.TIMEOUT:
            self.failures += FAILURES_AT_MOST - 1
            self.deadline_s = min(PUSH_S, 2 * self.deadline_s)
        asked_s = (isinstance(error, TransientError) and error.retry_after) or 0.0
        self.next_at = now + max(self._pause_s, asked_s)
        self._pause_s = min(LONGEST_PAUSE_S, PAUSE_GROWTH * self._pause_s)
