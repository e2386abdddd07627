"""Delivering: pushed until every event is accepted, or in the dead-letter file."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from ..context import Context
from ..events import Event
from ..intake import Intake
from ..telemetry.reporter import Reporter

RESEND_EVERY_S = 1.0
LOOKED_AT_EVERY_S = 30.0
# An intake that fails now and then has not recovered at each request that it accepts.
STEADY_S = 60.0


@dataclass
class Delivery:
    """Pushes events through the intake. `forwarded` is called after each push: accepted, too large, and seconds."""

    _intake: Intake
    _context: Context
    _reporter: Reporter
    _forwarded: Callable[[int, int, float], None]
    _retry_save: Callable[[], None]
    _resending: Future[None] | None = None
    _looked_at: float = -math.inf
    _failed_at: float = -math.inf

    def push(self, events: Sequence[Event], confirm: Callable[[Sequence[Event]], None]) -> None:
        """Push those events until all are done; `confirm` is called with each part, before the next one is tried.

        Raises Stopping when the connector is to stop before that.
        """
        remaining = tuple(events)
        while remaining:
            started = time.monotonic()
            outcome = self._context.finish(partial(self._intake.push, remaining))
            self._forwarded(outcome.accepted, len(outcome.too_large), time.monotonic() - started)
            self._reporter.pushed(len(outcome.done), outcome.accepted, outcome.too_large)
            if outcome.done:
                confirm(outcome.done)
            remaining = outcome.remaining
            if outcome.failure is not None:
                self._failed_at = self._context.monotonic()
                self._reporter.failed("delivery", outcome.failure)
            self.resend()
            if remaining:
                # What was delivered before an outage must not be sent again after a kill in it.
                self._retry_save()
                self._context.wait(outcome.pause_s)

    @property
    def wait_s(self) -> float:
        """In how many seconds dead letters are looked at again."""
        every_s = RESEND_EVERY_S if self._intake.dead_letters else LOOKED_AT_EVERY_S
        return max(0.0, self._looked_at + every_s - self._context.monotonic())

    def resend(self) -> None:
        """Have dead letters sent again that are due, in the background."""
        self._reporter.dead_letters(self._intake.dead_letters, self._intake.dead_letters_delivered)
        if self._context.monotonic() - STEADY_S > self._failed_at < self._intake.accepted_at:
            self._reporter.recovered("delivery")
        if self.wait_s > 0:
            return
        self._looked_at = self._context.monotonic()
        if self._resending is None or self._resending.done():
            self._resending = self._context.submit(self._intake.resend)
