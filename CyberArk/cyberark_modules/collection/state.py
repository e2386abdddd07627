"""The checkpoint in memory and its store: committed at once, stored when it can be."""

import time
from collections.abc import Callable

from ..audit_api.backoff import Backoff
from ..checkpoint.encoding import BadCheckpoint, NothingCollected, decode, encode
from ..checkpoint.store import CheckpointStore
from ..checkpoint.value import RETENTION_MS, SLACK_MS, Checkpoint, first_run, resume_from
from ..errors import StateUnreadable, StateUnwritable
from ..telemetry import metrics
from ..telemetry.reporter import Reporter, moment

_UNSTORED = "The state cannot be written. Collection goes on; a restart now would send again what was delivered since"
_UNKNOWN = "The state exists but cannot be read. Nothing is collected until it can be"


class State:
    """Holds the current checkpoint. While it cannot be stored, collection goes on and the write is retried."""

    def __init__(
        self, store: CheckpointStore, reporter: Reporter, backoff: Backoff, monotonic: Callable[[], float]
    ) -> None:
        self.checkpoint: Checkpoint
        self.is_loaded = False
        self._store = store
        self._reporter = reporter
        self._backoff = backoff
        self._monotonic = monotonic
        self._is_stored = True
        self._due = float("-inf")
        self._failures = 0

    def load(self, now_ms: int, start_ms: int) -> float:
        """Load the checkpoint; return 0, or the pause (s) after which to try again.

        `start_ms` is where a first run begins (the tenant's epoch ms).
        """
        try:
            stored = self._store.load()
        except StateUnreadable as error:
            self._failures += 1
            self._reporter.state_failed(error, _UNKNOWN)
            return self._backoff.pause(error, self._failures)
        self._failures = 0
        self.checkpoint = self._decoded(stored.content, stored.backup, now_ms, start_ms)
        self.is_loaded = True
        self._reporter.recovered("state")
        return 0.0

    def _decoded(self, content: bytes | None, backup: bytes | None, now_ms: int, start_ms: int) -> Checkpoint:
        if content is None and backup is None:
            return first_run(now_ms, start_ms)
        found = "The state is gone. "
        if content is not None:
            try:
                return decode(content, now_ms)
            except NothingCollected:
                return first_run(now_ms, start_ms)
            except BadCheckpoint as error:
                found = f"The stored state cannot be used ({error}); {self._set_aside(content)}. "
        try:
            checkpoint = decode(backup or b"", now_ms)
        except BadCheckpoint:
            self._reporter.error(
                f"{found}Everything that the Audit API still shows (7 days) is read again, so that nothing is lost; "
                "events that were delivered before are sent again."
            )
            return resume_from(now_ms - RETENTION_MS + SLACK_MS, now_ms)
        self._reporter.error(
            f"{found}Collection goes on from the backup, of {moment(checkpoint.position_ms)}; events that were "
            "delivered since are sent again."
        )
        return checkpoint

    def _set_aside(self, content: bytes) -> str:
        try:
            return f"a copy is kept as {self._store.set_aside(content)}"
        except StateUnwritable:
            return "no copy of it could be written"

    def commit(self, checkpoint: Checkpoint, *, write: bool = True, backup: bool = False) -> None:
        """Go on with that checkpoint, and store it unless it has brought nothing that a restart would miss.

        Raises StateTaken when another instance has taken the state.
        """
        self.checkpoint = checkpoint
        if write:
            self._is_stored = False
            self._save(backup)

    def check(self) -> None:
        """Raise StateTaken when another instance has taken the state, where that is known at once."""
        self._store.check()

    def retry(self) -> None:
        """Store what could not be stored before, once its pause is over. Raises as `commit` does."""
        if not self._is_stored:
            self._save()

    def save_last(self) -> bool:
        """Store what is not stored yet, because the process ends; return whether everything is stored."""
        if not self._is_stored:
            self._due = float("-inf")
            self._save()
        return self._is_stored

    def _save(self, backup: bool = False) -> None:
        if self._monotonic() < self._due:
            return
        started, outcome = time.monotonic(), "error"
        try:
            content = encode(self.checkpoint)
            self._store.save(content, backup)
            outcome = "written"
        except StateUnwritable as error:
            self._failures += 1
            self._due = self._monotonic() + self._backoff.pause(error, self._failures)
            self._reporter.state_failed(error, _UNSTORED)
        else:
            metrics.STATE_BYTES.set(len(content))
            self._is_stored, self._failures = True, 0
            self._reporter.recovered("state")
        finally:
            metrics.STATE_WRITES.labels(outcome=outcome).observe(time.monotonic() - started)
