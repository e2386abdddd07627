"""The query of the minute: the API accepts one, counted for the whole tenant, across restarts."""

import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from ..checkpoint.value import RETENTION_MARGIN_MS, RETENTION_MS, Checkpoint, Reader, Window, whole_second
from ..context import Context
from ..errors import Backoff, CyberArkError, Throttled

QUERY_SPACING_S = 60.0
# The service's time is known only to the second: a restart adds the fraction that this may hide.
SPACING_MARGIN_S = 2.0
# The longest that a query may be on its way: until then the API may count it.
QUERY_MAY_TAKE_MS = 60_000
# Where another integration uses the query of the minute, nothing shows when the next one is free.
THROTTLED_S = 5.0
IDLE_S = 1.0
# One live query in this many follows empty pages as far as a query that confirms an end does.
CONFIRMED_EVERY = 10


@dataclass(frozen=True)
class Opening:
    """A query that is being opened: its answer is the first cursor. `opened_ms` is by the earlier clock."""

    window: Window
    cursor: Future[str]
    opened_ms: int


@dataclass
class Queries:
    """When a query may be opened, and the one that is being opened. `frequency_s` is the polling interval (s)."""

    _open_query: Callable[[int, int | None, int], str]
    _frequency_s: float
    _digest: str
    _context: Context
    _backoff: Backoff
    failures: int = 0
    windows_in_row: int = 0
    opening: Opening | None = None
    live_due_at: float = -math.inf
    _allowed_at: float = -math.inf
    _number: int = 0
    _live_queries: int = 0

    def resumed(self, checkpoint: Checkpoint) -> Checkpoint:
        """Keep the spacing to the last query of an earlier process, and drop readers of other settings."""
        if checkpoint.queried_ms is not None:
            # The clock that is behind makes the last query more recent. A query that was being opened was sent before
            # now; where it is further ahead than that, a clock was wrong.
            elapsed_ms = max(self._context.earlier_ms() - checkpoint.queried_ms, -QUERY_MAY_TAKE_MS)
            wait_s = QUERY_SPACING_S + SPACING_MARGIN_S - elapsed_ms / 1000
            self._allowed_at = self.live_due_at = self._context.monotonic() + max(0.0, wait_s)
        others = [reader for reader in checkpoint.readers if reader.query != self._digest]
        return checkpoint.without_readers(*others)

    @property
    def wait_s(self) -> float:
        """In how many seconds a query may be opened."""
        return max(0.0, self._allowed_at - self._context.monotonic())

    def open(self, checkpoint: Checkpoint, window: Window) -> Checkpoint:
        """Open a query for that window, as far back as the API accepts; return the checkpoint to go on with."""
        now_ms, earlier_ms = self._context.now_ms(), self._context.earlier_ms()
        # By the service's clock, which judges it, unless that is off by days.
        now_ms = now_ms if now_ms - RETENTION_MS < earlier_ms else earlier_ms
        oldest_ms = whole_second(now_ms - RETENTION_MS + RETENTION_MARGIN_MS, up=True)
        if window.start_ms < oldest_ms and (window.end_ms is None or oldest_ms < window.end_ms):
            if window.end_ms is None:
                checkpoint = checkpoint.advanced(oldest_ms).with_windows(Window(window.start_ms, oldest_ms))
            window = replace(window, start_ms=oldest_ms)
        self._allowed_at = self._context.monotonic() + QUERY_SPACING_S
        self.windows_in_row += 1
        if window.end_ms is None:
            self.windows_in_row = 0
            window = replace(window, to_confirm=int(self._live_queries % CONFIRMED_EVERY == 0))
            self._live_queries += 1
        cursor = self._context.submit(lambda: self._open_query(window.start_ms, window.end_ms, window.page_size))
        self._number = max([self._number, *(reader.number for reader in checkpoint.readers)])
        self.opening = Opening(window, cursor, earlier_ms)
        return checkpoint.with_windows(window)

    def answered(self) -> Reader:
        """Return the reader of the query that was opened. Raises what opening it raised."""
        opening, self.opening = self.opening, None
        assert opening is not None  # noqa: S101
        # The API has counted it between the call and the answer, which may have waited for a push.
        counted_at = min(self._context.monotonic(), self._allowed_at - QUERY_SPACING_S + QUERY_MAY_TAKE_MS / 1000)
        self._allowed_at = counted_at + QUERY_SPACING_S
        cursor = opening.cursor.result(0)
        self.failures = 0
        self._number += 1
        is_live = opening.window.end_ms is None
        if is_live:
            self.live_due_at = counted_at + self._frequency_s
        marks = ((cursor, ()),) if is_live else ()
        return Reader(self._number, opening.window, opening.opened_ms, cursor, self._digest, marks=marks)

    def failed(self, error: Exception) -> None:
        """Note that no query was opened: try again after a pause. A query that failed may have been counted."""
        self.failures += 1
        least_s = THROTTLED_S if isinstance(error, Throttled) else QUERY_SPACING_S
        pause_s = self._backoff.pause(error, self.failures) if isinstance(error, CyberArkError) else 0.0
        self._allowed_at = self._context.monotonic() + max(least_s, pause_s)

    def nothing_to_read(self) -> None:
        """Note that there is nothing to open a query for now: look again in a while."""
        self._allowed_at = max(self._allowed_at, self._context.monotonic() + IDLE_S)
