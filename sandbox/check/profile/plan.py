"""What is asked of a tenant, and when: some queries, a minute apart, and the cursor of the first one in between."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from cyberark_modules.clock import Clock, TenantClock
from sandbox.check.profile.line import Line, Reply
from sandbox.check.profile.reader import FIRST_PAUSE_S, Cursor, Reader
from sandbox.check.profile.record import ARRIVALS, LATER, SIZES, TAIL, WEEK, WINDOW, Query, Record
from sandbox.check.profile.window import choose_window

TEN_MINUTES_S = 600.0

_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
_SELECTED = ("uuid", "timestamp", "application_code", "arrival_timestamp")
_MINUTE_S = 61.0
_POLL_S = 5.0
_MANY = 100
_FOLLOWED_AT_MOST = 6
_SLOW_S = 30.0
_PAGES_OF_END, _WITHOUT_NEW = 8, 6
_BESIDE_TRIES = 3
# Pages and seconds.
_READ_AT_MOST = {
    TAIL: (100, 60.0),
    ARRIVALS: (30, 40.0),
    WINDOW: (20, 40.0),
    SIZES: (2, 30.0),
    WEEK: (1, 30.0),
    LATER: (20, 30.0),
}
# A cursor that lives for ten minutes is over then.
_LAST_CALL_S = 2.0

# What a person is told.
_STEPS = {
    TAIL: "a query of the last ten minutes",
    ARRIVALS: "a query with the arrival of each event",
    WINDOW: "a query between two dates",
    SIZES: "a query with large pages",
    WEEK: "a query of more than seven days",
    LATER: "a query of the events since then",
}
_WATCHING, _WAITING = "watching for events that come in", "waiting until the next query is allowed"

Progress = Callable[[str, float], None]


class Plan:
    """Asks for `seconds`, and fills the record; whoever interrupts it finds there what was seen until then."""

    def __init__(
        self, line: Line, clock: Clock, tenant_clock: TenantClock, seconds: float, progress: Progress
    ) -> None:
        self.record = Record(tenant_clock.now_ms())
        self._line = line
        self._tenant_clock = tenant_clock
        self._seconds = seconds
        self._progress = progress
        self._reader = Reader(line, clock, self.record, seconds + _MINUTE_S)
        self._tail: Cursor | None = None
        self._next_poll_s = 0.0
        self._followed = 0
        self._steps = [TAIL, ARRIVALS, WINDOW, SIZES, WEEK]
        self._next_query_s = 0.0
        self._failed_queries = 0

    def run(self) -> None:
        """Ask for all that there is time for."""
        while (left_s := self._seconds - self._line.now_s()) > 0:
            now_s = self._line.now_s()
            if self._steps and now_s >= self._next_query_s:
                self._step(self._steps[0])
            elif self._tail is not None and now_s >= self._next_poll_s:
                self._say(_WATCHING)
                self._poll(self._tail)
            else:
                self._say(_WATCHING if self._tail is not None else _WAITING)
                due_s = [self._next_query_s] if self._steps else []
                due_s += [] if self._tail is None else [self._next_poll_s]
                self._reader.wait(min(max(0.05, min(due_s, default=now_s + left_s) - now_s), left_s, _POLL_S))
        self._reader.wait(self._seconds + _LAST_CALL_S - self._line.now_s())
        if self._tail is not None:
            self._say("the first cursor again")
            self._reader.ask_again(self._tail)
        self.finish()

    def finish(self) -> None:
        """Note what is known at the end."""
        self.record.seconds = self._line.now_s()
        self.record.clock_skew_s = self._tenant_clock.skew()

    def _step(self, name: str) -> None:
        query, body = self._query(name)
        self._say(_STEPS[name])
        self.record.queries.setdefault(name, query)
        reply = self._line.open(name, body)
        self.record.calls.append(reply.call)
        if reply.cursor is None and reply.call.outcome != "refused":
            self._wait_for_query(reply)
            return
        self._failed_queries = 0
        self._steps.remove(name)
        if reply.cursor is None:
            if name == TAIL:
                raise self._line.refusal(reply.call)
            return
        self.record.queries[name] = query
        query.opened_s = reply.call.end_s
        self._reader.opened(query.opened_s)
        self._next_query_s = self._line.now_s() + _MINUTE_S
        if name == TAIL:
            # At once, to see whether there is a limit.
            self._step(ARRIVALS)
        self._read(query, Cursor(name, reply.cursor, reply.cursor))

    def _wait_for_query(self, reply: Reply) -> None:
        opened_s = [query.opened_s for query in self.record.queries.values() if query.opened_s is not None]
        pause_s = reply.pause_s or min(FIRST_PAUSE_S * 2**self._failed_queries, _SLOW_S)
        self._failed_queries += 1
        minute_s = max(opened_s) + _MINUTE_S if opened_s and reply.call.outcome == "throttled" else 0.0
        self._next_query_s = max(self._line.now_s() + pause_s, minute_s)

    def _query(self, name: str) -> tuple[Query, dict[str, Any]]:
        now_ms, selected = self._tenant_clock.now_ms(), None
        query = Query(name, 500, now_ms - 10 * _MINUTE_MS)
        if name == ARRIVALS:
            query.since_ms, selected = now_ms - _DAY_MS, _SELECTED
        elif name == WINDOW:
            query.since_ms, query.until_ms = choose_window(self.record, now_ms)
        elif name == SIZES:
            query.size, query.since_ms = 1000, now_ms - 6 * _DAY_MS
        elif name == WEEK:
            query.since_ms = now_ms - 7 * _DAY_MS - _HOUR_MS
        elif name == LATER:
            query.since_ms = self.record.at_ms(self.record.queries[TAIL].opened_s or 0.0)
        return query, _body(query, selected)

    def _read(self, query: Query, cursor: Cursor) -> None:
        pages, seconds = _READ_AT_MOST[query.name]
        ends_s = self._line.now_s() + seconds
        while pages and self._line.now_s() < ends_s and cursor.ends_seen < _PAGES_OF_END and not cursor.is_stuck:
            self._reader.ask(cursor)
            pages -= 1
            if self._reader.pause_s >= _SLOW_S:
                break
        query.is_read_to_end = cursor.without_new >= _WITHOUT_NEW
        if cursor.is_stuck:
            # Whether its cursor or the tenant is to blame is seen by another one.
            self._reader.ask_again(cursor)
        elif query.name == ARRIVALS and not self._reader.pause_s:
            for _ in range(_BESIDE_TRIES):
                asked = [(0, cursor.first), (cursor.position, cursor.reference)]
                self.record.calls += [reply.call for reply in self._line.read_beside(query.name, asked)]
        if query.name == TAIL and not cursor.is_stuck:
            self._tail = cursor

    def _poll(self, tail: Cursor) -> None:
        page = self._reader.ask(tail)
        # What came in is followed until nothing more does, within bounds where something always does.
        self._followed = self._followed + 1 if page is not None and tail.without_new == 0 else 0
        is_full = page is not None and len(page.events) >= _MANY
        if self._followed and (is_full or self._followed < _FOLLOWED_AT_MOST):
            self._next_poll_s = self._line.now_s()
        else:
            self._followed = 0
            self._next_poll_s = self._line.now_s() + max(_POLL_S, 4 * self._reader.pause_s)
        if tail.is_stuck:
            self._tail = None
        elif self._is_time_for_later():
            self._steps.append(LATER)

    def _is_time_for_later(self) -> bool:
        """A query opened late tells whether the tail misses what came in since; not needed where it shows some."""
        query = self.record.queries[TAIL]
        is_late = self._line.now_s() > self._seconds - 2 * _MINUTE_S - 30
        if not is_late or self._steps or LATER in self.record.queries or query.opened_s is None:
            return False
        opened_ms = self.record.at_ms(query.opened_s)
        return all((event.time_ms or 0) <= opened_ms for event in self.record.events(TAIL).values())

    def _say(self, what: str) -> None:
        self._progress(what, max(0.0, self._seconds + _LAST_CALL_S - self._line.now_s()))


def _body(query: Query, selected: Sequence[str] | None) -> dict[str, Any]:
    date = {"dateFrom": _date(query.since_ms // _SECOND_MS)}
    if query.until_ms is not None:
        date["dateTo"] = _date(query.until_ms // _SECOND_MS)
    body: dict[str, Any] = {
        "pageSize": query.size,
        "filterModel": {"date": date},
        "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
    }
    return body if selected is None else {**body, "selectedFields": list(selected)}


def _date(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
