"""The log lines and gauges of what the collection does. It knows values, and changes nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..diagnosis import CLOCK_OFF_S, diagnose
from ..errors import CyberArkError, Failure, FailureKind, Service
from . import metrics
from .incidents import Incidents, Log, duration


@dataclass(frozen=True, slots=True)
class Standing:
    """How far collection has come. Times are the tenant's epoch milliseconds.

    `fresh_ms` is the moment up to which the tail has read everything shown (0: no tail), `gaps` are the intervals that
    are not delivered, `unservable` those of them that cannot be served.
    """

    watermark_ms: int
    fresh_ms: int
    gaps: tuple[tuple[int, int], ...] = ()
    unservable: tuple[tuple[int, int], ...] = ()


@dataclass
class _Poll:
    """What was read since the last lookback ended."""

    pages: int = 0
    events: int = 0
    new: int = 0
    late: int = 0
    latest_delay_ms: int = 0


class Reporter:
    """What is logged and measured. `now_ms` is the tenant's time, `skew_s` how far this machine's clock is ahead."""

    def __init__(
        self, log: Log, monotonic: Callable[[], float], now_ms: Callable[[], int], skew_s: Callable[[], float]
    ) -> None:
        self._log = log
        self._now_ms = now_ms
        self._skew_s = skew_s
        self._incidents = Incidents(log, monotonic)
        self._poll = _Poll()
        self._unservable: set[tuple[int, int]] = set()
        self._had_gaps = False
        self._has_lost = False
        self.standing = Standing(0, 0)
        # Worked out at every scrape: they grow while the loop waits for an intake or an API that does not answer.
        metrics.LAG.set_function(lambda: self.lag_s())
        metrics.WATERMARK_LAG.set_function(lambda: self._age_s(self.standing.watermark_ms))
        metrics.OLDEST_GAP.set_function(
            lambda: self._age_s(min((start for start, _ in self.standing.gaps), default=0))
        )

    def info(self, text: str) -> None:
        """Log a line."""
        self._log(text, "info")

    def warning(self, text: str) -> None:
        """Log a line that an administrator should read."""
        self._log(text, "warning")

    def error(self, text: str) -> None:
        """Log a line that asks for an action."""
        self._log(text, "error")

    def failed(self, name: str, error: CyberArkError) -> None:
        """Log what fails ("collection", "query", "rate", "delivery"), once, with what to do."""
        metrics.RETRIES.labels(service="delivery" if name == "delivery" else "collection").inc()
        row = diagnose(error.failure)
        # What the service is only slow or busy for is no error of the configuration, however long it lasts.
        self._incidents.failed(
            name, row.text(error.failure), "critical" if row.needs_person else "warning", row.name, row.likely_person
        )

    def state_failed(self, error: Exception, consequence: str) -> None:
        """Log that the state cannot be read or written."""
        metrics.RETRIES.labels(service="state").inc()
        self._incidents.failed("state", f"{consequence} ({error})", "error")

    def dead_letters_failed(self) -> None:
        """Log, once, that an event that the intake refuses cannot be set aside."""
        self._incidents.failed(
            "dead letters",
            "The dead-letter file dead_letters.jsonl is full or cannot be written. The refused events stay held, and "
            "the connector retries them; see the runbook CyberArkDeadLetter.",
            "error",
        )

    def recovered(self, name: str) -> bool:
        """Note that it works; return whether it had failed."""
        return self._incidents.recovered(name)

    def clocks(self) -> None:
        """Log, once, that this machine's clock and the tenant's differ, or agree again."""
        failure = Failure(Service.AUDIT, FailureKind.CLOCK, clock_skew=self._skew_s())
        if abs(failure.clock_skew) >= CLOCK_OFF_S:
            self._incidents.failed("clock", diagnose(failure).text(failure), "warning")
        else:
            self._incidents.recovered("clock")

    def page(self, events: int, new: int, malformed: int, delays_ms: Iterable[int], beyond: int) -> None:
        """Count a page: its events, the new ones, and how late those were that came late (`beyond`: the overlap)."""
        delays_ms = list(delays_ms)
        metrics.EVENTS.labels(outcome="collected").inc(new)
        metrics.EVENTS.labels(outcome="already_delivered").inc(events - new)
        metrics.EVENTS.labels(outcome="malformed").inc(malformed)
        metrics.EVENTS.labels(outcome="late").inc(len(delays_ms))
        metrics.EVENTS.labels(outcome="late_beyond_overlap").inc(beyond)
        for delay_ms in delays_ms:
            metrics.EVENT_DELAY.observe(delay_ms / 1000)
        self._poll.pages += 1
        self._poll.events += events
        self._poll.new += new
        self._poll.late += len(delays_ms)
        self._poll.latest_delay_ms = max(self._poll.latest_delay_ms, *delays_ms, 0)

    def lookback_read(self, start_ms: int) -> None:
        """Log the summary line of a lookback, and of what the other streams brought since the one before."""
        poll, self._poll = self._poll, _Poll()
        late = f", {poll.late} late by up to {duration(poll.latest_delay_ms / 1000)}" if poll.late else ""
        backlog_s = sum(end - start for start, end in self.standing.gaps) / 1000
        backlog = f"; backlog {duration(backlog_s)} of events in {len(self.standing.gaps)} gaps" if backlog_s else ""
        self.info(
            f"Lookback since {moment(start_ms)} done: {poll.events} events read in {poll.pages} pages, {poll.new} new"
            f"{late}; lag {duration(self.lag_s())}{backlog}"
        )

    def lost(self, start_ms: int, end_ms: int) -> None:
        """Log event time that was not delivered, and that the API does not show any more."""
        self._has_lost = True
        self._unservable = {gap for gap in self._unservable if gap[0] >= end_ms}
        metrics.LOST.inc((end_ms - start_ms) / 1000)
        self.error(
            f"Lost: the events from {moment(start_ms)} to {moment(end_ms)} were not delivered, and the Audit API "
            "shows only the last 7 days. See the runbook CyberArkEventTimeLost."
        )

    def set_standing(self, standing: Standing) -> None:
        """Set the gauges, and log a gap that cannot be served, once, and the end of a backlog."""
        self.standing = standing
        metrics.BACKLOG.set(sum(end - start for start, end in standing.gaps) / 1000)
        metrics.GAPS.set(len(standing.gaps))
        metrics.FAILING_GAPS.set(len(standing.unservable))
        unservable = set(standing.unservable)
        new = {gap for gap in unservable if not any(start <= gap[0] < end for start, end in self._unservable)}
        for start, end in sorted(new):
            self.error(
                f"The Audit API cannot serve the events from {moment(start)} to {moment(end)}. The connector retries "
                "them at growing intervals, up to 30 min apart, until they are 7 days old; all other events are "
                "collected."
            )
        for start, end in sorted(self._unservable - unservable):
            if not _is_in((start, end), standing.gaps):
                self.info(
                    f"The events from {moment(start)} to {moment(end)}, which the Audit API could not serve, are "
                    "delivered"
                )
        # A gap that is searched is known until all of it is delivered, whatever its parts are at this moment.
        known = {gap for gap in self._unservable if _is_in(gap, standing.gaps)}
        grown = {gap for gap in known if any(start <= gap[0] and gap[1] <= end for start, end in new)}
        self._unservable = known - grown | new
        if standing.gaps:
            self._had_gaps = True
        elif self._had_gaps:
            self._had_gaps = False
            nothing = "" if self._has_lost else "; nothing was lost"
            self.info(f"Caught up: everything up to {moment(standing.watermark_ms)} is delivered{nothing}")
            self._has_lost = False

    def lag_s(self) -> float:
        """Return the freshness: the age (s) of the moment up to which everything shown was read."""
        return self._age_s(self.standing.fresh_ms or self.standing.watermark_ms)

    def _age_s(self, epoch_ms: int) -> float:
        return max(0.0, (self._now_ms() - epoch_ms) / 1000) if epoch_ms else 0.0


def _is_in(interval: tuple[int, int], gaps: Iterable[tuple[int, int]]) -> bool:
    """Whether a part of that interval is in one of those."""
    return any(start < interval[1] and interval[0] < end for start, end in gaps)


def moment(epoch_ms: int) -> str:
    """Return that time as people read it."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
