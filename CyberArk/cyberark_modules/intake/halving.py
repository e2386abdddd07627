"""When a refused request is sent in halves, and at which size requests pass: decisions and their memory, no I/O.

What fails may be one event (a filter before the intake), the size of the request (a relay with a limit), or everything
(an outage). Only in the first two do smaller requests pass, so that is what is tried first: a single event goes
ahead at the next push, in place of the request, so that the intake gets no extra requests during an outage.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from cachetools import TTLCache

from ..audit_api.events import Event
from ..errors import CyberArkError, FailureKind, Throttled, TransientError

Events = tuple[Event, ...]

# The same request fails so often before it is sent in halves, unless something says that it will help.
HALVED_AFTER = 3
# For this long after an acceptance, the intake, its address and its key count as right (s).
RECENT_S = 300.0
# At most this many events are isolated after the last acceptance, from a push of no more: an outage refuses all.
DOUBTFUL_AT_MOST = 10
# While halving has helped so recently, it is tried at the first failure (s).
HELPED_S = 600.0
# The size of requests is raised after so long; after twice as long each time that the larger size does not pass (s).
RAISED_AFTER_S = 60.0
RAISED_AFTER_LONGEST_S = 6 * 3600.0
# No limit on a request's size is this small (characters): what is refused for less is refused for something else.
SMALLEST = 10_000
# What the SDK puts into one request at most is about this (characters).
LARGEST = 10_000_000
# So often a request is refused for the rate (HTTP 429) before that may be about what it holds, or its size.
THROTTLED_AT_MOST = 6
# Statuses that say nothing about the content of a request, but about the key, the address, the rate, or an outage.
_ABOUT_NO_CONTENT = frozenset({401, 404, 405, 407, 408, 425, 429, 502, 503, 504})
# How else something before the intake may refuse a single event, unless it is for a person to fix.
_PERHAPS_ABOUT_CONTENT = (FailureKind.STATUS, FailureKind.CONNECTION, FailureKind.TIMEOUT)


def size_of(events: Iterable[Event]) -> int:
    """Return the characters of their texts, which is how the SDK measures requests."""
    return sum(len(event.text) for event in events)


def halves(events: Events) -> tuple[Events, ...]:
    """Split events where half of their characters is reached, the later half first; one event is not split."""
    if len(events) < 2:
        return (events,) if events else ()
    ends = list(accumulate(len(event.text) for event in events))
    cut = min(bisect_left(ends, ends[-1] / 2) + 1, len(events) - 1)
    return events[cut:], events[:cut]


def is_about_content(error: CyberArkError) -> bool:
    """Return whether an answer may be about what the request held: most statuses, but no failure of the network."""
    return error.failure.kind is FailureKind.STATUS and error.failure.status not in _ABOUT_NO_CONTENT


def is_refusal(error: CyberArkError) -> bool:
    """Return whether an answer refuses what the request held (a 4xx), which no failure at random looks like."""
    return is_about_content(error) and 400 <= (error.failure.status or 0) < 500


class FailureCounts:
    """How often events were in a request that failed, in the last quarter of an hour, and why the last time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._known: TTLCache[bytes, tuple[int, CyberArkError]] = TTLCache(50_000, 900.0, monotonic)
        self._alone: TTLCache[bytes, bool] = TTLCache(50_000, 900.0, monotonic)

    def of(self, events: Events) -> tuple[int, CyberArkError | None]:
        """Return how often the request has failed, judged by its most unlucky event, and its last error."""
        if not self._known:
            return 0, None
        known = (self._known.get(event.key) for event in events)
        return max(filter(None, known), key=lambda each: each[0], default=(0, None))

    def add(self, events: Events, error: CyberArkError) -> int:
        """Count a failure; return how often the request has failed."""
        for event in events:
            count, _ = self._known.get(event.key, (0, error))
            self._known[event.key] = count + 1, error
        return self.of(events)[0]

    def note_alone(self, event: Event) -> None:
        """Note that an event was refused alone, in a push in which others were accepted."""
        self._alone[event.key] = True

    def was_alone(self, event: Event) -> bool:
        """Return whether that was noted before: what fails at random seldom does so twice for the same event."""
        return event.key in self._alone


