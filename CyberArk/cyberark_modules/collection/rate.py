"""Decide how many pages may be in flight, and how far apart calls have to be, from the calls that the API throttles.

The limits are not documented, and public clients disagree: none, one page at a time, an interval between pages, one
call of any kind a minute. So there is one page at first, and one more after ten that were accepted. HTTP 429 takes
pages in flight away, down to one; then the interval between calls grows fourfold. After enough accepted calls, more is
tried. If a call is throttled although calls as far apart were accepted, the interval is not the cause.
"""

from collections.abc import Callable

from ..errors import Throttled

AT_ONCE = 5
LONGEST_INTERVAL_S = 61.0
SHORTEST_INTERVAL_S = 0.95
# This many calls are accepted before a little more is tried; twice as many after each try that was throttled.
TRY_AFTER = 10
TRY_AFTER_AT_MOST = 320
TRY_AFTER_AT_MOST_APART = 40
# A try that was accepted is followed by the next one sooner.
TRY_AGAIN_AFTER = 3
NOT_THROTTLED_AFTER_S = 600.0
# With this many more throttled than accepted calls, the interval is the cause, whatever was accepted before.
REFUSED_MORE_OFTEN = 10
_NEVER = float("-inf")


class RateLimiter:
    """How many calls at once, and how far apart. It alone decides about HTTP 429. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last_call = self._refused_at = self._not_before = _NEVER
        self._try_after, self._accepted = TRY_AFTER, 0
        self._is_trying = False
        self._accepted_page_asked_at = _NEVER
        # The least distance (s) at which calls were accepted, once one page at a time is read.
        self._accepted_apart_s = float("inf")
        self._refused_more_often = 0
        self.at_once = 1
        self.interval_s = 0.0

    @property
    def is_throttled(self) -> bool:
        """Whether the API throttled a call lately, or calls are still kept apart."""
        return self.interval_s > 0 or self._monotonic() - self._refused_at < NOT_THROTTLED_AFTER_S

    def wait_s(self) -> float:
        """Return how long to wait before the next call (s)."""
        return max(0.0, max(self._last_call + self.interval_s, self._not_before) - self._monotonic())

    def pause(self, retry_after: float) -> None:
        """Call nothing for as long as a `Retry-After` asks for (s)."""
        self._not_before = max(self._not_before, self._monotonic() + retry_after)

    def called(self) -> None:
        """Note that a call is made now."""
        self._last_call = self._monotonic()

    def accepted(self, asked_at: float | None = None) -> None:
        """Note that a call was accepted; a page, if it was requested at that time (monotonic s)."""
        self._refused_more_often = max(0, self._refused_more_often - 1)
        if asked_at is not None:
            if self.at_once == 1:
                self._accepted_apart_s = min(self._accepted_apart_s, asked_at - self._accepted_page_asked_at)
            self._accepted_page_asked_at = asked_at
        self._accepted += 1
        if self._accepted < (TRY_AGAIN_AFTER if self._is_trying and self.is_throttled else self._try_after):
            return
        if self._is_trying:
            self._try_after = TRY_AFTER  # the last one was accepted
        self._accepted, self._is_trying = 0, True
        if self.interval_s:
            self.interval_s = self.interval_s / 2 if self.interval_s / 2 >= SHORTEST_INTERVAL_S else 0.0
        else:
            self.at_once = min(AT_ONCE, self.at_once + 1)

    def refused(self, error: Throttled, in_flight: int, asked_at: float) -> None:
        """Note that a call was throttled that was made at that time (monotonic s), with that many others in flight."""
        self._refused_at = self._monotonic()
        if error.retry_after:
            self.pause(error.retry_after)
        self._refused_more_often += 1
        if self._refused_more_often >= REFUSED_MORE_OFTEN:
            self._accepted_apart_s = float("inf")
        apart_s = asked_at - self._accepted_page_asked_at
        if not in_flight and self._accepted_apart_s < float("inf") and apart_s >= self._accepted_apart_s:
            self._is_trying = True
            return
        if self._is_trying:
            most = TRY_AFTER_AT_MOST_APART if self.interval_s else TRY_AFTER_AT_MOST
            self._try_after = min(2 * self._try_after, most)
        self._accepted, self._is_trying = 0, False
        if self.at_once > 1 and in_flight > 0:
            self.at_once = max(1, min(self.at_once, in_flight + 1) // 2)
            return
        self.at_once = 1
        self.interval_s = min(LONGEST_INTERVAL_S, max(SHORTEST_INTERVAL_S, 4 * self.interval_s))
