"""What becomes of a reader or a query that fails, and what the scheduler has to know of it."""

from dataclasses import dataclass

from ..checkpoint.value import OVERLAP_MS, RETENTION_MS, Checkpoint, Reader, Window
from ..context import Context
from ..errors import ClientError, ConfigurationError, CursorExpired, CyberArkError, Throttled
from ..telemetry.reporter import Reporter
from .cut import cut, probe_from_ms, retried_later
from .pages import InFlight, Pages
from .queries import Queries
from .rate import RateLimiter
from .scheduler import Moment, with_reread

# A query is reported after this many rejections; before, another integration may have used the minute.
REPORTED_AFTER = 3
# A little less than an hour, so that what arrives right after a re-read is delivered within the hour.
HOURLY_S = 3300.0
SOON_S = 600.0


@dataclass
class Failures:
    """Handles failed pages and queries, and notes what works again. `_reread_at`: when the next re-read is due."""

    _context: Context
    _queries: Queries
    _pages: Pages
    _limiter: RateLimiter
    reporter: Reporter
    _reread_at: float

    def maintained(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return the checkpoint without what the API no longer returns, with the hourly re-read if it is due."""
        # Loss is declared only when both clocks say so.
        checkpoint, lost = checkpoint.expired(self._context.earlier_ms() - RETENTION_MS)
        for start_ms, end_ms in lost:
            self.reporter.lost(start_ms, end_ms)
        if self._context.monotonic() < self._reread_at or any(not window.failures for window in checkpoint.unread):
            return checkpoint
        self._reread_at = self._context.monotonic() + HOURLY_S
        return with_reread(checkpoint, self._context.earlier_ms())

    def moment(self, checkpoint: Checkpoint) -> Moment:
        """Return what the scheduler has to know."""
        failing = self._pages.failing
        given_up = frozenset(number for number, each in failing.items() if each.is_given_up())
        live = checkpoint.live
        is_live_failing = bool(live) and all(reader.number in failing for reader in live)
        now_ms, probe_ms = self._context.earlier_ms(), None
        if is_live_failing:
            furthest = max(live, key=lambda each: each.position_ms)
            # A query behind the first one has met another such page, or it is an outage: the next one starts now.
            starts_now = len(live) > 1 or now_ms - failing[furthest.number].since_ms > OVERLAP_MS
            probe_ms = probe_from_ms(furthest, now_ms if starts_now else failing[furthest.number].since_ms)
        return Moment(
            now_ms=now_ms,
            failing=given_up,
            held_up=frozenset(reader.number for reader in live if self._pages.is_held_up(reader)),
            in_doubt=is_live_failing and not all(reader.number in given_up for reader in live),
            probe_ms=probe_ms,
            live_is_due=self._context.monotonic() >= self._queries.live_due_at,
            windows_in_row=self._queries.windows_in_row,
            is_slow=self._limiter.is_throttled and self._limiter.at_once == 1,
        )

    def page_served(self) -> None:
        """Note a page that the API has served."""
        if not self._pages.failing:
            self.reporter.recovered("collection")
        if not self._limiter.is_throttled:
            self.reporter.recovered("throttling")

    def page_failed(self, checkpoint: Checkpoint, asked: InFlight, reader: Reader, error: Exception) -> Checkpoint:
        """Return the checkpoint once a page of that reader has failed, for whatever reason."""
        if isinstance(error, CursorExpired) and reader.events:
            return checkpoint.without_readers(reader)  # a new query continues from there
        failing = self._pages.failed(asked, error)
        if failing is None:
            self.reporter.failed("throttling", error)
            return checkpoint
        is_outage = failing.is_given_up() and not self._pages.are_others_served(failing)
        if is_outage or isinstance(error, ConfigurationError) or not isinstance(error, CyberArkError):
            self.reporter.failed("collection", error)
        if not self._pages.is_to_be_cut(failing):
            return checkpoint
        served = [other for other in checkpoint.live if other.number not in self._pages.failing]
        return cut(checkpoint, reader, failing.since_ms, self._context.earlier_ms(), served)

    def query_opened(self) -> None:
        """Note a query that the API has accepted."""
        self._limiter.accepted()
        self.reporter.recovered("query")

    def query_failed(self, checkpoint: Checkpoint, window: Window, error: Exception) -> Checkpoint:
        """Return the checkpoint once a query was not opened."""
        self._queries.failed(error)
        if isinstance(error, Throttled):
            if self._limiter.interval_s:
                self._limiter.refused(error, len(self._pages.in_flight), self._context.monotonic())
            if self._limiter.interval_s or self._queries.failures < REPORTED_AFTER:
                return checkpoint  # where every call is limited, the log has said that
        self.reporter.failed("query", error)
        is_refused = isinstance(error, ClientError) and error.status not in (401, 403)
        if is_refused and window.end_ms is not None:
            # Otherwise it would take every query.
            return checkpoint.with_windows(retried_later(window, self._context.earlier_ms()))
        return checkpoint
