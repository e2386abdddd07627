"""Reading the events of a query, and watching what comes in after them."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from cyberark_modules.audit_api.events import Event, Page
from cyberark_modules.errors import Throttled
from sandbox.check.outcome import Untried

READ_FOR_S = 60.0
# Some tenants count every call, not only queries, and take one a minute.
PAUSE_S = 61.0
WATCH_EVERY_S = 2.0


class Reading:
    """One query, read from its first cursor on. Times are epoch milliseconds by the tenant's clock."""

    def __init__(self, fetch: Callable[[str], Page], cursor: str, now_ms: Callable[[], int]) -> None:
        self._fetch = fetch
        self._cursor = cursor
        self._now_ms = now_ms
        self._seen: set[bytes] = set()
        self._newest_ms: int | None = None
        self._pages_without_new = 0
        self._is_at_end = False

    def to_the_end(self) -> Iterator[str]:
        """Read the first page, and as many of the following ones as a person waits for."""
        try:
            yield self._first_page()
        except Throttled as error:
            pause_s = min(error.retry_after or PAUSE_S, PAUSE_S)
            yield f"CyberArk Audit is rate limiting calls of any kind (HTTP 429): waited for {pause_s:.0f} s"
            time.sleep(pause_s)
            yield self._first_page()
        pages, ends = 1, time.monotonic() + READ_FOR_S
        with suppress(Throttled):
            while not self._is_at_end and time.monotonic() < ends:
                self._next_page()
                pages += 1
        if pages > 1:
            end = "to the end" if self._is_at_end else "and there are more"
            yield f"{len(self._seen)} events in {pages} pages, {end}"
        if self._newest_ms is not None:
            ago_s = (self._now_ms() - self._newest_ms) / 1000
            yield f"newest: {_moment(self._newest_ms)}, {ago_s:.0f} s ago"
        elif not self._seen:
            yield "none, which is not an error: sign in to CyberArk in a browser to create some"

    def _first_page(self) -> str:
        started = time.monotonic()
        first = self._next_page()
        return f"first page: {_events(len(first))} in {time.monotonic() - started:.1f} s"

    def watch(self, seconds: float) -> Iterator[str]:
        """Read on at the end for so long, and tell how late events arrive."""
        if not seconds:
            raise Untried("no time was given. To try it, add --watch 15")
        if not self._is_at_end:
            raise Untried("the check did not read all events. ./dev check --profile measures how late events arrive")
        ends, late_s = time.monotonic() + seconds, list[float]()
        while time.monotonic() < ends:
            time.sleep(min(WATCH_EVERY_S, max(0.0, ends - time.monotonic())))
            try:
                fresh = self._next_page()
            except Throttled:
                yield "CyberArk Audit is rate limiting (HTTP 429); the connector slows down"
                break
            now_ms = self._now_ms()
            late_s += [(now_ms - event.time_ms) / 1000 for event in fresh if event.time_ms is not None]
        if not late_s:
            yield f"none within {seconds:.0f} s"
            return
        late_s.sort()
        half = f", half of them within {late_s[len(late_s) // 2]:.0f} s" if len(late_s) > 1 else ""
        yield f"{_events(len(late_s))} within {seconds:.0f} s{half}, the latest {late_s[-1]:.0f} s after it happened"

    def _next_page(self) -> list[Event]:
        page = self._fetch(self._cursor)
        fresh = [event for event in page.events if event.key not in self._seen]
        self._seen.update(event.key for event in fresh)
        dates = [event.time_ms for event in fresh if event.time_ms is not None]
        self._newest_ms = max([*dates, *([] if self._newest_ms is None else [self._newest_ms])], default=None)
        # One page without anything new may stand in the middle: the API filters what it has scanned.
        self._pages_without_new = 0 if fresh else self._pages_without_new + 1
        is_last = not page.cursor or page.cursor == self._cursor
        self._is_at_end = self._pages_without_new > (0 if is_last else 1)
        self._cursor = page.cursor or self._cursor
        return fresh


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _moment(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
