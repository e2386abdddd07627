"""The log lines and gauges of what the collection does. It reads the checkpoint, and changes nothing."""

from collections.abc import Callable, Sequence

from sekoia_automation.module import LogLevelStr

from ..checkpoint.value import DAY_MS, Checkpoint, Window
from ..clock import Clock
from ..diagnosis import diagnose
from ..errors import CyberArkError
from ..events import Event
from . import duration, metrics, utc_text

HOUR_S = 3600.0
# An address that does not answer may be a short outage; after this long it is more likely wrong.
ESCALATED_AFTER_S = 900.0
# The live edge is read to the end twice, by two queries, before the log says that everything is delivered.
CONFIRMED_BY = 2


class Reporter:
    """What is logged and measured, by the service's time. A problem is logged when it starts and when it ends."""

    def __init__(
        self,
        log: Callable[[str, LogLevelStr], None],
        clock: Clock,
        intake_key: str = "",
        allow_critical: Callable[[], None] = lambda: None,
    ) -> None:
        self.log, self._allow_critical = log, allow_critical
        self._now_ms = clock.now_ms
        self._monotonic = monotonic = clock.monotonic
        self._collected = metrics.COLLECTED.labels(intake_key)
        # What fails at the moment: since when (monotonic, s), and the level at which each kind of it was logged.
        self._failing: dict[str, tuple[float, dict[str, LogLevelStr]]] = {}
        self._summarized_at = monotonic()
        self._delivered = self._dropped = 0
        self._checkpoint: Checkpoint | None = None
        self._read_to_ms = 0
        self._lost: tuple[int, int] | None = None
        self._loss_due = monotonic()
        self._unreadable: dict[int, Window] = {}
        self._is_behind, self._has_lost, self._confirmations = True, False, 0
        self._letters = self._letters_delivered = 0
        # Computed at every scrape: they grow while the loop waits for an intake or an API that does not answer.
        metrics.LAG.set_function(self.lag_s)
        metrics.OLDEST_WINDOW.set_function(self._oldest_window_s)

    def failed(self, what: str, error: Exception) -> None:
        """Log what fails ("collection", "query", "delivery"), once, with what to do; again if it lasts."""
        metrics.RETRIES.labels("delivery" if what == "delivery" else "collection").inc()
        if not isinstance(error, CyberArkError):
            kind = type(error).__name__
            text = f"{what.capitalize()} failed because of an unexpected {kind}"
            self._note_failure(what, text, "error", kind)
            return
        row = diagnose(error.failure)
        text = "" if what == "throttling" else f"{what.capitalize()} failed. "
        # What the service is only slow or busy for is no error of the configuration, however long it lasts.
        level: LogLevelStr = "critical" if row.resolved_by == "person" else "warning"
        escalates = row.resolved_by == "person if it lasts"
        self._note_failure(what, text + row.text(error.failure), level, row.name, escalates)

    def checkpoint_failed(self, error: Exception, consequence: str) -> None:
        """Log, once, that the state cannot be read or saved."""
        metrics.RETRIES.labels("checkpoint").inc()
        self._note_failure("checkpoint", f"{consequence} ({error})", "error")

    def recovered(self, what: str) -> None:
        """Note that it works, and log it if it had failed."""
        if what in self._failing:
            since, _ = self._failing.pop(what)
            self.log(f"{what.capitalize()} recovered after {duration(self._monotonic() - since)}", "info")
            self._allow_critical()

    def _note_failure(self, what: str, text: str, level: LogLevelStr, kind: str = "", escalates: bool = False) -> None:
        """Log a failure if its kind is new. One that `escalates` is logged again if it lasts."""
        since, logged = self._failing.setdefault(what, (self._monotonic(), {}))
        if escalates and self._monotonic() - since >= ESCALATED_AFTER_S:
            level = "critical"
        if logged.get(kind) != level:
            logged[kind] = level
            self.log(text, level)

    def page(self, returned: int, new: int) -> None:
        """Count a page: the events that it returned, and those of them that were not delivered before."""
        metrics.EVENTS.labels("already_delivered").inc(returned - new)
        self._collected.inc(new)
        self._delivered += new
        self._dropped += returned - new

    def pushed(self, done: int, forwarded: int, too_large: Sequence[Event]) -> None:
        """Count what became of the pushed events that are done: what was not accepted is in the dead-letter file."""
        metrics.EVENTS.labels("forwarded").inc(forwarded)
        metrics.EVENTS.labels("dead_letter").inc(done - forwarded - len(too_large))
        metrics.EVENTS.labels("too_large").inc(len(too_large))
        for event in too_large:
            self.log(
                f"Event {event.uuid or 'without uuid'} ({len(event.text)} characters) is larger than the intake "
                "accepts (250000 characters). The connector does not send it.",
                "error",
            )

    def dead_letters(self, held: int, delivered: int) -> None:
        """Show how many events the dead-letter file holds, and how many of it the intake has taken."""
        self._letters = held
        metrics.DEAD_LETTERS.set(held)
        metrics.DEAD_LETTERS_DELIVERED.inc(delivered - self._letters_delivered)
        self._letters_delivered = delivered

    def live_read_to(self, asked_ms: int, caught_up: bool) -> None:
        """Note that what was returned at that moment was read; `caught_up`: by a query for the first time."""
        self._read_to_ms = max(self._read_to_ms, asked_ms)
        self._confirmations += caught_up

    def lost(self, start_ms: int, end_ms: int) -> None:
        """Note event time that was not delivered, and that the API does not return any more; `update` logs it."""
        self._has_lost = True
        self._unreadable = {start: window for start, window in self._unreadable.items() if start >= end_ms}
        metrics.LOST.inc((end_ms - start_ms) / 1000)
        self._lost = (min(start_ms, self._lost[0]), end_ms) if self._lost else (start_ms, end_ms)

    def update(self, checkpoint: Checkpoint, interval_s: float) -> None:
        """Set the gauges, and log what has changed: unreadable ranges, the end of a backlog, the hour's summary."""
        metrics.THROTTLED_INTERVAL.set(interval_s)
        if self._lost and self._monotonic() >= self._loss_due:  # it grows while nothing is read
            self._loss_due = self._monotonic() + HOUR_S
            start, end = map(utc_text, self._lost)
            self._lost = None
            self.log(
                f"Data loss: events from {start} to {end} were not delivered and can no longer be fetched (CyberArk "
                "keeps 7 days)",
                "error",
            )
        unread = checkpoint.unread
        unread_s = sum((window.end_ms or 0) - window.start_ms for window in unread) / 1000
        if checkpoint is not self._checkpoint:
            self._checkpoint = checkpoint
            self._read_to_ms = self._read_to_ms or checkpoint.watermark_ms
            metrics.UNREAD.set(unread_s)
            reach_ms = self._now_ms() - checkpoint.keys.complete_from_ms
            metrics.REREAD_REACH.set(max(0, min(reach_ms, DAY_MS)) / 1000)
            self._report_unreadable(unread)
            self._report_end_of_backlog(checkpoint)
        if self._monotonic() - self._summarized_at >= HOUR_S:
            backlog = f"; backlog {duration(unread_s)} of events in {len(unread)} windows" if unread else ""
            self.log(
                f"Collected {self._delivered} events in the last hour ({self._dropped} duplicates dropped); live edge "
                f"read to {utc_text(self._read_to_ms)}, lag {duration(self.lag_s())}{backlog}",
                "info",
            )
            self._summarized_at = self._monotonic()
            self._delivered = self._dropped = 0

    def lag_s(self) -> float:
        """Return the age (s) of the moment up to which the live edge was read."""
        return max(0.0, (self._now_ms() - self._read_to_ms) / 1000) if self._read_to_ms else 0.0

    def _oldest_window_s(self) -> float:
        unread = self._checkpoint.unread if self._checkpoint else ()
        return max([0.0, *((self._now_ms() - window.start_ms) / 1000 for window in unread)])

    def _report_unreadable(self, unread: Sequence[Window]) -> None:
        failing = {window.start_ms: window for window in unread if window.failures and window.page_size == 1}
        metrics.UNREADABLE.set(len(failing))
        for start_ms, window in failing.items():
            if start_ms not in self._unreadable:
                self.log(
                    f"Unreadable range: the Audit API fails for events from {_bounds(window)}. They are fetched again "
                    "at growing intervals, up to 30 min apart, until they are 7 days old; all other events are "
                    "collected.",
                    "error",
                )
        self._unreadable.update(failing)
        for start_ms, known in [*self._unreadable.items()]:
            if not any(window.start_ms <= start_ms < (window.end_ms or 0) for window in unread):
                del self._unreadable[start_ms]
                self.log(f"Unreadable range: the events from {_bounds(known)} were delivered", "info")

    def _report_end_of_backlog(self, checkpoint: Checkpoint) -> None:
        if checkpoint.unread or not any(reader.caught_up for reader in checkpoint.live):
            self._is_behind, self._confirmations = True, 0
        elif self._is_behind and self._confirmations >= CONFIRMED_BY:
            nothing = "" if self._has_lost else "; nothing was lost"
            letters = " or in the dead-letter file" if self._letters else ""
            up_to = utc_text(checkpoint.watermark_ms)
            self.log(f"Caught up: every event up to {up_to} is delivered{letters}{nothing}", "info")
            self._is_behind = self._has_lost = False


def _bounds(window: Window) -> str:
    return f"{utc_text(window.start_ms)} to {utc_text(window.end_ms or 0)}"
