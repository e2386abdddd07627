"""The start of a run: the tenant's time, the state, and which parts of it are still valid."""

from dataclasses import replace
from typing import Protocol

from ..audit_api.backoff import Backoff
from ..checkpoint.stream import Use
from ..checkpoint.value import Checkpoint, first_run
from ..errors import CyberArkError
from ..platform.stop import Stopping
from ..telemetry.reporter import Reporter, moment
from .closing import closed
from .queries import Queries
from .state import State
from .surroundings import LONGEST_WAIT_S, Surroundings

HOUR_MS = 3_600_000


class _Token(Protocol):
    @property
    def tenant_id(self) -> str: ...


class _Authenticates(Protocol):
    def authenticate(self) -> _Token: ...


class Resume:
    """Loads the state once the tenant's time is known, by which it is judged."""

    def __init__(
        self,
        api: _Authenticates,
        around: Surroundings,
        state: State,
        queries: Queries,
        reporter: Reporter,
        backoff: Backoff,
        query_key: str,
        start_time_h: int,
    ) -> None:
        self._api = api
        self._around = around
        self._state = state
        self._queries = queries
        self._reporter = reporter
        self._backoff = backoff
        self._query_key = query_key
        self._start_time_ms = start_time_h * HOUR_MS

    def load(self) -> None:
        """Load the state, unless it is loaded. Raises Stopping when the connector is to stop before that."""
        if self._state.is_loaded:
            return
        tenant_id = self._authenticated()
        while pause := self._state.load(self._around.now_ms(), self._around.now_ms() - self._start_time_ms):
            self._around.wait(pause)
        now_ms, checkpoint = self._around.now_ms(), self._state.checkpoint
        if checkpoint.tenant_id and tenant_id and checkpoint.tenant_id != tenant_id:
            self._reporter.warning(
                f"The account belongs to tenant {tenant_id}; the state belongs to tenant {checkpoint.tenant_id}. A "
                "new collection begins: the connector reads the history that the field History at the first run sets."
            )
            # What the intake has not accepted yet is still to be delivered.
            first = first_run(now_ms, now_ms - self._start_time_ms)
            checkpoint = replace(first, queried_ms=checkpoint.queried_ms, held=checkpoint.held)
        checkpoint = self._with_overlap(self._with_usable_cursors(checkpoint))
        checkpoint = replace(checkpoint, tenant_id=tenant_id or checkpoint.tenant_id)
        self._state.commit(checkpoint, write=False)
        self._queries.started(checkpoint.queried_ms, self._around.earliest_ms(), self._around.now_ms())
        self._reporter.info(
            f"Collection of tenant {checkpoint.tenant_id or 'unknown'} continues from "
            f"{moment(checkpoint.coverage.first_missing_ms)}"
        )

    def _authenticated(self) -> str:
        failures = 0
        while True:
            future = self._around.submit(self._api.authenticate)
            while not future.done():
                self._around.wait_for((future,), LONGEST_WAIT_S)
                if self._around.is_stopping():
                    raise Stopping
            try:
                return future.result(0).tenant_id
            except CyberArkError as error:
                failures += 1
                self._reporter.failed("collection", error)
                self._around.wait(self._backoff.pause(error, failures))

    def _with_usable_cursors(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return the checkpoint without cursors of another address, other filters or another page size."""
        if checkpoint.query_key == self._query_key:
            return checkpoint
        for stream in checkpoint.streams:
            checkpoint = closed(checkpoint, stream, self._around.overlap_ms, is_proven=False)
        return replace(checkpoint, query_key=self._query_key)

    def _with_overlap(self, checkpoint: Checkpoint) -> Checkpoint:
        """Where the overlap was raised, what may have arrived late by the new one is looked for again."""
        overlap_ms, known_ms = self._around.overlap_ms, checkpoint.overlap_ms
        checkpoint = replace(checkpoint, overlap_ms=overlap_ms)
        coverage = checkpoint.coverage
        if known_ms is None or overlap_ms <= known_ms:
            return checkpoint
        watermark_ms = coverage.watermark_ms - (overlap_ms - known_ms)
        # It is not known where the reading of the published connector (an overlap of 0) began.
        origin_ms = watermark_ms if known_ms == 0 else min(coverage.origin_ms, coverage.watermark_ms)
        coverage = replace(coverage, watermark_ms=max(watermark_ms, origin_ms), origin_ms=origin_ms)
        checkpoint = replace(checkpoint, coverage=coverage)
        # A lookback that is open began after what is to be read again; its end would move the watermark past it.
        lookback = checkpoint.stream(Use.LOOKBACK)
        return checkpoint.without_stream(lookback) if lookback else checkpoint
