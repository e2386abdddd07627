"""What to do next, and when: the spacing of queries, the rhythm of the head, the pace that the API accepts.

Times are monotonic seconds. Nothing here survives a restart but the time of the last query, which the checkpoint
keeps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import Throttled
from .events import Event
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
PACE_FIRST_S = 10.0
PACE_SLOWEST_S = 61.0
PACE_EASED_AFTER = 30
PACE_NONE_BELOW_S = 2.0
# Calls closer than the first pace that were accepted so recently (s) tell that a refusal is not about their distance.
PACE_NOT_YET_S = 120.0


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


class Schedule:
    """Decides the next step from the progress made and the time passed."""

    def __init__(self, monotonic: Callable[[], float], frequency: float) -> None:
        self._monotonic = monotonic
        self._spacing = max(QUERY_SPACING_S, frequency)
        # When a query is wanted, by the frequency, and before when none may be opened, whatever is wanted.
        self._query_due = self._query_allowed = self._head_due = self._swept_at = monotonic()
        self._not_before = float("-inf")
        self.head_interval = HEAD_INTERVAL_S
        # However slow the calls have to be, a sweep is read on between two readings of the head.
        self._sweeps_turn = False
        self._head_silent_ms = 0
        self._head_missed = 0
        self.pace = self._eased_from = 0.0
        self._accepted_at = self._quick_at = float("-inf")
        self._accepted = 0

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
        not_before = max(self._not_before, self._accepted_at + self.pace if self.pace else self._not_before)
        if now < not_before:
            return Pause(not_before - now)
        head, sweep = progress.head, progress.sweep
        if sweep is not None:
            beside = self._head_due <= now < self._swept_at + HEAD_BESIDE_SWEEP_S and not self._sweeps_turn
            return ReadPage(head.cursor, True) if head is not None and beside else ReadPage(sweep.cursor, False)
        if head is None:
            # Nothing is being read: that is not put off until the frequency has passed.
            return OpenQuery() if now >= self._query_allowed else Pause(self._query_allowed - now)
        query_due = max(self._query_due, self._query_allowed)
        if now >= query_due:
            return OpenQuery()
        return ReadPage(head.cursor, True) if now >= self._head_due else Pause(min(query_due, self._head_due) - now)

    def hold(self, seconds: float) -> None:
        """Do nothing for so long: something is unwell."""
        self._not_before = self._monotonic() + seconds

    def query_attempted(self) -> None:
        """Note that a query is being opened: whatever comes of it, the next one keeps its distance."""
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
        self._query_due = self._swept_at + self._spacing
        self._call_accepted()

    def page_fetched(self, step: ReadPage, before: Progress, after: Progress) -> None:
        """Note a page, and what it makes of the progress."""
        self._call_accepted()
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

    def throttled(self, error: Throttled) -> None:
        """Slow down to what the API accepts: it has refused a page as too early."""
        now = self._monotonic()
        if now - self._quick_at <= PACE_NOT_YET_S:
            return
        if error.retry_after:
            wanted = now - self._accepted_at + error.retry_after
        else:
            # Just eased too far: back to what was accepted.
            wanted = self._eased_from or max(PACE_FIRST_S, 3 * self.pace)
        self.pace = min(PACE_SLOWEST_S, max(wanted, PACE_NONE_BELOW_S))
        self._eased_from, self._accepted = 0.0, 0

    def _call_accepted(self) -> None:
        now = self._monotonic()
        if now - self._accepted_at < PACE_FIRST_S:
            self._quick_at = now
        self._accepted_at = now
        self._accepted += 1
        if self.pace and self._accepted >= PACE_EASED_AFTER:
            self._eased_from, self.pace, self._accepted = self.pace, self.pace * 0.8, 0
            if self.pace < PACE_NONE_BELOW_S:
                self.pace = 0.0
