"""What to do next, and when: the spacing of queries, the rhythm of the head, the pace that the API accepts.

Times are monotonic seconds. Nothing here survives a restart but the time of the last query, which the checkpoint
keeps.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .audit_api.events import Event
from .progress import Progress

# The API accepts one query a minute, counted per tenant. The tenant's clock is known by the second, hence the margin.
QUERY_SPACING_S = 60.0
SPACING_MARGIN_S = 2.0
HEAD_INTERVAL_S = 10.0
HEAD_REST_S = 2.0
# A head that does not show what the sweeps find is read less and less often.
HEAD_INTERVAL_LONGEST_S = 640.0
# An event may be shown by the API this long after the fact and still count as one that the head should have seen.
HEAD_MISSED_MS = 15_000
# Beside a sweep that takes longer than this, the head is left alone: one stream in order needs half the requests.
HEAD_BESIDE_SWEEP_S = 900.0
# The distance between calls of any kind when the API refuses closer ones; a minute is the strictest reading of it.
PACE_SLOWEST_S = 61.0
PACE_NONE_BELOW_S = 1.0
PACE_MARGIN_S = 0.5
# A shorter distance is tried after so many calls, and after twice as many each time that it was refused.
PACE_EASED = 0.8
PACE_EASED_AGAIN = 0.5
PACE_EASED_AFTER = 5
PACE_EASED_AFTER_LONGEST = 20
# Pages that were accepted so recently, as close or closer, tell that a refusal is not about the distance.
DISTANCE_KNOWN_FOR_S = 300.0
DISTANCE_ALIKE = 0.9
# Refusals that come again within this long are one and the same matter.
PACE_WELL_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """Open a query now."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Fetch the page at that cursor now; `is_head` tells which stream it belongs to."""

    cursor: str
    is_head: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to do for so many seconds."""

    seconds: float


Step = OpenQuery | ReadPage | Pause


class _Distance:
    """The distance (s) at which the API accepts pages after the calls of one kind."""

    def __init__(self) -> None:
        self.since = float("-inf")
        # When pages were accepted lately, and at which distance: the closest first, then those closest since.
        self._accepted: deque[tuple[float, float]] = deque()
        # As far as a page had to wait once it was refused.
        self._learned = 0.0
        self._was_refused = False

    def accepted(self, asked_at: float) -> None:
        """Note a page that was accepted."""
        distance = asked_at - self.since
        is_learned = self._was_refused and self.since > float("-inf")
        self._learned = distance if is_learned else min(self._learned, distance)
        self._was_refused = False
        self._forget_before(asked_at)
        while self._accepted and self._accepted[-1][1] >= distance:
            self._accepted.pop()
        self._accepted.append((asked_at, distance))
        self.since = asked_at

    def refused(self, asked_at: float) -> float:
        """Note a page that was refused, and return the distance that it should have kept; 0 if that is not why."""
        self._was_refused = True
        self._forget_before(asked_at)
        closest = self._accepted[0][1] if self._accepted else float("inf")
        is_why = asked_at - self.since < DISTANCE_ALIKE * min(closest, self._learned)
        return self._learned if is_why else 0.0

    def _forget_before(self, asked_at: float) -> None:
        while self._accepted and asked_at - self._accepted[0][0] > DISTANCE_KNOWN_FOR_S:
            self._accepted.popleft()


class Schedule:
    """Decides the next step from the progress made and the time passed."""

    def __init__(self, monotonic: Callable[[], float], frequency: float) -> None:
        self._monotonic = monotonic
        self._spacing = max(QUERY_SPACING_S, frequency)
        # When a query is wanted, by the frequency, and before when none may be opened, whatever is wanted.
        self._query_due = self._query_allowed = self._head_due = self._swept_at = monotonic()
        self._not_before = self._throttled_at = float("-inf")
        # Until when the head (True) and the sweep are left alone.
        self._held = {True: float("-inf"), False: float("-inf")}
        # Whether the query that is being read is to be replaced by another one, as soon as one is allowed.
        self.wants_query = False
        self.head_interval = HEAD_INTERVAL_S
        # However slow the calls have to be, a sweep is read on between two readings of the head.
        self._sweeps_turn = False
        self._head_silent_ms = 0
        self._head_missed = 0
        self.pace = 0.0
        self._asked_at = float("-inf")
        # A limit may be about pages, or about all calls together.
        self._from_page, self._from_call = _Distance(), _Distance()
        self._accepted, self._eased_after, self._has_eased = 0, PACE_EASED_AFTER, False

    def restarted(self, progress: Progress, now_ms: int) -> None:
        """Take over the time of the last query of an earlier process, by the tenant's clock."""
        if progress.query_ms is not None:
            elapsed = (now_ms - progress.query_ms) / 1000
            # A last query in the future: some clock was wrong, and the full spacing is kept from now.
            elapsed = max(0.0, elapsed - SPACING_MARGIN_S)
            now = self._monotonic()
            self._query_due = now + max(0.0, self._spacing - elapsed)
            self._query_allowed = now + max(0.0, QUERY_SPACING_S - elapsed)

    def next_step(self, progress: Progress) -> Step:
        """Return what to do now."""
        now = self._monotonic()
        not_before = max(self._not_before, self._from_call.since + self.pace)
        if now < not_before:
            return Pause(not_before - now)
        head, sweep = progress.head, progress.sweep
        head_due = max(self._head_due, self._held[True])
        if sweep is not None:
            if self.wants_query and now >= self._query_allowed:
                return OpenQuery()
            beside = head_due <= now < self._swept_at + HEAD_BESIDE_SWEEP_S
            held = self._held[False] - now
            if head is not None and beside and (held > 0 or not self._sweeps_turn):
                return ReadPage(head.cursor, True)
            return Pause(min(held, HEAD_REST_S)) if held > 0 else ReadPage(sweep.cursor, False)
        if head is None:
            # Nothing is being read: that is not put off until the frequency has passed.
            return OpenQuery() if now >= self._query_allowed else Pause(self._query_allowed - now)
        query_due = max(self._query_due, self._query_allowed)
        if now >= query_due:
            return OpenQuery()
        return ReadPage(head.cursor, True) if now >= head_due else Pause(min(query_due, head_due) - now)

    def hold(self, seconds: float) -> None:
        """Do nothing for so long: something is unwell."""
        self._not_before = self._monotonic() + seconds

    def rest(self) -> None:
        """Do not read the head at once."""
        self._head_due = max(self._head_due, self._monotonic() + HEAD_REST_S)

    def page_asked(self) -> None:
        """Note that a page is being asked for."""
        self._asked_at = self._monotonic()

    def hold_stream(self, step: ReadPage, seconds: float) -> None:
        """Read the other stream only for so long: it may be that page alone which fails."""
        self._held[step.is_head] = self._monotonic() + seconds
        self._sweeps_turn = self._sweeps_turn and step.is_head

    def query_wanted(self) -> None:
        """Open a query as soon as one is allowed, however rare they are to be: the last one was lost."""
        self._query_due = self._monotonic()

    def query_attempted(self) -> None:
        """Note that a query is being opened: whatever comes of it, the next one keeps its distance."""
        self._asked_at = self._monotonic()
        self._query_allowed = self._monotonic() + QUERY_SPACING_S

    def query_answered(self) -> None:
        """Keep the distance from the answer as well: nobody knows when in between the API has counted the query."""
        self._query_allowed = max(self._query_allowed, self._monotonic() + QUERY_SPACING_S)

    def delay_query(self, seconds: float) -> None:
        """Open no query for so long."""
        self._query_allowed = max(self._query_allowed, self._monotonic() + seconds)

    def query_opened(self) -> None:
        """Note that the API has accepted the query."""
        self._swept_at = self._monotonic()
        self._held[False] = float("-inf")
        self.wants_query = False
        self._query_due = self._swept_at + self._spacing
        self._from_call.since = self._asked_at
        self._ease()

    def page_fetched(self, step: ReadPage, before: Progress, after: Progress) -> None:
        """Note a page, and what it makes of the progress."""
        self._from_page.accepted(self._asked_at)
        self._from_call.accepted(self._asked_at)
        self._ease()
        now = self._monotonic()
        if not step.is_head:
            self._sweeps_turn = False
        elif after.head is not None and after.head.cursor == after.head.start.cursor:
            self._sweeps_turn = True
            # From beginning to beginning of a reading, but never on and on.
            self._head_due = max(self._head_due + self.head_interval, now + HEAD_REST_S)
        if before.sweep is not None and after.sweep is None and after.head is not before.head:
            # A sweep may end some seconds behind the end of the stream.
            self._head_due = now + HEAD_REST_S

    def page_delivered(
        self, step: ReadPage, before: Progress, after: Progress, fresh: Sequence[Event], now_ms: int
    ) -> None:
        """Note which events of a page were new: they tell whether the head shows what the sweeps find."""
        if step.is_head and fresh:
            self.head_interval, self._head_missed = HEAD_INTERVAL_S, 0
        elif step.is_head:
            self._head_silent_ms = now_ms
        elif before.head is not None:
            seen_ms, silent_ms = before.head.read_to_ms, self._head_silent_ms - HEAD_MISSED_MS
            dates = [event.time_ms for event in fresh if event.time_ms is not None]
            self._head_missed += sum(seen_ms < date < silent_ms for date in dates)
        if before.sweep is not None and after.sweep is None and self._head_missed:
            self.head_interval = min(HEAD_INTERVAL_LONGEST_S, self.head_interval * 2)
            self._head_missed = 0

    def throttled(self) -> None:
        """Keep the distance that the API accepts, if it is for its distance that a page was refused."""
        self._throttled_at = self._monotonic()
        distance = max(self._from_page.refused(self._asked_at), self._from_call.refused(self._asked_at))
        if distance < PACE_NONE_BELOW_S:
            return
        self.pace = min(PACE_SLOWEST_S, distance if self.pace else distance + PACE_MARGIN_S)
        if self._has_eased:
            self._eased_after = min(PACE_EASED_AFTER_LONGEST, 2 * self._eased_after)
        self._accepted, self._has_eased = 0, False

    @property
    def is_unhindered(self) -> bool:
        """Whether the API has accepted any pace for some time."""
        return not self.pace and self._monotonic() - self._throttled_at > PACE_WELL_AFTER_S

    def _ease(self) -> None:
        """After enough calls at the pace, try a shorter distance."""
        self._accepted += 1
        if not self.pace or self._accepted < self._eased_after:
            return
        self.pace *= PACE_EASED_AGAIN if self._has_eased else PACE_EASED
        if self._has_eased:
            self._eased_after = PACE_EASED_AFTER
        self._accepted, self._has_eased = 0, True
        if self.pace < PACE_NONE_BELOW_S:
            self.pace = 0.0
