"""The query slot: the API accepts one query a minute, counted for the whole tenant, restarts included."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from ..audit_api.backoff import Backoff
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import QUERY_MAY_TAKE_MS, Checkpoint
from ..errors import ClientError, CyberArkError, Throttled
from ..platform.background import Background
from .scheduler import QUERY_SPACING_S, Query, Turn

# The tenant's time is known only to the second: a restart adds the fraction that this may hide.
SPACING_MARGIN_S = 2.0
# The largest page that every tenant accepts (some accept 1000).
SAFE_PAGE_SIZE = 500
# Where another integration uses the query of the minute, nothing shows when the next one is free.
THROTTLED_S = 5.0
RECONCILIATION_RETRY_S = 600.0
IDLE_S = 1.0

OpenQuery = Callable[[int, int | None, int, Mapping[str, Sequence[str]]], str]


@dataclass(frozen=True, slots=True)
class Opening:
    """A query that is being opened; its answer is the first cursor."""

    query: Query
    cursor: Future[str]
    opened_ms: int


class Queries:
    """When a query may be opened, and the one that is being opened. `monotonic` gives seconds."""

    def __init__(
        self,
        open_query: OpenQuery,
        filters: Mapping[str, Sequence[str]],
        page_size: int,
        frequency_s: float,
        background: Background,
        backoff: Backoff,
        monotonic: Callable[[], float],
    ) -> None:
        self._open_query = open_query
        self._filters = filters
        self._frequency_s = max(QUERY_SPACING_S, frequency_s)
        self._background = background
        self._backoff = backoff
        self._monotonic = monotonic
        self._allowed_at = self._lookback_due = self._reconciliation_allowed_at = monotonic()
        self.failures = 0
        self.page_size = page_size
        self.opening: Opening | None = None
        self._filled_last = False
        self._live_in_row = 0
        self._started_ms = 0

    def started(self, queried_ms: int | None, earliest_ms: int, now_ms: int) -> None:
        """Keep the interval since the last query of an earlier process. Times are epoch milliseconds.

        `now_ms` is now by the tenant's clock, `earliest_ms` is now by whichever clock is behind: by that clock, the
        last query is more recent.
        """
        self._started_ms = now_ms
        if queried_ms is not None:
            # `queried_ms` is ahead if the query was being opened when the process ended. It was sent before now, so it
            # is counted no later than this; where `queried_ms` is further ahead, a clock was wrong.
            elapsed_ms = max(earliest_ms - queried_ms, -QUERY_MAY_TAKE_MS)
            self._allowed_at = self._monotonic() + max(0.0, QUERY_SPACING_S + SPACING_MARGIN_S - elapsed_ms / 1000)
            self._lookback_due = self._allowed_at

    @property
    def wait_s(self) -> float:
        """In how many seconds a query may be opened."""
        return max(0.0, self._allowed_at - self._monotonic())

    def turn(self, now_ms: int, overlap_ms: int, is_slow: bool) -> Turn:
        """Return what the plan has to know of this moment: see `Turn`."""
        return Turn(
            now_ms=now_ms,
            overlap_ms=overlap_ms,
            page_size=self.page_size,
            lookback_is_due=self._monotonic() >= self._lookback_due,
            filled_last=self._filled_last,
            live_in_row=self._live_in_row,
            started_ms=self._started_ms,
            is_slow=is_slow,
            may_reconcile=self._monotonic() >= self._reconciliation_allowed_at,
        )

    def open(self, query: Query, opened_ms: int) -> None:
        """Open that query. `opened_ms` is the moment up to which it is sure to show what has arrived."""
        now = self._monotonic()
        self._allowed_at = now + QUERY_SPACING_S
        self._filled_last = query.use in (Use.BACKFILL, Use.RECONCILIATION)
        self._live_in_row = 0 if self._filled_last else self._live_in_row + 1
        # A second more: it is not known whether the second of `dateTo` is in or out.
        until_ms = None if query.end_ms is None else query.end_ms + 1000
        cursor = self._background.submit(
            lambda: self._open_query(query.start_ms, until_ms, query.page_size, self._filters)
        )
        self.opening = Opening(query, cursor, opened_ms)

    def opened(self) -> Stream:
        """Return the stream of the query that was opened. Raises what opening it raised."""
        opening, self.opening = self.opening, None
        assert opening is not None  # noqa: S101
        now = self._monotonic()
        # It is not known at which moment between the call and the answer the API counted it.
        self._allowed_at = max(self._allowed_at, now + QUERY_SPACING_S)
        query, cursor = opening.query, opening.cursor.result(0)
        self.failures = 0
        if query.use is Use.LOOKBACK:
            self._lookback_due = now + self._frequency_s
        end_ms = opening.opened_ms if query.use is Use.LOOKBACK else query.end_ms
        return Stream(query.use, query.start_ms, end_ms, opening.opened_ms, cursor, query.page_size, frontier=cursor)

    def failed(self, error: CyberArkError, page_size: int) -> None:
        """Note that no query was opened: try again after a pause. A failure may have been counted as well."""
        self.failures += 1
        if isinstance(error, ClientError) and error.status == 400 and page_size > SAFE_PAGE_SIZE:
            self.page_size = SAFE_PAGE_SIZE
        # A refused query was not counted; one that failed in another way may have been.
        least = THROTTLED_S if isinstance(error, Throttled) else QUERY_SPACING_S
        self._allowed_at = self._monotonic() + max(least, self._backoff.pause(error, self.failures))

    def nothing_wanted(self) -> None:
        """Note that there is nothing to open a query for now: ask again in a while."""
        self._allowed_at = max(self._allowed_at, self._monotonic() + IDLE_S)

    def lookback_wanted(self) -> None:
        """Open the next lookback as soon as a query is allowed: the last one ended without proof."""
        self._lookback_due = self._monotonic()

    def reconciliation_refused(self) -> None:
        """Open no reconciliation for a while: it comes before gaps in which a page failed, which must not wait."""
        self._reconciliation_allowed_at = self._monotonic() + RECONCILIATION_RETRY_S


def about_to_open(checkpoint: Checkpoint, latest_ms: int) -> Checkpoint:
    """Return the checkpoint to store before a query is opened, so that a restart keeps the spacing.

    `latest_ms` is now, by the clock that is further ahead.
    """
    return replace(checkpoint, queried_ms=latest_ms + QUERY_MAY_TAKE_MS)
