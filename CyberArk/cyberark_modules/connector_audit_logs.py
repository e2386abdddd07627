"""The connector: it wires the packages together, and nothing else."""

from functools import partial
from hashlib import blake2b
from typing import cast

from .audit_api import AuditApi
from .checkpoint.store import CheckpointStore
from .collection.delivery import Delivery
from .collection.failures import SOON_S, Failures
from .collection.loop import Loop
from .collection.pages import Pages
from .collection.queries import Queries
from .collection.rate import RateLimiter
from .collection.saved import SavedCheckpoint
from .configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from .context import LAST_WRITE_WITHIN_S, Stopping
from .errors import Backoff, StateTaken
from .masking import mask
from .sdk.connector import SdkConnector
from .telemetry.reporter import Reporter

SAVED = "Stopped; what the intake has accepted is saved"
UNSAVED = (
    "Stopped; the state could not be saved. After a restart, the events delivered since the last save are sent again"
)


class CyberArkAuditLogsConnector(SdkConnector):
    """Forwards every audit event of a CyberArk tenant to a Sekoia intake, at least once; duplicates are rare."""

    configuration: CyberArkAuditLogsConfiguration  # type: ignore[override]

    # A quiet tenant is not a failure; a loop that makes no progress is one.
    seconds_without_events = 0
    last_heartbeat_threshold = 900

    backoff = Backoff()
    saved: SavedCheckpoint | None = None
    reporter: Reporter | None = None

    def run(self) -> None:
        """Collect until the connector is stopped, or until another instance takes the state over."""
        account, configuration = cast(CyberArkModuleConfiguration, self.module.configuration), self.configuration
        mask(account.password, account.credentials, configuration.api_key, configuration.intake_key)
        for correction in (*account.corrections, *configuration.corrections):
            self.log(correction, level="warning")
        api = AuditApi(self.http, account, configuration)
        loop = self._wired(api)
        while self.running:
            try:
                self._collect(api, loop)
            except StateTaken:
                self.log(
                    "Another instance of this connector has taken over its state. This instance sends nothing more "
                    "and stops. Run one connector for each CyberArk tenant.",
                    level="error",
                )
                self.stop()
            except Exception as error:  # a defect of ours must neither end collection nor spin
                self.log_exception(error, message="Unexpected error; collection continues")
                self.context.wait_for((), self.backoff.longest)

    def beat(self) -> None:
        """Show that the connector is alive, and how far behind it is."""
        super().beat()
        if self.reporter is not None:
            self.put_events_lag(self.configuration.intake_key, self.reporter.lag_s())

    def _collect(self, api: AuditApi, loop: Loop) -> None:
        try:
            if not loop.saved.is_loaded:
                rejected = loop.saved.load(lambda: api.tokens.token().tenant_id, self.configuration.start_time)
                loop.delivery.push(rejected, lambda _: None)
                loop.saved.commit(loop.queries.resumed(loop.saved.value), write=False)
            loop.run()
        except Stopping:
            is_saved = not loop.saved.is_loaded or loop.saved.save_last(self.context.remaining_s(LAST_WRITE_WITHIN_S))
            self.log(SAVED if is_saved else UNSAVED, level="info" if is_saved else "error")

    def _wired(self, api: AuditApi) -> Loop:
        configuration, context, backoff = self.configuration, self.context, self.backoff
        intake_key = configuration.intake_key
        filters = {
            "applicationCode": configuration.filter_applications,
            "auditType": configuration.filter_audit_types,
            "action": configuration.filter_actions,
        }
        digest = blake2b(f"{configuration.api_base_url} {filters}".encode(), digest_size=8).hexdigest()
        self.reporter = reporter = Reporter(self.log, context.clock, intake_key, self.allow_critical_again)
        self.saved = saved = SavedCheckpoint(CheckpointStore(self.data_path), context, reporter, backoff)
        limiter = RateLimiter(context.monotonic)
        open_query = partial(api.open_query, filters=filters)
        queries = Queries(open_query, configuration.frequency, digest, context, backoff)
        pages = Pages(api.fetch, context, limiter, backoff)
        failures = Failures(context, queries, pages, limiter, reporter, context.monotonic() + SOON_S)
        forwarded = partial(self.count_forwarded, intake_key)
        delivery = Delivery(self.make_intake(), context, reporter, forwarded, saved.save)
        return Loop(context, saved, queries, pages, limiter, failures, delivery)