class Acceptances:
    """What the intake has accepted lately, and what that lets us conclude of an event that it refuses alone."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._accepted_at = self._helped_at = float("-inf")
        self._doubtful = 0

    def accepted(self) -> None:
        """Note that a request was accepted."""
        self._accepted_at = self._monotonic()
        self._doubtful = 0

    def halving_helped(self) -> None:
        """Note that part of a refused request was accepted."""
        self._helped_at = self._monotonic()

    @property
    def is_recent(self) -> bool:
        """Whether something was accepted in the last minutes."""
        return self.accepted_within(RECENT_S)

    def accepted_within(self, seconds: float) -> bool:
        """Return whether something was accepted in the last so many seconds."""
        return self._monotonic() - self._accepted_at < seconds

    def suggests_halving(self, error: CyberArkError, failures: int) -> bool:
        """Return whether a request that has failed so often is worth halving."""
        if isinstance(error, Throttled):
            return failures >= THROTTLED_AT_MOST  # before, smaller requests would only be more of them
        if failures >= HALVED_AFTER or is_refusal(error):
            return True
        helped = self._monotonic() - self._helped_at < HELPED_S
        return self.is_recent and helped

    def suffices_in_doubt(self, error: CyberArkError, failures: int) -> bool:
        """Return whether an event that was refused alone is isolated although nothing was accepted in this push.

        Without this, a tenant on which nothing else happens would wait for ever for one event. It lets few through:
        what begins now may be an outage.
        """
        if is_about_content(error):
            enough = failures >= HALVED_AFTER
        else:
            is_possible = isinstance(error, TransientError) and error.failure.kind in _PERHAPS_ABOUT_CONTENT
            enough = failures >= 3 * HALVED_AFTER and is_possible
        if not (enough and self.is_recent and self._doubtful < DOUBTFUL_AT_MOST):
            return False
        self._doubtful += 1
        return True


class RequestSize:
    """The size (characters) at which requests pass: found by halving, remembered, and raised again with care."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.limit: int | None = None
        self._raised_after_s = RAISED_AFTER_S
        self._changed_at = 0.0
        self._before: int | None = None  # the limit before it was raised, until a larger request has passed

    def pieces(self, events: Events) -> Iterator[Events]:
        """Cut events into requests of that size; without a limit there is one, which the SDK cuts itself."""
        self._raise_if_due()
        if self.limit is None:
            yield events
            return
        start, size = 0, 0
        for index, event in enumerate(events):
            if size and size + len(event.text) > self.limit:
                yield events[start:index]
                start, size = index, 0
            size += len(event.text)
        yield events[start:]

    def passed(self, events: Events) -> None:
        """Note a request that was accepted."""
        if self._before is not None and size_of(events) > self._before:
            self._before = None
            self._raised_after_s = RAISED_AFTER_S

    def is_raised(self, events: Events) -> bool:
        """Whether this request was made larger than what is known to pass: its failure says only that."""
        return self._before is not None and size_of(events) > self._before

    def refused(self) -> None:
        """Note that the raised size does not pass."""
        self.limit, self._before = self._before, None
        self._raised_after_s = min(2 * self._raised_after_s, RAISED_AFTER_LONGEST_S)
        self._changed_at = self._monotonic()

    def found(self, passed: Sequence[int]) -> None:
        """Note that a request was refused, but every part of it was accepted, in requests of those sizes."""
        if max(passed) < SMALLEST:
            return
        self.limit, self._before = max(passed), None
        self._changed_at = self._monotonic()

    def _raise_if_due(self) -> None:
        if self.limit is not None and self._monotonic() - self._changed_at > self._raised_after_s:
            if self._before is None:
                self._before = self.limit
                self.limit *= 2
            self._changed_at = self._monotonic()
            if self.limit > LARGEST:
                self.limit = self._before = None
