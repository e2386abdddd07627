"""The connector: fetch a page, drop what was delivered, push, confirm, commit; page by page, in that order, here."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import orjson

from . import metrics
from .audit_api import build_audit_api
from .audit_api.backoff import Backoff
from .audit_api.client import AuditApi
from .audit_api.events import Event, Page, RawPage
from .clock import TOLERANCE_S, TenantClock
from .configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from .errors import ConfigurationError, CursorExpired, CyberArkError, Service, Throttled, TransientError
from .page_size import GIVEN_UP_AFTER, PageSize
from .patient import PatientConnector, Stopping
from .privacy import guard
from .progress import Progress
from .repetition import Repetition
from .report import Report, observe_request
from .schedule import OpenQuery, Pause, ReadPage, Schedule, Step
from .state import State
from .store import CheckpointStore

ASKED_WITHIN_S = 0.002


@dataclass(frozen=True)
class _Ahead:
    """A page that is being fetched before it is needed."""

    step: ReadPage
    page: Future[RawPage]


class CyberArkAuditLogsConnector(PatientConnector):
    """Forwards every audit event of a CyberArk tenant to a Sekoia intake: at least once, and almost never twice."""

    configuration: CyberArkAuditLogsConfiguration  # type: ignore[override]

    # A quiet tenant is no failure; a loop that stands still is one.
    seconds_without_events = 0
    last_heartbeat_threshold = 900

    retry = Backoff()

    _api: AuditApi
    _filters: dict[str, list[str]]
    _overlap: timedelta
    _repetitions: dict[bool, Repetition]
    _report: Report
    _schedule: Schedule
    _state: State
    _tenant_clock: TenantClock
    _ahead: _Ahead | None = None
    _page_size: PageSize
    # In a row, of the head's pages (True), of the sweep's, and of what both need (None).
    _failures: dict[bool | None, int]
    _cursors_lost = 0

    def run(self) -> None:
        """Collect until the connector is stopped."""
        self._prepare()
        while self.running:
            try:
                if not self._state.is_loaded:
                    self._load()
                while True:
                    self._take(self._next_step())
            except Stopping:
                if self._state.save_last():
                    self.log("Stopped; what the intake has accepted is committed", level="info")
                else:
                    self.log("Stopped; what was accepted since the state was last written comes twice", level="error")
            except Exception as error:  # a defect of ours must neither end collection nor spin
                self._ahead = None
                self.log_exception(error, message="Unexpected error; collection goes on from the last commit")
                self.wait(self.retry.longest)

    def _take(self, step: Step) -> None:
        if not self.running:
            raise Stopping
        try:
            match step:
                case Pause():
                    self.wait(step.seconds)
                case OpenQuery():
                    self._open_query()
                case ReadPage():
                    self._collect(step)
        except CyberArkError as error:
            self._set_back(step, error)

    def _collect(self, step: ReadPage) -> None:
        unread = self._fetch(step)
        before, now_ms = self._progress, self._tenant_clock.now_ms()
        self._fetch_ahead(step, before, unread, now_ms)
        page = unread.read()
        after = before.after(step.cursor, page, now_ms, self._overlap)
        fresh = self._drop_delivered(page)
        self._push_until_accepted(fresh, now_ms)
        self._commit(step.cursor, after, page, fresh, now_ms)
        if before.sweep is not None and after.sweep is None:
            self._page_size.query_read()
        self._schedule.page_delivered(step, before, after, fresh, now_ms)
        self._report.page(step.is_head, before, after, page, fresh)

    def _fetch(self, step: ReadPage) -> RawPage:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.step == step:
            page = self.result(ahead.page)
        else:
            self._schedule.page_asked()
            page = self.call(lambda: self._api.fetch_raw(step.cursor))
        self._failures[step.is_head] = self._failures[None] = self._cursors_lost = 0
        if not any(self._failures.values()):
            self._mended("collection")
        if not step.is_head:
            self._page_size.page_read()
            self._schedule.wants_query = self._page_size.may_grow
        if self._schedule.is_unhindered:
            self._mended("pace")
        return self._repetitions[step.is_head].ended(step.cursor, page)

    def _mended(self, name: str) -> None:
        if self._report.well(name):
            self._critical_log_sent = False  # what a person has mended may be said again if it comes back

    def _fetch_ahead(self, step: ReadPage, before: Progress, unread: RawPage, now_ms: int) -> None:
        """Ask for the next page, if one is to be read at once, before this one is read and pushed."""
        likely = before.after(step.cursor, unread.ending(), now_ms, self._overlap)
        self._schedule.page_fetched(step, before, likely)
        ahead = self._schedule.next_step(likely)
        if isinstance(ahead, ReadPage):
            self._schedule.page_asked()
            self._ahead = _Ahead(ahead, self.in_background(lambda: self._api.fetch_raw(ahead.cursor)))
            # Let the request leave: while this thread reads the page, the other gets the interpreter every 5 ms only.
            self.clock.wait(self._stop_event, ASKED_WITHIN_S)

    def _drop_delivered(self, page: Page) -> tuple[Event, ...]:
        delivered = self._state.checkpoint.delivered
        fresh = {event.key: event for event in page.events if event not in delivered}
        return tuple(fresh.values())

    def _push_until_accepted(self, fresh: tuple[Event, ...], now_ms: int) -> None:
        """Push what is new; what the intake refuses, and only that, is pushed again until it is accepted."""
        pending, failures, started = fresh, 0, time.monotonic()
        while pending:
            if not self.running:
                raise Stopping
            receipt = self.deliver(pending)
            self._report.receipt(receipt, pending)
            self.put_discarded_events(self.configuration.intake_key, len(receipt.too_large))
            self.put_forwarded_events(self.configuration.intake_key, len(receipt.taken))
            left = receipt.left(pending)
            if left and len(left) < len(pending):
                self._keep_accepted(pending, left, now_ms)
            pending = left
            if pending and self.running:
                failures += 1
                self._report.unwell("delivery", receipt.refusals[0])
                self.wait(self.retry.pause(receipt.refusals[0], failures))
        if fresh:
            self._mended("delivery")
            self.put_forward_events_duration(self.configuration.intake_key, time.monotonic() - started)

    def _keep_accepted(self, pushed: tuple[Event, ...], left: tuple[Event, ...], now_ms: int) -> None:
        """Remember the part of a page that was accepted: a stop before the rest is must not send it again."""
        refused = {event.text for event in left}
        accepted = [event for event in pushed if event.text not in refused]
        self._state.adopt(self._state.checkpoint.accepted(accepted, now_ms))

    def _commit(self, cursor: str, progress: Progress, page: Page, fresh: tuple[Event, ...], now_ms: int) -> None:
        checkpoint = self._state.checkpoint.committed(cursor, progress, page, fresh, now_ms)
        self._state.adopt(checkpoint, is_new=bool(fresh))

    def _open_query(self) -> None:
        token = self.call(self._api.authenticate)
        before_ms = self._tenant_clock.now_ms()
        # By the clock that is further ahead: a restart believes the other one, and asks rather late than soon.
        checkpoint = self._state.checkpoint.opening(max(before_ms, self._wall_ms()))
        since_ms = checkpoint.progress.since_ms(before_ms)
        self._state.adopt(checkpoint, and_copy=True)
        self._schedule.query_attempted()
        started, size = self.clock.monotonic(), self._page_size.next
        try:
            cursor = self.call(lambda: self._api.open_query(since_ms, None, size, self._filters))
        finally:
            self._schedule.query_answered()
        # By the clock of the Audit API, and not later than it was: one answer with a wrong date must not settle more.
        now_ms = self._tenant_clock.now_ms()
        opened_ms = min(before_ms, now_ms - int(1000 * (self.clock.monotonic() - started + TOLERANCE_S)))
        self._mended("query")
        self._page_size.opened(size)
        self._schedule.query_opened()
        self._report.query_opened(token, since_ms)
        progress = checkpoint.progress.opened(cursor, since_ms, opened_ms, now_ms)
        self._failures[None] = 0
        if progress.head is None:
            self._failures[True] = 0
        progress = replace(progress, query_ms=max(now_ms, self._wall_ms()))
        self._state.adopt(replace(self._state.checkpoint, queried=self._asked(size), progress=progress))

    def _asked(self, page_size: int) -> str:
        """What the cursors of a query belong to."""
        return orjson.dumps([self.configuration.api_base_url, page_size, self._filters]).decode()

    def _page_size_asked(self, queried: str) -> int:
        """Return the page size of stored cursors; 0 if another address, other filters or less a page is wanted now."""
        try:
            address, size, filters = orjson.loads(queried)
        except (ValueError, TypeError):
            return 0
        is_same = (address, filters) == (self.configuration.api_base_url, self._filters)
        return size if is_same and isinstance(size, int) and 0 < size <= self.configuration.chunk_size else 0

    def _set_back(self, step: Step, error: CyberArkError) -> None:
        """Say what failed, and let time pass before it is tried again."""
        self._ahead = None
        if isinstance(step, OpenQuery) and error.failure.service is Service.AUDIT and error.failure.status:
            # The API has answered: it counts the query no later than now, should a restart ask.
            progress = replace(self._progress, query_ms=max(self._tenant_clock.now_ms(), self._wall_ms()))
            self._state.adopt(replace(self._state.checkpoint, progress=progress))
        if (
            isinstance(step, OpenQuery)
            and isinstance(error, TransientError)
            and error.failure.service is Service.AUDIT
        ):
            # The head can be read meanwhile, and is no sign that queries are accepted again.
            self._report.unwell("query", error)
            self._schedule.delay_query(self.retry.pause(error, 1))
            return
        if isinstance(step, OpenQuery) and error.failure.status == 400:
            self._page_size.refused()
        stream = step.is_head if isinstance(step, ReadPage) and error.failure.service is Service.AUDIT else None
        self._failures[stream] += 1
        if isinstance(error, CursorExpired) and isinstance(step, ReadPage):
            self._cursors_lost += 1
            self._drop(step)
            self.log("The Audit API refused a cursor; the next query reads on from there", level="info")
            if self._cursors_lost > 1:
                self._report.unwell("collection", error)
            return
        self._report.unwell("pace" if isinstance(error, Throttled) else "collection", error)
        pause = self.retry.pause(error, self._failures[stream])
        if isinstance(error, Throttled):
            self._schedule.throttled()
        if isinstance(step, ReadPage) and stream is not None:
            self._schedule.hold_stream(step, pause)
            self._give_up_if_hopeless(step, error)
        if stream is None or isinstance(error, Throttled | ConfigurationError):
            self._schedule.hold(pause)

    def _give_up_if_hopeless(self, step: ReadPage, error: CyberArkError) -> None:
        may_be_size = not step.is_head and not isinstance(error, Throttled)
        if self._failures[step.is_head] < (self._page_size.given_up_after if may_be_size else GIVEN_UP_AFTER):
            return
        size = self._page_size.asked
        if may_be_size:
            self._page_size.failed()
        self._drop(step)
        if self._page_size.asked != size:
            self.log(
                f"A page keeps failing, pages of {self._page_size.asked} are asked for; the next query reads on from "
                "there",
                level="info",
            )

    def _drop(self, step: ReadPage) -> None:
        """Give a cursor up: the next query starts from what is settled, so nothing but time is lost with it."""
        self._state.adopt(replace(self._state.checkpoint, progress=self._progress.without(step.cursor)))
        # From the start again, but not well before a page was read.
        self._failures[step.is_head] = 1
        if not step.is_head:
            self._schedule.query_wanted()

    def _wall_ms(self) -> int:
        return int(self.clock.wall() * 1000)

    @property
    def _progress(self) -> Progress:
        return self._state.checkpoint.progress

    def _next_step(self) -> Step:
        self.heartbeat()
        self._state.retry()
        self._report.gauges(self._state.checkpoint)
        self.put_events_lag(self.configuration.intake_key, self._report.lag_s(self._progress))
        if self._ahead and not self._progress.reads(self._ahead.step.cursor):
            # The page before it has led elsewhere than its last events told. What it shows may be forgotten by now.
            self._ahead = None
            self._schedule.rest()
        # A page that is on its way comes first: what follows it waits for it.
        return self._ahead.step if self._ahead else self._schedule.next_step(self._progress)

    def _prepare(self) -> None:
        """Build what a run needs."""
        account, configuration = cast(CyberArkModuleConfiguration, self.module.configuration), self.configuration
        guard(account.password, configuration.api_key, configuration.intake_key)
        if configuration.frequency_raised_from is not None:
            self.log(
                f"A frequency of {configuration.frequency_raised_from} s is too fast for the Audit API, which accepts "
                f"one query a minute; {configuration.frequency} s is used",
                level="warning",
            )
        self._overlap = timedelta(minutes=configuration.overlap)
        self._page_size = PageSize(configuration.chunk_size, self.clock.monotonic)
        self._failures = {True: 0, False: 0, None: 0}
        self._filters = {
            "applicationCode": configuration.application_codes,
            "auditType": configuration.audit_types,
            "action": configuration.actions,
        }
        self._tenant_clock = TenantClock(self.clock)
        self._repetitions = {True: Repetition(), False: Repetition()}
        self._schedule = Schedule(self.clock.monotonic, configuration.frequency)
        spacing = timedelta(seconds=configuration.frequency)
        self._report = Report(self.log, self.clock.monotonic, self._tenant_clock, spacing, self._overlap)
        self._state = State(CheckpointStore(self.data_path), self._report, self.retry, self.clock.monotonic)
        metrics.show_common(self, configuration.intake_key)
        self._api = build_audit_api(
            account,
            configuration,
            self.clock,
            self._tenant_clock,
            str(self.module.manifest.get("version", "")),
            observe_request,
        )

    def _load(self) -> None:
        """Load the checkpoint, once the tenant's time is known, by which it is judged. Raises Stopping."""
        while True:
            try:
                self.call(self._api.authenticate)
                break
            except CyberArkError as error:
                self._failures[None] += 1
                self._report.unwell("collection", error)
                self.wait(self.retry.pause(error, self._failures[None]))
        start_time = timedelta(hours=self.configuration.start_time)
        while pause := self._state.load(self._tenant_clock.now_ms(), start_time, self._overlap):
            self.wait(pause)
            if not self.running:
                raise Stopping
        checkpoint, now_ms = self._state.checkpoint, self._tenant_clock.now_ms()
        # So far the time is Identity's: where it is behind, it must not reach back over what is no longer remembered.
        progress = checkpoint.progress.not_after(max(now_ms, self._wall_ms())).current(now_ms)
        if size := self._page_size_asked(checkpoint.queried):
            self._page_size.opened(size)
        else:
            progress = replace(progress, sweep=None, head=None)
        self._state.adopt(replace(checkpoint, progress=progress), is_new=False)
        # Whichever of the two clocks says that the last query is more recent is believed.
        self._schedule.restarted(progress, min(now_ms, self._wall_ms()))
