"""Pages asked for one after the other, with as much pause as the tenant wants."""

from dataclasses import dataclass, field
from threading import Event

from cyberark_modules.clock import Clock
from sandbox.check.profile.line import Line
from sandbox.check.profile.record import Page, Record

# For a 429 without a Retry-After: the first pause, duplicates from call to call.
FIRST_PAUSE_S = 1.0
_TRIES = 7


@dataclass
class Cursor:
    """Where the reading of a query is; `first` is the cursor that it began with."""

    name: str
    first: str
    reference: str
    position: int = 0
    without_new: int = 0
    ends_seen: int = 0
    is_stuck: bool = False
    keys: set[bytes] = field(default_factory=set)


class Reader:
    """Notes each call in the record. `pause_s` is the distance between pages that a 429 has taught.

    It waits for nothing beyond `ends_s` (seconds since the line was made).
    """

    def __init__(self, line: Line, clock: Clock, record: Record, ends_s: float) -> None:
        self.pause_s = 0.0
        self._line = line
        self._clock = clock
        self._record = record
        self._ends_s = ends_s
        self._never = Event()
        self._accepted_s: float | None = None

    def opened(self, at_s: float) -> None:
        """A query was opened: some tenants count every call."""
        self._accepted_s = at_s

    def ask(self, cursor: Cursor) -> Page | None:
        """Return the page at the cursor, and move on; None when it cannot be had."""
        pause_s = FIRST_PAUSE_S
        for tries_left in reversed(range(_TRIES)):
            if self._accepted_s is not None:
                self.wait(self._accepted_s + self.pause_s - self._line.now_s())
            reply = self._line.read(cursor.name, cursor.position, cursor.reference)
            call, page = reply.call, reply.call.page
            self._record.calls.append(call)
            if page is not None:
                self._note_pause(call.at_s)
                _move(cursor, page, reply.cursor)
                return page
            if call.outcome == "refused" or not tries_left or call.at_s >= self._ends_s:
                break
            if call.outcome == "throttled":
                self.wait(max(reply.pause_s or 0.0, pause_s))
                pause_s *= 2
            else:
                self._accepted_s, pause_s = call.at_s, FIRST_PAUSE_S  # the tenant may have counted it
                self.wait(FIRST_PAUSE_S)
        cursor.is_stuck = True
        return None

    def ask_again(self, cursor: Cursor) -> None:
        """Ask by the first cursor of a query once more, whatever it answers."""
        pause_s = self.pause_s
        self.ask(Cursor(cursor.name, cursor.first, cursor.first))
        self.pause_s = pause_s

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        seconds = min(seconds, self._ends_s - self._line.now_s())
        if seconds > 0:
            self._clock.wait(self._never, seconds)

    def _note_pause(self, at_s: float) -> None:
        """After a 429, keep the distance at which a page was accepted again."""
        calls = self._record.calls
        before = calls[-2] if len(calls) > 1 else None
        if self._accepted_s is not None and before and (before.asked, before.outcome) == ("page", "throttled"):
            self.pause_s = max(self.pause_s, at_s - self._accepted_s)
        self._accepted_s = at_s


def _move(cursor: Cursor, page: Page, following: str | None) -> None:
    fresh = {event.key for event in page.events} - cursor.keys
    cursor.keys |= fresh
    cursor.without_new = 0 if fresh else cursor.without_new + 1
    cursor.ends_seen += not fresh
    if following is not None and following != cursor.reference:
        cursor.reference, cursor.position = following, cursor.position + 1
