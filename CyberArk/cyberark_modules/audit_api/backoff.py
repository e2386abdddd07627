"""How long to wait before a failed call to CyberArk, the intake or the storage is made again: one policy for all."""

import random
from dataclasses import dataclass

from ..errors import ConfigurationError, TransientError


@dataclass(frozen=True)
class Backoff:
    """Pauses that double from `first` to `longest` seconds; up to a quarter of each is random.

    A ConfigurationError is retried from `first_slow` to `longest_slow` seconds apart, so that a service user with a
    wrong password is not locked out. A `Retry-After` is honoured up to `longest_asked` seconds. The number of attempts
    has no bound: the caller retries until it is stopped.
    """

    first: float = 1.0
    longest: float = 60.0
    first_slow: float = 60.0
    longest_slow: float = 600.0
    longest_asked: float = 900.0

    def pause(self, error: Exception, failures: int) -> float:
        """Return the pause (s) after the `failures`-th failure in a row (1 for the first)."""
        slow = isinstance(error, ConfigurationError)
        first, longest = (self.first_slow, self.longest_slow) if slow else (self.first, self.longest)
        growing = min(longest, first * 2.0 ** min(failures - 1, 30))
        # Longer, never shorter, for credentials: the number of attempts an hour stays bounded.
        spread = random.uniform(0.0, 0.25)  # noqa: S311
        pause = growing * (1.0 + spread if slow else 1.0 - spread)
        asked = error.retry_after if isinstance(error, TransientError) else None
        return pause if asked is None else max(pause, min(asked, self.longest_asked))
