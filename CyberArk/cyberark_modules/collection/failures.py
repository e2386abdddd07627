"""How failed calls are handled: what becomes of the stream, the gap or the query that failed."""

from collections.abc import Callable
from dataclasses import replace

from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import oldest_ms
from ..errors import CursorExpired, CyberArkError, Service, Throttled
from ..telemetry.reporter import Reporter
from .closing import as_read, closed
from .narrowing import continued_after, halved, narrowed, retried_later
from .pages import Pages
from .queries import Queries
from .rate_limiter import RateLimiter
from .reading import EMPTY_PAGES_NEW_CURSOR
from .scheduler import Query
from .state import State
from .surroundings import Surroundings

# A page that fails so often in a row, while others are served, is not asked for again as it is.
PAGE_FAILS_AFTER = 5
# The next query opens another tail: less is lost by giving one up.
TAIL_FAILS_AFTER = 3
ALONE_AFTER = 6
PAGES_IN_VAIN = 32
PLACES_KEPT = 100


class Failures:
    """Handles failed queries and pages, and notes what works again."""

    def __init__(
        self,
        around: Surroundings,
        state: State,
        queries: Queries,
        pages: Pages,
        limiter: RateLimiter,
        reporter: Reporter,
        allow_critical: Callable[[], None],
    ) -> None:
        self._around = around
        self._state = state
        self._queries = queries
        self._pages = pages
        self._limiter = limiter
        self._reporter = reporter
        self._allow_critical = allow_critical
        self._token_failures = 0
        # Where a cursor was refused, and when (monotonic s) the last page before that was served.
        self._refused_at: dict[tuple[Use, int], float] = {}

    def page_served(self, stream: Stream) -> None:
        """Note a page that the API has served."""
        self._pages.succeeded(stream)
        self._token_failures = 0
        if not self._pages.is_any_failing:
            self._recovered("collection")
        if not self._limiter.is_throttled:
            self._recovered("rate")

    def page_failed(self, stream: Stream, error: CyberArkError) -> None:
        """Decide what becomes of a stream whose page has failed."""
        if isinstance(error, CursorExpired):
            self._cursor_refused(stream)
            return
        if isinstance(error, Throttled) and not self._others_are_served(stream):
            self._pages.throttled(stream, error)
            self._reporter.failed("rate", error)
            return
        if error.failure.service is Service.IDENTITY:
            self._wait_for_token(error)
            return
        failing = self._pages.failed(stream, error)
        others_are_served = self._pages.succeeded_at > failing.since
        if failing.failures > 3 and not others_are_served:
            # One page that fails while others are served is reported once it is known which events it holds.
            self._reporter.failed("collection", error)
        enough = TAIL_FAILS_AFTER if stream.use is Use.TAIL else PAGE_FAILS_AFTER
        if failing.failures < enough:
            return
        if others_are_served or stream.use is Use.TAIL:
            now_ms, overlap_ms = self._around.now_ms(), self._around.overlap_ms
            self._state.commit(narrowed(self._state.checkpoint, stream, now_ms, overlap_ms))
            self._look_back_again(stream)

    def _others_are_served(self, stream: Stream) -> bool:
        """Whether a page is repeatedly refused while others are served: then the rate is not the cause."""
        failing = self._pages.failing(stream)
        return failing is not None and failing.failures >= ALONE_AFTER and self._pages.succeeded_at > failing.since

    def query_opened(self, stream: Stream) -> None:
        """Note a query that the API has accepted."""
        self._limiter.accepted()
        self._token_failures = 0
        self._recovered("query")
        self._reporter.clocks()

    def query_failed(self, error: CyberArkError, query: Query) -> None:
        """Note that no query was opened."""
        size = self._queries.page_size
        self._queries.failed(error, query.page_size)
        if error.failure.service is Service.IDENTITY:
            self._wait_for_token(error)
            return
        if self._queries.page_size != size:
            self._reporter.warning(
                f"The Audit API refuses a query with {size} events per page (HTTP 400); the connector requests "
                f"{self._queries.page_size}. Set the field Events per page to {self._queries.page_size}."
            )
            return
        checkpoint = self._state.checkpoint
        if error.failure.status:
            # The API has answered: it counts the query no later than now, which a restart has to know.
            checkpoint = replace(checkpoint, queried_ms=self._around.latest_ms())
        # The API has answered and refused this query, while it opens others.
        others_open = error.failure.status and not isinstance(error, Throttled) and self._queries.failures == 1
        if query.use is Use.BACKFILL and others_open:
            is_small = error.failure.status == 400 and query.page_size < self._queries.page_size
            now_ms = self._around.now_ms()
            checkpoint = retried_later(checkpoint, query.start_ms, now_ms, is_refused_as_small=is_small)
        if query.use is Use.RECONCILIATION and others_open:
            self._queries.reconciliation_refused()
        self._state.commit(checkpoint)
        self._reporter.failed("query", error)

    def expire(self, now_ms: int) -> None:
        """Report event time that the API no longer shows and that was not delivered, and continue without it."""
        oldest = oldest_ms(now_ms)
        # What the open streams have read is not lost, although it is not covered before they end.
        _, lost = as_read(self._state.checkpoint, self._around.overlap_ms).expired(oldest)
        checkpoint = self._state.checkpoint
        coverage, overtaken = checkpoint.coverage.expired(oldest)
        if not overtaken:
            return
        streams = tuple(each for each in checkpoint.streams if each.end_ms is None or each.end_ms > oldest)
        self._state.commit(replace(checkpoint, coverage=coverage, streams=streams))
        for interval in lost:
            self._reporter.lost(interval.start_ms, interval.end_ms)

    def _cursor_refused(self, stream: Stream) -> None:
        before, now_ms, overlap_ms = self._state.checkpoint, self._around.now_ms(), self._around.overlap_ms
        checkpoint = closed(before, stream, overlap_ms, is_proven=False)
        if stream.use is Use.BACKFILL and stream.disorder_ms > overlap_ms:
            # Without order, a window is covered only when its stream ends: a smaller one may be read to its end.
            checkpoint = halved(checkpoint, stream.start_ms, now_ms)
        elif self._is_refused_again(stream):
            if stream.use is Use.BACKFILL and stream.empty_pages >= EMPTY_PAGES_NEW_CURSOR:
                # A row of empty pages has outlasted its cursor twice: no query would ever prove that this is the end.
                checkpoint = closed(before, stream, overlap_ms, is_proven=True)
            elif self._pages.failing(stream) is None:
                checkpoint = continued_after(before, stream, now_ms, overlap_ms)
            else:
                checkpoint = narrowed(before, stream, now_ms, overlap_ms)
        elif stream.use is Use.BACKFILL and self._comes_no_further(stream):
            checkpoint = continued_after(before, stream, now_ms, overlap_ms)
        self._state.commit(checkpoint)
        self._look_back_again(stream)
        self._reporter.info(f"The Audit API refused a cursor ({stream.use}); the next query continues from there")

    def _look_back_again(self, stream: Stream) -> None:
        """What came late within the overlap is shown by a lookback only, and this one was not read to its end."""
        if stream.use is Use.LOOKBACK:
            self._queries.lookback_wanted()

    def _is_refused_again(self, stream: Stream) -> bool:
        """Whether a cursor of that use was refused at that place before.

        Where its page has failed for as long as the cursor lived, the refusal counts only if others were served in
        between: in an outage, it says nothing about this page.
        """
        place = stream.use, stream.dates[-1] if stream.dates else stream.start_ms
        if place in self._refused_at:
            return self._pages.failing(stream) is None or self._pages.succeeded_at > self._refused_at[place]
        if len(self._refused_at) >= PLACES_KEPT:
            self._refused_at.clear()
        self._refused_at[place] = self._pages.succeeded_at
        return False

    def _comes_no_further(self, stream: Stream) -> bool:
        """Whether another query would start where this one did, although it has read many pages."""
        return stream.resume_ms(self._around.overlap_ms) == stream.start_ms and stream.pages > PAGES_IN_VAIN

    def _wait_for_token(self, error: CyberArkError) -> None:
        """Without a token nothing works: everything waits."""
        self._token_failures += 1
        self._reporter.failed("collection", error)
        self._pages.pause_all_for(error, self._token_failures)

    def _recovered(self, name: str) -> None:
        if self._reporter.recovered(name):
            self._allow_critical()
