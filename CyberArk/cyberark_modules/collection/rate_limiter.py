"""How many pages may be in flight, and how far apart calls have to be: found out from what the API refuses.

The limits are not documented, and public clients disagree: none, one page at a time, an interval between pages, one
call of any kind a minute. A refusal (HTTP 429) first takes pages in flight away, down to one; then it doubles the
interval between calls. After enough calls that were accepted, a little more is tried. If a call is refused although
calls as far apart were accepted, the interval is not the cause.
"""

from collections.abc import Callable

AT_ONCE = 7
LONGEST_INTERVAL_S = 61.0
SHORTEST_INTERVAL_S = 0.95
# So many calls are accepted for each that is refused while a limit is being probed.
PROBE_AFTER = 20
# A refused probe doubles that number, up to this bound; where calls are kept apart, the bound is lower.
PROBE_AFTER_AT_MOST = 320
PROBE_AFTER_AT_MOST_APART = 40
# A probe that was accepted is followed by the next one sooner.
PROBE_AGAIN_AFTER = 3
NOT_THROTTLED_AFTER_S = 600.0
# After so many more refusals than accepted calls, the interval is the cause, whatever was accepted before: the limit
# has changed.
REFUSED_MORE_OFTEN = 10
# One refusal tells how long to wait once; another before so many calls were accepted tells the interval between calls.
IN_ROW = 3


class RateLimiter:
    """How many calls at once, and how far apart. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last_call = self._refused_at = self._accepted_at = float("-inf")
        # How many calls are accepted before more is probed, and how many were since the last probe or refusal.
        self._calls_before_probe, self._accepted = PROBE_AFTER, 0
        self._is_probing = False
        # The least distance (s) at which calls were accepted, once one page at a time is read.
        self._accepted_apart_s = float("inf")
        self._refused_more_often = 0
        self._accepted_since_refused = IN_ROW
        self.at_once = AT_ONCE
        self.interval_s = 0.0

    @property
    def is_throttled(self) -> bool:
        """Whether the API refused a call lately, or calls are still kept apart."""
        return self.interval_s > 0 or self._monotonic() - self._refused_at < NOT_THROTTLED_AFTER_S

    def wait_s(self) -> float:
        """Return how long to wait before the next call (s)."""
        return max(0.0, self._last_call + self.interval_s - self._monotonic())

    def called(self) -> None:
        """Note that a call is made now."""
        self._last_call = self._monotonic()

    def accepted(self, apart_s: float = float("inf")) -> None:
        """Note that a call was accepted. `apart_s` (s): how long after the last accepted page a page was asked for."""
        self._accepted_at, self._refused_more_often = self._monotonic(), max(0, self._refused_more_often - 1)
        if self.at_once == 1:
            self._accepted_apart_s = min(self._accepted_apart_s, apart_s)
        self._accepted_since_refused += 1
        self._accepted += 1
        if self._accepted < (PROBE_AGAIN_AFTER if self._is_probing else self._calls_before_probe):
            return
        if self._is_probing:
            self._calls_before_probe = PROBE_AFTER  # the last probe was accepted
        self._accepted, self._is_probing = 0, True
        if self.interval_s:
            self.interval_s = self.interval_s / 2 if self.interval_s / 2 >= SHORTEST_INTERVAL_S else 0.0
        else:
            self.at_once = min(AT_ONCE, self.at_once + 1)

    def refused(self, in_flight: int, retry_after: float | None = None, apart_s: float = 0.0) -> None:
        """Note that a page was refused, while so many others were in flight. `retry_after` is its header (s)."""
        self._refused_at = self._monotonic()
        # With none accepted since, it is the same refusal that lasts: an outage tells no interval.
        tells_interval = 0 < self._accepted_since_refused < IN_ROW
        self._accepted_since_refused = 0
        self._refused_more_often += 1
        if self._refused_more_often >= REFUSED_MORE_OFTEN:
            self._accepted_apart_s = float("inf")
        if not in_flight and self._accepted_apart_s < float("inf") and apart_s >= self._accepted_apart_s:
            self._is_probing = True
            return
        if self._is_probing:
            most = PROBE_AFTER_AT_MOST_APART if self.interval_s else PROBE_AFTER_AT_MOST
            self._calls_before_probe = min(2 * self._calls_before_probe, most)
        self._accepted, self._is_probing = 0, False
        if self.at_once > 1 and in_flight > 0:
            self.at_once = max(1, min(self.at_once, in_flight + 1) // 2)
            return
        self.at_once = 1
        wanted_s = max(SHORTEST_INTERVAL_S, 2 * self.interval_s, self._told_s(retry_after) if tells_interval else 0.0)
        self.interval_s = min(LONGEST_INTERVAL_S, wanted_s)

    def _told_s(self, retry_after: float | None) -> float:
        """Return how far apart (s) accepted calls are to be, by what the API says; 0 if it says nothing."""
        if not retry_after or self._accepted_at == float("-inf"):
            return 0.0
        return self._monotonic() - self._accepted_at + retry_after
