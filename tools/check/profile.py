"""`./dev check --profile`: observe how a tenant's Audit API behaves. Observations only: a person judges them.

Each minute one query is opened, for an hour at first, later for 15 minutes, and read to its end; until the next one,
its last cursor is asked every five seconds.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

from cyberark_modules.audit_api import AuditApi
from cyberark_modules.clock import Clock
from cyberark_modules.errors import CursorExpired, CyberArkError, Throttled
from cyberark_modules.events import Page
from cyberark_modules.http import Http
from tools.check.checks import MINUTE_S, PAGE_SIZE, Screen
from tools.check.values import Values

FOLLOW_EVERY_S, PAGE_PAUSE_S = 5.0, 5.0
LONG_MS, SHORT_MS = 3_600_000, 900_000

T = TypeVar("T")


class Profile:
    """Observations of `seconds`. Everything that is kept is a number or a phrase of this program, or stays here."""

    def __init__(self, values: Values, screen: Screen, seconds: float) -> None:
        self._screen, self._version = screen, values.version
        self._clock = Clock()
        http = Http(values.version, self._observe, self._clock)
        self._api = AuditApi(http, values.account, values.connector)
        self._ends = time.monotonic() + seconds
        self._keys: set[bytes] = set()  # of events that were returned
        self._newest_ms = 0  # of those that a query returned that was read to its end
        self._calls: dict[str, list[tuple[str, float]]] = {}  # by endpoint: outcome, and how long it took (s)
        self._retry_after: list[float | None] = []
        self._second_query = "not observed"
        self._largest = self._later_at_cursor = 0
        self._cursor_s = 0.0  # the oldest cursor that was accepted
        self._misplaced_s: list[float] = []
        self._behind_s: list[float] = []
        self._delays_s: list[float] = []
        self._ends_seen: Counter[str] = Counter()

    def run(self) -> None:
        """Observe until the time is over. Raise CyberArkError when the tenant lets nobody in."""
        self._screen.say("Requesting a token.")
        self._api.tokens.token()
        minute = 0
        while (opened := time.monotonic()) < self._ends:
            cursor = self._open(LONG_MS if minute == 0 else SHORT_MS)
            if minute == 0:
                self._try_second_query()
            self._follow(self._read(cursor, minute), opened)
            self._wait(opened + MINUTE_S, "next query")
            minute += 1

    def _open(self, span_ms: int) -> str:
        """Return the first cursor of a query for the last `span_ms`."""
        self._screen.say(f"Query for {span_ms // 60_000} minutes.")
        since_ms = self._clock.now_ms() - span_ms
        return self._patiently(lambda: self._api.open_query(since_ms, None, PAGE_SIZE, {}), MINUTE_S)

    def _try_second_query(self) -> None:
        try:
            self._api.open_query(self._clock.now_ms() - SHORT_MS, None, PAGE_SIZE, {})
            self._second_query = "accepted"
        except CyberArkError as error:
            self._note_throttled(error)
            self._second_query = f"HTTP {error.failure.status}"

    def _read(self, cursor: str, minute: int) -> str:
        """Read a query to its end, and return its last cursor, "" when there is none."""
        newest_ms, empty, ends = 0, "", min(self._ends, time.monotonic() + MINUTE_S)
        while cursor and time.monotonic() < ends:
            try:
                page = self._fetch(cursor)
            except CursorExpired as error:
                self._ends_seen[f"a cursor answers HTTP {error.failure.status}"] += 1
                return ""
            for event_ms in (event.time_ms for event in page.events if event.time_ms is not None):
                if event_ms < newest_ms:
                    self._misplaced_s.append((newest_ms - event_ms) / 1000)
                newest_ms = max(newest_ms, event_ms)
            if empty and page.events:
                self._ends_seen["an empty page, then more events"] += 1
                empty = ""
            self._note(page, is_late_known=minute > 0)
            self._largest = max(self._largest, len(page.events))
            kind = "no cursor" if not page.cursor else "the same cursor" if page.cursor == cursor else "a new cursor"
            cursor = page.cursor or ""
            if empty or not cursor or (kind == "the same cursor" and not page.events):
                self._ends_seen[empty or f"{'a page' if page.events else 'an empty page'} with {kind}"] += 1
                self._newest_ms = max(newest_ms, self._newest_ms)
                break
            empty = "" if page.events else f"an empty page with {kind}"
        return cursor

    def _follow(self, cursor: str, opened: float) -> None:
        """Ask the last cursor of a query for later events until the next query is due."""
        while cursor and time.monotonic() + FOLLOW_EVERY_S < min(self._ends, opened + MINUTE_S):
            self._wait(time.monotonic() + FOLLOW_EVERY_S, "next page")
            try:
                page = self._fetch(cursor)
            except CursorExpired as error:
                self._ends_seen[f"a followed cursor answers HTTP {error.failure.status}"] += 1
                return
            self._cursor_s = max(self._cursor_s, time.monotonic() - opened)
            self._later_at_cursor += self._note(page, is_late_known=True)
            cursor = page.cursor or cursor

    def _fetch(self, cursor: str) -> Page:
        return self._patiently(lambda: self._api.fetch(cursor), PAGE_PAUSE_S)

    def _note(self, page: Page, is_late_known: bool) -> int:
        """Note the events that were not returned before, and return how many these are."""
        new = [event for event in page.events if event.key not in self._keys]
        self._keys.update(event.key for event in new)
        for event_ms in (event.time_ms for event in new if is_late_known and event.time_ms is not None):
            # What was there before and only not read yet is not late: a query was read to its end before.
            if self._newest_ms:
                self._delays_s.append((self._clock.now_ms() - event_ms) / 1000)
                if event_ms < self._newest_ms:
                    self._behind_s.append((self._newest_ms - event_ms) / 1000)
        return len(new)

    def _patiently(self, call: Callable[[], T], pause_s: float) -> T:
        return self._screen.patiently(call, pause_s, self._note_throttled)

    def _note_throttled(self, error: CyberArkError) -> bool:
        if isinstance(error, Throttled):
            self._retry_after.append(error.retry_after)
        return True  # the call is made again, whatever failed

    def _wait(self, until: float, what: str) -> None:
        if (seconds := min(until, self._ends) - time.monotonic()) > 0:
            self._screen.wait(seconds, what)

    def _observe(self, endpoint: str, outcome: str, seconds: float) -> None:
        self._calls.setdefault(endpoint.rpartition("/")[2], []).append((outcome, seconds))

    def observations(self) -> dict[str, str]:
        """Return what was observed, by what it is about."""
        sent = [seconds for seconds in self._retry_after if seconds is not None]
        ahead_s = self._clock.wall() - self._clock.now_ms() / 1000
        return {
            **{f"answers of {endpoint}": _counted(calls) for endpoint, calls in self._calls.items()},
            "a second query within a minute": self._second_query,
            "Retry-After": f"sent with {len(sent)} of {len(self._retry_after)} HTTP 429 answers{_spread(sent)}",
            f"largest page, of {PAGE_SIZE} requested": str(self._largest),
            "order by event time": f"{len(self._misplaced_s)} events after a newer one{_spread(self._misplaced_s)}",
            "end of a query": ", ".join(f"{kind}: {n}" for kind, n in self._ends_seen.items()) or "not observed",
            "later events at a cursor": f"{self._later_at_cursor}, oldest cursor accepted {self._cursor_s:.0f} s",
            "events": f"{len(self._keys)}, of which {len(self._delays_s)} arrived meanwhile",
            "delay between event and API": _spread(self._delays_s).removeprefix(": ") or "not observed",
            "events behind newer ones": f"{len(self._behind_s)}{_spread(self._behind_s)}",
            "this machine's clock": f"{ahead_s:+.1f} s compared with CyberArk's",
        }

    def report(self) -> str:
        """Return the observations as lines, and as JSON."""
        rows = self.observations()
        lines = "\n".join(f"{name:<{max(map(len, rows))}}  {text}" for name, text in rows.items())
        content = json.dumps({"profile": 2, "version": self._version, "observations": rows}, indent=2)
        return f"{lines}\n\nThe same as JSON, without data of the tenant:\n{content}"


def _counted(calls: Sequence[tuple[str, float]]) -> str:
    outcomes = Counter(outcome for outcome, _ in calls)
    counts = ", ".join(f"{'no answer' if name == 'error' else f'HTTP {name}'}: {n}" for name, n in outcomes.items())
    return f"{counts}{_spread([seconds for _, seconds in calls])}"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f": median {median(seconds):.1f} s, least {min(seconds):.1f} s, most {max(seconds):.1f} s"
