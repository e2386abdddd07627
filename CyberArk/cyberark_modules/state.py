"""The checkpoint in memory and its store: adopted at once, stored when it can be."""

import time
from collections.abc import Callable
from datetime import timedelta

from . import metrics
from ._old_checkpoint import Checkpoint
from .client.retry import RetryPolicy
from .errors import StateUnreadable, StateUnwritable
from .report import Report
from .store import CheckpointStore

_UNSTORED = "The state cannot be written: if the connector is restarted now, what it delivered since comes twice"
_UNKNOWN = "The state is there but cannot be read; nothing is collected until it can be"


class State:
    """Holds the current checkpoint. While it cannot be stored collection goes on, and storing is tried again later.

    Waiting for a disk would delay every detection; what a restart would then send twice is bounded by what was
    delivered since the last write.
    """

    def __init__(
        self, store: CheckpointStore, report: Report, retry: RetryPolicy, monotonic: Callable[[], float]
    ) -> None:
        self.checkpoint: Checkpoint
        self.is_loaded = False
        self._store = store
        self._report = report
        self._retry = retry
        self._monotonic = monotonic
        self._is_stored = True
        self._due = float("-inf")
        self._failures = 0

    def load(self, now_ms: int, start_time: timedelta, overlap: timedelta) -> float:
        """Load the checkpoint; return 0, or the pause (s) after which to try again."""
        try:
            self.checkpoint, note = self._store.load(now_ms, start_time, overlap)
        except StateUnreadable as error:
            self._failures += 1
            self._report.state_unwell(error, _UNKNOWN)
            return self._retry.pause(error, self._failures)
        self._failures = 0
        self.is_loaded = True
        self._report.well("state")
        self._report.loaded(self.checkpoint, note)
        return 0.0

    def adopt(self, checkpoint: Checkpoint, is_new: bool = True, and_copy: bool = False) -> None:
        """Go on with that checkpoint, and store it if it `is_new`: one that has brought nothing costs no write."""
        self.checkpoint = checkpoint
        if is_new:
            self._is_stored = False
            self._save(and_copy)

    def retry(self) -> None:
        """Store what could not be stored before, once its pause is over."""
        if not self._is_stored:
            self._save()

    def save_last(self) -> bool:
        """Store what is not stored yet, pause or not, for the process ends; return whether all is stored."""
        if not self._is_stored:
            self._due = float("-inf")
            self._save()
        return self._is_stored

    def _save(self, and_copy: bool = False) -> None:
        if self._monotonic() < self._due:
            return
        started, outcome = time.monotonic(), "error"
        try:
            size = self._store.save(self.checkpoint, and_copy)
            outcome = "written"
        except StateUnwritable as error:
            self._failures += 1
            self._due = self._monotonic() + self._retry.pause(error, self._failures)
            self._report.state_unwell(error, _UNSTORED)
        else:
            metrics.STATE_BYTES.set(size)
            self._is_stored, self._failures = True, 0
            self._report.well("state")
        finally:
            metrics.STATE_WRITES.labels(outcome=outcome).observe(time.monotonic() - started)
