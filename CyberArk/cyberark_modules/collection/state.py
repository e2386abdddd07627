"""The checkpoint in memory and its store: committed at once, stored when it can be."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from ..audit_api.backoff import Backoff
from ..checkpoint.encoding import BadCheckpoint, NothingCollected, decode, encode
from ..checkpoint.store import CheckpointStore
from ..checkpoint.value import Checkpoint, first_readable_ms, first_run, resume_from
from ..errors import StateUnreadable, StateUnwritable
from ..platform.background import Background
from ..telemetry import metrics
from ..telemetry.reporter import Reporter, moment

_UNSTORED = (
    "The state cannot be written. Collection continues; a restart now would send again the events delivered since its "
    "last write"
)
_SLOW = (
    "Writing the state takes long. Collection continues without waiting for it; a restart now would send again the "
    "events delivered since its last write"
)
_UNKNOWN = "The state exists but cannot be read. Nothing is collected until it can be read"
# What the intake has accepted is stored before more is pushed, and a query is stored before it is sent, unless the
# write takes longer: then the storage is slow, or hangs.
WRITE_WITHIN_S = 4.0
# For what else is stored, a hanging storage must not keep the next page waiting.
WRITE_SHORTLY_S = 0.5


@dataclass(frozen=True, slots=True)
class _Write:
    """A write in flight: its start (monotonic s), whether it includes the backup; its result is the seconds taken."""

    result: Future[float]
    began: float
    backup: bool


class State:
    """Holds the current checkpoint. While it cannot be stored, collection goes on and the write is retried.

    There is one write at a time, in the background. While writes fail, or take long, nothing waits for them.
    """

    def __init__(
        self,
        store: CheckpointStore,
        reporter: Reporter,
        backoff: Backoff,
        background: Background,
        monotonic: Callable[[], float],
    ) -> None:
        self.checkpoint: Checkpoint
        self.is_loaded = False
        self._store = store
        self._reporter = reporter
        self._backoff = backoff
        self._background = background
        self._monotonic = monotonic
        self._writing: _Write | None = None
        self._is_stored = True  # by the write in flight, if there is one
        self._is_backup_due = False
        self._is_slow = False
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
        found = "The state is missing. "
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
                f"{found}The connector reads again everything that the Audit API still shows (7 days), so that "
                "nothing is lost; events delivered before are sent again."
            )
            return resume_from(first_readable_ms(now_ms), now_ms)
        self._reporter.error(
            f"{found}Collection continues from the backup of {moment(checkpoint.position_ms)}; events delivered since "
            "then are sent again."
        )
        return checkpoint

    def _set_aside(self, content: bytes) -> str:
        try:
            return f"a copy is kept as {self._store.set_aside(content)}"
        except StateUnwritable:
            return "no copy of it could be written"

    def commit(
        self, checkpoint: Checkpoint, *, write: bool = True, backup: bool = False, delivered: bool = False
    ) -> None:
        """Go on with that checkpoint, and store it unless it has brought nothing that a restart would miss.

        `delivered` is for what the intake has accepted; `backup`, around a query, is for the backup too. Raises
        StateTaken when another instance has taken the state.
        """
        self.checkpoint = checkpoint
        if write:
            self._is_stored = False
            self._is_backup_due |= backup
            self._save(WRITE_WITHIN_S if delivered or backup else WRITE_SHORTLY_S)

    @property
    def futures(self) -> tuple[Future[float], ...]:
        """The write in flight, if there is one."""
        return () if self._writing is None else (self._writing.result,)

    def check(self) -> None:
        """Raise StateTaken when another instance has taken the state, where that is known at once."""
        if self._writing is None:  # else the write finds out
            self._store.check()

    def retry(self) -> None:
        """Store what could not be stored before, once its pause is over. Raises as `commit` does."""
        self._save(0.0)

    def save_last(self, within_s: float) -> bool:
        """Store what is not stored yet, because the process ends; return whether everything is stored.

        Raises as `commit` does.
        """
        end = self._monotonic() + within_s
        for _ in range(2):  # a write that is in flight, and one of what is newer or was not written
            if self._writing is None and not self._is_stored:
                self._write()
            if self._writing is not None:
                with suppress(Exception):  # raised, or reported, when it is settled
                    self._writing.result.result(max(0.0, end - self._monotonic()))
                self._settle(self._monotonic())
        return self._is_stored and self._writing is None

    def _save(self, seconds: float) -> None:
        is_free, end = self._writing is None, self._monotonic() + seconds
        if self._settle(end) and not self._is_stored and self._monotonic() >= self._due:
            write = self._write()
            # A write that has had all of its time is known to be slow, and is not waited for again.
            self._settle(write.began + seconds if is_free else end)

    def _write(self) -> _Write:
        content, backup, began = encode(self.checkpoint), self._is_backup_due, self._monotonic()

        def write() -> float:
            started, outcome = time.monotonic(), "error"
            try:
                self._store.save(content, backup)
                outcome = "written"
                metrics.STATE_BYTES.set(len(content))
            finally:
                metrics.STATE_WRITES.labels(outcome=outcome).observe(time.monotonic() - started)
            return self._monotonic() - began

        self._is_stored, self._is_backup_due = True, False
        self._writing = _Write(self._background.submit(write), began, backup)
        return self._writing

    def _settle(self, end: float) -> bool:
        """Wait until then for the write in flight, unless writes fail or take long; return whether there is none."""
        if self._writing is None:
            return True
        write, now = self._writing, self._monotonic()
        waits = not self._failures and not self._is_slow
        if not self._background.wait((write.result,), max(0.0, end - now) if waits else 0.0):
            if waits and self._monotonic() >= write.began + WRITE_WITHIN_S:
                self._is_slow = True
                error = StateUnwritable(f"no answer from the storage for {WRITE_WITHIN_S:.0f} s")
                self._reporter.state_failed(error, _SLOW)
            return False
        self._writing = None
        try:
            seconds = write.result.result()
        except StateUnwritable as error:
            self._is_stored = False
            self._is_backup_due |= write.backup
            self._failures += 1
            self._due = self._monotonic() + self._backoff.pause(error, self._failures)
            self._reporter.state_failed(error, _UNSTORED)
        else:
            self._failures = 0
            if seconds < WRITE_WITHIN_S:
                self._is_slow = False
                self._reporter.recovered("state")
        return True
