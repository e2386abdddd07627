"""The checkpoint of this process: loaded at its start, committed after each delivery, saved in the background."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ..checkpoint.encoding import encode, first_run, open_checkpoint
from ..checkpoint.store import CheckpointStore
from ..checkpoint.value import MINUTE_MS, RETENTION_MARGIN_MS, RETENTION_MS, Checkpoint
from ..context import Context
from ..errors import Backoff, CyberArkError, StorageFailed
from ..events import Event
from ..telemetry import metrics, utc_text
from ..telemetry.reporter import Reporter

T = TypeVar("T")
_UNSAVED = (
    "The state cannot be saved. Collection continues; if the connector restarts before the state is saved, it sends "
    "again what it delivered since the last save"
)
_UNREADABLE = "The state cannot be read. Nothing is collected until it can be read"
# What was delivered is saved before more is pushed, unless the write takes longer: then nothing waits for writes.
SAVED_WITHIN_S = 4.0


@dataclass
class SavedCheckpoint:
    """Holds the checkpoint. While it cannot be saved, collection goes on, and saving is tried again.

    There is one write at a time. While writes fail, or take long, nothing waits for them.
    """

    _store: CheckpointStore
    _context: Context
    _reporter: Reporter
    _backoff: Backoff
    value: Checkpoint = field(init=False)
    is_loaded: bool = False
    _writing: Future[None] | None = None
    _is_saved: bool = True  # by the write in flight, if there is one
    _is_backup_due: bool = False
    _waits_for_writes: bool = True
    _began: float = 0.0
    _due: float = float("-inf")
    _failures: int = 0

    def load(self, authenticate: Callable[[], str], start_time_h: int) -> tuple[Event, ...]:
        """Load what was saved, once the service's time is known, by which it is judged. Raises Stopping.

        `authenticate` returns the tenant, `start_time_h` is the initial lookback (hours). Return the events that an
        earlier edition held because the intake had rejected them: they are pushed once more.
        """
        tenant_id, saved = self._retried(authenticate), self._retried(self._store.load)
        self._reporter.recovered("checkpoint")
        now_ms = self._context.earlier_ms()
        oldest_ms = now_ms - RETENTION_MS + 5 * RETENTION_MARGIN_MS
        start_ms = max(oldest_ms, now_ms - start_time_h * 60 * MINUTE_MS)
        opened = open_checkpoint(*saved, now_ms, start_ms, oldest_ms)
        if opened.warning:
            self._reporter.log(opened.warning, "warning")
        checkpoint, is_first = opened.checkpoint, opened.is_first
        if checkpoint.tenant_id and tenant_id and checkpoint.tenant_id != tenant_id:
            self._reporter.log(
                f"The account belongs to tenant {tenant_id}, the saved state to tenant {checkpoint.tenant_id}. A new "
                "collection starts; the field Initial lookback (hours) sets how far back.",
                "warning",
            )
            checkpoint, is_first = replace(first_run(start_ms), queried_ms=checkpoint.queried_ms), True
        self.value, self.is_loaded = replace(checkpoint, tenant_id=tenant_id or checkpoint.tenant_id), True
        verb, since_ms = "Starting" if is_first else "Resuming", self.value.first_unread_ms
        self._reporter.log(f"{verb} collection for tenant {tenant_id or 'unknown'}, from {utc_text(since_ms)}", "info")
        return tuple(Event(text, text.encode("utf-8", "replace"), None, None) for text in opened.rejected)

    def _retried(self, call: Callable[[], T]) -> T:
        """Make a call until it succeeds. Raises Stopping."""
        failures = 0
        while True:
            try:
                return self._context.finish(call)
            except (CyberArkError, StorageFailed) as error:
                failures += 1
                pause_s = self._backoff.pause(error, failures)
                if isinstance(error, CyberArkError):
                    self._reporter.failed("collection", error)
                else:
                    self._reporter.checkpoint_failed(error, _UNREADABLE)
            self._context.wait(pause_s)

    def commit(self, checkpoint: Checkpoint, *, write: bool = True, backup: bool = False) -> None:
        """Go on with that checkpoint. `write` saves it: it is left out where a restart would miss nothing.

        `backup` is for the second copy too. Raises StateTaken when another instance has claimed the state.
        """
        self.value = checkpoint
        if write:
            self._is_saved = False
            self._is_backup_due |= backup
            self.save(SAVED_WITHIN_S)

    def save_last(self, within_s: float) -> bool:
        """Save what is not saved yet, because the process ends; return whether everything is. Raises as `commit`."""
        end = self._context.monotonic() + within_s
        for _ in range(2):  # a write that is in flight, and one of what is newer or was not written
            if self._writing is None and not self._is_saved:
                self._write()
            if self._writing is not None:
                with suppress(Exception):  # raised, or reported, by the call below
                    self._writing.result(max(0.0, end - self._context.monotonic()))
                self._settle(0.0)
        return self._is_saved and self._writing is None

    def save(self, seconds: float = 0.0) -> None:
        """Save what is not saved yet, once a pause is over, and wait that long for it. Raises as `commit`."""
        if self._settle(seconds) and not self._is_saved and self._context.monotonic() >= self._due:
            self._write()
            self._settle(seconds)

    def _write(self) -> None:
        content, backup = encode(self.value), self._is_backup_due

        def write() -> None:
            started, outcome = time.monotonic(), "error"
            try:
                self._store.save(content, backup)
                outcome = "written"
            finally:
                metrics.CHECKPOINT_WRITES.labels(outcome=outcome).observe(time.monotonic() - started)

        self._is_saved, self._is_backup_due, self._began = True, False, self._context.monotonic()
        self._writing = self._context.submit(write)

    def _settle(self, seconds: float) -> bool:
        """Wait that long for the write in flight, unless writes fail or take long; return whether there is none."""
        if self._writing is None:
            return True
        wait_s = seconds if self._waits_for_writes else 0.0
        is_done = self._writing.done() or (wait_s > 0 and self._context.wait_for((self._writing,), wait_s))
        is_late = self._context.monotonic() >= self._began + SAVED_WITHIN_S
        if not is_done:
            if self._waits_for_writes and is_late:
                self._waits_for_writes = False
                self._reporter.checkpoint_failed(StorageFailed("the storage does not answer"), _UNSAVED)
            return False
        writing, self._writing, self._waits_for_writes = self._writing, None, False
        try:
            writing.result(0)
        except StorageFailed as error:
            self._is_saved, self._is_backup_due = False, True
            self._failures += 1
            self._due = self._context.monotonic() + self._backoff.pause(error, self._failures)
            self._reporter.checkpoint_failed(error, _UNSAVED)
        else:
            self._failures, self._waits_for_writes = 0, not is_late
            if self._waits_for_writes:
                self._reporter.recovered("checkpoint")
        return True
