"""The connector: it wires the packages together, and nothing else."""

from functools import partial
from typing import cast

from .audit_api import build_audit_api
from .audit_api.backoff import Backoff
from .audit_api.client import AuditApi
from .audit_api.transport import Transport
from .checkpoint.store import CheckpointStore
from .clock import TenantClock
from .collection.delivery import Delivery
from .collection.failures import Failures
from .collection.loop import Loop
from .collection.pages import Pages
from .collection.queries import Queries
from .collection.rate_limiter import RateLimiter
from .collection.resume import Resume
from .collection.state import State
from .collection.streams import Streams
from .collection.surroundings import Surroundings
from .collection.survey import Survey
from .configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from .errors import StateTaken
from .intake import DeadLetters
from .platform.connector import PlatformConnector
from .platform.secrets import mask
from .platform.stop import LAST_WRITE_WITHIN_S, Stopping
from .telemetry.metrics import observe_request
from .telemetry.reporter import Reporter

MINUTE_MS = 60_000


class CyberArkAuditLogsConnector(PlatformConnector):
    """Forwards every audit event of a CyberArk tenant to a Sekoia intake, at least once; duplicates are rare."""

    configuration: CyberArkAuditLogsConfiguration  # type: ignore[override]

    # A quiet tenant is not a failure; a loop that makes no progress is one.
    seconds_without_events = 0
    last_heartbeat_threshold = 900

    backoff = Backoff()
    state: State | None = None

    def run(self) -> None:
        """Collect until the connector is stopped, or until another instance takes the state over."""
        account = cast(CyberArkModuleConfiguration, self.module.configuration)
        mask(account.password, self.configuration.api_key, self.configuration.intake_key)
        self._warn_of_frequency()
        tenant_clock = TenantClock(self.clock)
        reporter = Reporter(self.log, self.clock.monotonic, tenant_clock.now_ms, tenant_clock.skew)
        self.state = state = State(
            CheckpointStore(self.data_path), reporter, self.backoff, self.background, self.clock.monotonic
        )
        resume, loop = self._wired(tenant_clock, reporter, state, self.build_api(account, tenant_clock))
        while self.running:
            try:
                self._collect(resume, loop, state)
            except StateTaken:
                self.log(
                    "Another instance of this connector has taken over its state. This instance sends nothing more "
                    "and stops. To run both, create a connector in Sekoia for each.",
                    level="error",
                )
                self.stop()
            except Exception as error:  # a defect of ours must neither end collection nor spin
                self.log_exception(error, message="Unexpected error; collection continues from the last commit")
                self.wait(self.backoff.longest)

    def _collect(self, resume: Resume, loop: Loop, state: State) -> None:
        try:
            resume.load()
            loop.run()
        except Stopping:
            self._log_stop(state)

    def build_api(self, account: CyberArkModuleConfiguration, tenant_clock: TenantClock) -> AuditApi:
        """Return the Audit API of that account."""
        return build_audit_api(account, self.configuration, self.clock, self.make_transport(tenant_clock))

    def make_transport(self, tenant_clock: TenantClock) -> Transport:
        """Return what carries the requests to CyberArk."""
        return Transport(tenant_clock, str(self.module.manifest.get("version", "")), observe_request)

    def _wired(
        self, tenant_clock: TenantClock, reporter: Reporter, state: State, api: AuditApi
    ) -> tuple[Resume, Loop]:
        configuration, monotonic = self.configuration, self.clock.monotonic
        filters = {
            "applicationCode": configuration.application_codes,
            "auditType": configuration.audit_types,
            "action": configuration.actions,
        }
        around = Surroundings(
            self.clock, tenant_clock, self.background, self.stopping, self._beat, configuration.overlap * MINUTE_MS
        )
        limiter = RateLimiter(monotonic)
        queries = Queries(
            api.open_query,
            filters,
            configuration.chunk_size,
            configuration.frequency,
            self.background,
            self.backoff,
            monotonic,
        )
        pages = Pages(api.fetch, self.background, limiter, self.backoff, monotonic, around.now_ms)
        forwarded = partial(self.count_forwarded, configuration.intake_key)
        delivery = Delivery(
            around,
            self.intake,
            DeadLetters(self.data_path),
            reporter,
            self.backoff,
            monotonic,
            forwarded,
            state.retry,
        )
        failures = Failures(around, state, queries, pages, limiter, reporter, self.allow_critical_again)
        survey = Survey(around, limiter, reporter)
        streams = Streams(around, state, pages, failures, survey)
        query_key = f"{configuration.api_base_url} {configuration.chunk_size} {filters}"
        resume = Resume(api, around, state, queries, reporter, self.backoff, query_key, configuration.start_time)
        self._reporter = reporter
        return resume, Loop(around, state, queries, pages, streams, delivery, failures, survey)

    def _beat(self) -> None:
        self.heartbeat()
        self.put_events_lag(self.configuration.intake_key, self._reporter.lag_s())

    def _warn_of_frequency(self) -> None:
        if (raised_from := self.configuration.frequency_raised_from) is not None:
            self.log(
                f"The time between two queries ({raised_from} s) is too short: the Audit API accepts one query a "
                f"minute. The connector uses {self.configuration.frequency} s",
                level="warning",
            )

    def _log_stop(self, state: State) -> None:
        if not state.is_loaded or state.save_last(self.stopping.remaining_s(LAST_WRITE_WITHIN_S)):
            self.log("Stopped; what the intake has accepted is committed", level="info")
        else:
            self.log(
                "Stopped; the state could not be written, so events accepted since its last write are sent again",
                level="error",
            )
