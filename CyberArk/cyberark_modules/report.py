"""What the connector tells: the log lines and the metrics of what the loop has done. Reports never change delivery."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from sekoia_automation.module import LogLevelStr

from . import metrics
from ._old_checkpoint import Checkpoint
from .client.audit_api import CREATE_QUERY, RESULTS
from .client.auth import ENDPOINT as TOKEN_ENDPOINT
from .client.auth import Token
from .clock import TenantClock
from .delivery import Receipt
from .diagnosis import CLOCK_OFF_S, diagnose
from .errors import CyberArkError, Evidence, Service, Sign
from .events import Event, Page
from .figures import PollFigures, moment
from .outages import Outages, Say
from .progress import RETENTION, Progress, Sweep

# A little disorder at the head of the stream is no lateness.
LATE_MS = 2_000
_ENDPOINTS = {TOKEN_ENDPOINT: "token", CREATE_QUERY: "query", RESULTS: "results"}


def observe_request(endpoint: str, outcome: str, seconds: float) -> None:
    """Count a request to CyberArk."""
    metrics.API_REQUESTS.labels(endpoint=_ENDPOINTS.get(endpoint, "other"), outcome=outcome).observe(seconds)
    if outcome == "200" and endpoint == CREATE_QUERY:
        metrics.QUERIES.inc()
    if outcome == "200" and endpoint == TOKEN_ENDPOINT:
        metrics.TOKENS.inc()


class Report:
    """The figures of the current poll, what is unwell, and the gauges."""

    def __init__(
        self,
        say: Say,
        monotonic: Callable[[], float],
        tenant_clock: TenantClock,
        spacing: timedelta,
        overlap: timedelta,
    ) -> None:
        self._say = say
        self._spacing_s = spacing.total_seconds()
        self._overlap_ms = overlap // timedelta(milliseconds=1)
        metrics.OVERLAP.set(overlap.total_seconds())
        self._tenant_clock = tenant_clock
        self._outages = Outages(say, monotonic)
        self._figures = PollFigures()
        self._token: Token | None = None
        self._first_poll = True
        self._caught_up_ms = 0
        self._since_ms = 0
        self._progress: Progress | None = None
        # Worked out at every scrape: they grow while the loop is held by an intake or an API that does not answer.
        metrics.LAG.set_function(lambda: self.lag_s(self._progress) if self._progress else 0.0)
        metrics.SETTLED_LAG.set_function(lambda: self._age_s(self._progress.settled_ms) if self._progress else 0.0)

    def loaded(self, checkpoint: Checkpoint, note: str) -> None:
        """Tell where collection goes on from, and what a stop that was too long has cost."""
        progress, now_ms = checkpoint.progress, self._tenant_clock.now_ms()
        self._since_ms = progress.since_ms(now_ms)
        if note:
            self._say(note, "error")
        self._say(f"Collection goes on from {moment(progress.settled_ms)}", "info")
        last_ms = progress.query_ms or progress.position_ms
        oldest_ms = now_ms - RETENTION // timedelta(milliseconds=1)
        if last_ms and last_ms < oldest_ms:
            self._say(
                f"The connector was off since {moment(last_ms)}. The Audit API shows the last 7 days only: events "
                f"before {moment(oldest_ms)} that were not collected cannot be fetched any more.",
                "error",
            )

    def query_opened(self, token: Token, since_ms: int) -> None:
        """Note the query whose pages come now."""
        self._token, self._since_ms = token, since_ms
        clocks = Evidence(Service.AUDIT, Sign.CLOCK, clock_skew=self._tenant_clock.skew())
        if abs(clocks.clock_skew) >= CLOCK_OFF_S:
            # Once is enough: collection goes by the tenant's clock.
            self._outages.failed("clock", diagnose(clocks).text(clocks), "warning")

    def page(self, is_head: bool, before: Progress, after: Progress, page: Page, fresh: Sequence[Event]) -> None:
        """Count a page; at the end of a query, leave the line of the poll."""
        late_by_ms = [
            before.position_ms - event.time_ms
            for event in fresh
            if event.time_ms is not None and event.time_ms < before.position_ms - LATE_MS
        ]
        metrics.EVENTS.labels(outcome="collected").inc(len(fresh))
        metrics.EVENTS.labels(outcome="already_delivered").inc(len(page.events) - len(fresh))
        metrics.EVENTS.labels(outcome="late").inc(len(late_by_ms))
        metrics.EVENTS.labels(outcome="malformed").inc(
            sum(event.time_ms is None or event.uuid is None for event in fresh)
        )
        for late_ms in late_by_ms:
            metrics.EVENT_DELAY.observe(late_ms / 1000)
        # A query that came just in time has shown them; others like them were not seen.
        beyond = sum(late_ms > self._overlap_ms for late_ms in late_by_ms)
        metrics.EVENTS.labels(outcome="late_beyond_overlap").inc(beyond)
        self._figures.add(page, fresh, late_by_ms)
        sweep_over = before.sweep is not None and after.sweep is None
        head_over = is_head and after.head is not None and after.head.cursor == after.head.start.cursor
        if sweep_over or head_over:
            self._caught_up_ms = self._tenant_clock.now_ms()
        if before.sweep is not None and after.sweep is None:
            if self._open_for_s(before.sweep) <= self._spacing_s:
                self._outages.over("reading", "Caught up")
            self._poll_line(after)

    def _poll_line(self, progress: Progress) -> None:
        if self._first_poll and self._token is not None:
            self._say(f"First poll of tenant {self._token.tenant_id or 'unknown'}: {self._figures.span()}", "info")
            self._first_poll = False
        self._say(self._figures.line(self._since_ms, self.lag_s(progress)), "info")
        self._figures = PollFigures()

    def receipt(self, receipt: Receipt, pushed: Sequence[Event]) -> None:
        """Report what the intake did not take, and acceptances without ids."""
        for event in pushed if receipt.too_large else ():
            if event.text in receipt.too_large:
                metrics.EVENTS.labels(outcome="too_large").inc()
                self._say(
                    f"Event {event.uuid or 'without uuid'} of {len(event.text)} characters is more than the intake "
                    "takes (250000) and was left out",
                    "error",
                )
        if receipt.ids_missing:
            self._outages.failed(
                "acknowledgement", "The intake accepts events without giving an id for each of them", "warning"
            )

    def unwell(self, name: str, error: CyberArkError) -> None:
        """Say what is wrong with "collection" or "delivery", once, with what mends it."""
        metrics.RETRIES.labels(service=name).inc()
        diagnosis = diagnose(error.evidence)
        level: LogLevelStr = "critical" if diagnosis.needs_person else "warning"
        self._outages.failed(name, diagnosis.text(error.evidence), level, diagnosis.name, diagnosis.likely_person)

    def state_unwell(self, error: Exception, consequence: str) -> None:
        """Say that the state cannot be read or written."""
        metrics.RETRIES.labels(service="state").inc()
        self._outages.failed("state", f"{consequence} ({error})", "error")

    def well(self, name: str) -> bool:
        """Note that it works, and return whether it had not."""
        return self._outages.over(name)

    def _open_for_s(self, sweep: Sweep) -> float:
        return (self._tenant_clock.now_ms() - sweep.opened_ms) / 1000

    def lag_s(self, progress: Progress) -> float:
        """Return the age (s) of the oldest moment not yet read to."""
        return self._age_s(max(self._caught_up_ms, progress.position_ms, progress.settled_ms))

    def _age_s(self, epoch_ms: int) -> float:
        return max(0.0, (self._tenant_clock.now_ms() - epoch_ms) / 1000)

    def gauges(self, checkpoint: Checkpoint) -> None:
        """Set the gauges."""
        progress = self._progress = checkpoint.progress
        # A query that an earlier process has opened is no measure.
        measured = progress.sweep if self._token is not None else None
        if measured is not None and self._open_for_s(measured) > self._spacing_s:
            self._outages.failed(
                "reading",
                f"Behind: a query takes longer to read than the {self._spacing_s:.0f} s between two; nothing is lost, "
                "and late events are looked for less often",
                "warning",
            )
        metrics.POSITION.set(progress.position_ms / 1000)
        metrics.KEPT_KEYS.set(len(checkpoint.delivered))
