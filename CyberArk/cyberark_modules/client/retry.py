"""How long to wait before a failed call is made again: one policy for every call of this connector."""

import random
from dataclasses import dataclass

from ..errors import PersonNeeded, TryLater


@dataclass(frozen=True)
class RetryPolicy:
    """Pauses that double from `first` to `longest` seconds, a quarter of each left to chance.

    What only a person can mend is tried again from `first_slow` to `longest_slow` seconds apart, so that a service
    user with a wrong password is not locked out. What a service asks for by `Retry-After` is honoured up to
    `longest_asked` seconds. There is no last attempt: the loop gives up when it is stopped, never before.
    """

    first: float = 1.0
    longest: float = 60.0
    first_slow: float = 60.0
    longest_slow: float = 600.0
    longest_asked: float = 900.0

    def pause(self, error: Exception, failures: int) -> float:
        """Return the pause (s) after the `failures`-th failure in a row (1 for the first)."""
        slow = isinstance(error, PersonNeeded)
        first, longest = (self.first_slow, self.longest_slow) if slow else (self.first, self.longest)
        growing = min(longest, first * 2.0 ** min(failures - 1, 30))
        # Upwards for the slow ones: the number of attempts against a credential stays bounded.
        spread = random.uniform(0.0, 0.25)  # noqa: S311
        pause = growing * (1.0 + spread if slow else 1.0 - spread)
        asked = error.retry_after if isinstance(error, TryLater) else None
        return pause if asked is None else max(pause, min(asked, self.longest_asked))
