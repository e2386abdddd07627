"""What the loop has read, turned into metrics and log lines: freshness, lateness, progress."""

from collections.abc import Sequence

from ..audit_api.events import Event, Page
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint
from ..telemetry import metrics
from ..telemetry.reporter import Reporter, Standing
from .closing import as_read
from .rate_limiter import RateLimiter
from .scheduler import RECONCILED_MS
from .surroundings import Surroundings

# A little disorder at the live edge is no lateness.
LATE_MS = 2_000


class Survey:
    """Counts pages, and keeps the standing up to date."""

    def __init__(self, around: Surroundings, limiter: RateLimiter, reporter: Reporter) -> None:
        self._around = around
        self._limiter = limiter
        self._reporter = reporter
        self._fresh_ms = 0
        self._longest_page = 0
        self._tail_is_live = False
        self._evicted = self._forgotten = 0
        metrics.OVERLAP.set(around.overlap_ms / 1000)

    def longest_page(self, stream: Stream) -> int:
        """Return how many events a full page of that stream's size had, as far as pages were seen."""
        return min(self._longest_page, stream.page_size)

    def page(self, checkpoint: Checkpoint, stream: Stream, page: Page, new: Sequence[Event]) -> None:
        """Count a page; `checkpoint` is the one before it was delivered."""
        self._longest_page = max(self._longest_page, len(page.events))
        now_ms, newest_ms = self._around.now_ms(), checkpoint.position_ms - LATE_MS
        dates = [event.time_ms for event in new if event.time_ms is not None]
        late = [date for date in dates if date < newest_ms] if stream.use is not Use.BACKFILL else []
        coverage = checkpoint.coverage
        beyond = sum(date < coverage.watermark_ms and coverage.gap_at(date) is None for date in late)
        malformed = sum(event.time_ms is None or event.uuid is None for event in new)
        self._reporter.page(len(page.events), len(new), malformed, [now_ms - date for date in late], beyond)

    def read_up_to(self, stream: Stream, asked_ms: int) -> None:
        """Note that what was shown at that moment (epoch ms) has been read.

        A cursor may show nothing later than its own opening: tails count once one of them has shown something later.
        """
        if stream.use is Use.TAIL and stream.latest_ms > stream.opened_ms:
            self._tail_is_live = True
        if stream.use is not Use.TAIL or self._tail_is_live:
            self._fresh_ms = max(self._fresh_ms, asked_ms)

    def stream_ended(self, stream: Stream) -> None:
        """Note that a stream has been read to its end."""
        if stream.use is Use.LOOKBACK:
            self._reporter.lookback_read(stream.start_ms)
        if stream.use is Use.RECONCILIATION:
            self._reporter.info(
                "Reconciliation done: the connector has looked for events that arrived later than the overlap"
            )

    def update(self, checkpoint: Checkpoint) -> None:
        """Set the current metrics."""
        coverage = as_read(checkpoint, self._around.overlap_ms)
        self._reporter.set_standing(
            Standing(
                watermark_ms=coverage.watermark_ms,
                fresh_ms=self._fresh_ms if checkpoint.stream(Use.TAIL) else 0,
                gaps=tuple((gap.start_ms, gap.end_ms) for gap in coverage.gaps),
                unservable=tuple((gap.start_ms, gap.end_ms) for gap in coverage.gaps if gap.is_unservable),
            )
        )
        metrics.POSITION.set(checkpoint.position_ms / 1000)
        metrics.SEEN_KEYS.set(len(checkpoint.seen))
        metrics.SEEN_EVICTED.inc(max(0, checkpoint.seen.evicted - self._evicted))
        self._evicted = max(self._evicted, checkpoint.seen.evicted)
        metrics.SEEN_FORGOTTEN.inc(max(0, checkpoint.seen.forgotten - self._forgotten))
        self._forgotten = max(self._forgotten, checkpoint.seen.forgotten)
        reach_ms = self._around.now_ms() - checkpoint.seen.complete_from_ms
        metrics.RECONCILIATION_REACH.set(max(0, min(reach_ms, RECONCILED_MS)) / 1000)
        metrics.EFFECTIVE_OVERLAP.set(max(0, min(self._around.overlap_ms, reach_ms)) / 1000)
        metrics.THROTTLED_INTERVAL.set(self._limiter.interval_s)
        for use in Use:
            metrics.OPEN_STREAMS.labels(use=use.value).set(sum(each.use is use for each in checkpoint.streams))
