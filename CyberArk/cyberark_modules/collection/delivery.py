"""Delivery: events are pushed until each is accepted, held, or too large for the intake."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from ..audit_api.backoff import Backoff
from ..audit_api.events import Event
from ..checkpoint.value import Checkpoint, Held
from ..errors import CyberArkError, Throttled
from ..intake import DeadLetter, DeadLetters, Intake, Isolated, Outcome
from ..platform.stop import Stopping
from ..telemetry import metrics
from ..telemetry.reporter import Reporter
from .surroundings import Surroundings

T = TypeVar("T")
# Held events are part of the state, which is written with every commit.
HELD_AT_MOST = 50
HELD_CHARACTERS_AT_MOST = 2_000_000
# While the dead-letter file is full or cannot be written, as much as fits in it is held; then everything waits.
HELD_WITHOUT_FILE_AT_MOST = 1000
HELD_WITHOUT_FILE_CHARACTERS_AT_MOST = 10_000_000
HELD_ATTEMPTS = 5
HELD_AT_LEAST_MS = 240_000
HELD_RETRY_S = 30.0
HELD_RETRY_LONGEST_S = 600.0
# Shorter than HELD_AT_LEAST_MS, so that an acceptance from before the event was held does not count.
OTHERS_WITHIN_S = 120.0
FILE_RETRY_S = 60.0
LETTERS_COUNTED_S = 60.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the pushed events: done (accepted, too large, or held), and those newly held."""

    done: tuple[Event, ...] = ()
    held: tuple[Held, ...] = ()


class Delivery:
    """Pushes events through the intake. `forwarded` is told of each push: accepted, too large, and seconds."""

    def __init__(
        self,
        around: Surroundings,
        intake: Intake,
        dead_letters: DeadLetters,
        reporter: Reporter,
        backoff: Backoff,
        monotonic: Callable[[], float],
        forwarded: Callable[[int, int, float], None],
        retry_state: Callable[[], None],
    ) -> None:
        self._around = around
        self._intake = intake
        self._dead_letters = dead_letters
        self._reporter = reporter
        self._backoff = backoff
        self._monotonic = monotonic
        self._forwarded = forwarded
        self._retry_state = retry_state
        self._held_due = self._tried_at = self._file_due = self._count_due = monotonic()
        self._counting: Future[None] | None = None

    def push(
        self, events: Sequence[Event], held: Sequence[Held], now_ms: int, confirm: Callable[[Delivered], None]
    ) -> None:
        """Push those events until all are done; `confirm` is told of each part, before the next one is tried.

        Raises Stopping when the connector is to stop before that.
        """
        remaining, failures, started = tuple(events), 0, time.monotonic()
        all_held = list(held)
        while remaining:
            outcome = self._push(remaining)
            self._report(outcome.too_large)
            newly_held, isolated = self._keep(outcome.isolated, all_held, now_ms)
            all_held.extend(newly_held)
            done = (*outcome.accepted, *outcome.too_large, *isolated)
            self._forwarded(len(outcome.accepted), len(outcome.too_large), time.monotonic() - started)
            # In the order of the page, so that two events of one uuid are done together or not at all.
            over = [each.event for each in outcome.isolated if each.event not in isolated]
            remaining = (*outcome.remaining, *over)
            if done:
                confirm(Delivered(done, newly_held))
            if not remaining:
                break
            if self._around.is_stopping():
                raise Stopping
            error = outcome.failure or (outcome.isolated[-1].failure if outcome.isolated else None)
            is_over_soon = (outcome.made_progress or outcome.in_doubt) and not isinstance(error, Throttled)
            failures = 0 if is_over_soon else failures + 1
            if error is not None:
                if not outcome.in_doubt:
                    self._reporter.failed("delivery", error)
                # What was delivered before the outage must not be sent again after a kill in it.
                self._retry_state()
                self._around.wait(1.0 if is_over_soon else self._backoff.pause(error, failures))
        if events:
            self._reporter.recovered("delivery")

    def _keep(
        self, isolated: Sequence[Isolated], held: Sequence[Held], now_ms: int
    ) -> tuple[tuple[Held, ...], list[Event]]:
        """Hold events refused alone, or set them aside; return those newly held, and all held or set aside."""
        newly_held: list[Held] = []
        kept: list[Event] = []
        for each in isolated:
            one = _held(each.event, each.failure, now_ms)
            characters = sum(len(other.text) for other in (*held, *newly_held, one))
            count = len(held) + len(newly_held) + 1
            if count > HELD_AT_MOST or characters > HELD_CHARACTERS_AT_MOST:
                if self._set_aside(one, now_ms):
                    kept.append(each.event)
                    continue
                if count > HELD_WITHOUT_FILE_AT_MOST or characters > HELD_WITHOUT_FILE_CHARACTERS_AT_MOST:
                    continue
            newly_held.append(one)
            kept.append(each.event)
            self._reporter.warning(
                f"The intake does not accept event {one.uuid or 'without uuid'} when it is sent alone "
                f"({_status(one)}). The event is held and retried, so that it delays no other event"
            )
        return tuple(newly_held), kept

    def _push(self, events: tuple[Event, ...]) -> Outcome:
        return self._finished(lambda: self._intake.push(events), len(events))

    def _finished(self, push: Callable[[], T], count: int) -> T:
        """Make a push of so many events. Raises Stopping when the connector has to stop before its end."""
        try:
            return self._around.finish(push)
        except Stopping:
            self._reporter.error(
                f"The connector must stop before the intake has answered: it is unknown whether {count} events "
                "were accepted. They are sent again."
            )
            raise

    def retry_held(self, checkpoint: Checkpoint, now_ms: int) -> Checkpoint:
        """Push the oldest held event alone, once it is due; return the checkpoint after that.

        After enough attempts over some minutes, it becomes a dead letter. Raises Stopping as `push` does.
        """
        metrics.HELD_EVENTS.set(len(checkpoint.held))
        self._count_letters()
        if not checkpoint.held or self._monotonic() < self._held_due:
            return checkpoint
        first, *others = checkpoint.held
        error = self._finished(lambda: self._intake.push_one(first.text), 1)
        since_last, self._tried_at = self._monotonic() - self._tried_at, self._monotonic()
        if error is None:
            self._held_due = self._monotonic()  # the intake may take the others as well
            self._forwarded(1, 0, 0.0)
            self._reporter.info(f"The intake has accepted event {first.uuid or 'without uuid'}, which was held")
            # It was not refused by itself: an intake that fails at random says nothing of the others either.
            return replace(checkpoint, held=tuple(replace(other, attempts=1) for other in others))
        # A refusal counts if others were accepted meanwhile: during an outage it says nothing.
        counts = self._intake.accepted_within(max(since_last, HELD_RETRY_S))
        again = replace(first, attempts=first.attempts + counts, status=error.failure.status or first.status)
        pause = min(HELD_RETRY_LONGEST_S, HELD_RETRY_S * 2 ** max(0, again.attempts - HELD_ATTEMPTS))
        if counts:
            pause = max(pause / len(checkpoint.held), HELD_RETRY_S / HELD_AT_MOST)
        self._held_due = self._monotonic() + pause
        if (
            again.attempts >= HELD_ATTEMPTS
            and now_ms - again.since_ms >= HELD_AT_LEAST_MS
            and self._intake.accepted_within(OTHERS_WITHIN_S)
            and self._set_aside(again, now_ms)
        ):
            return replace(checkpoint, held=tuple(others))
        return replace(checkpoint, held=(*others, again))

    def _set_aside(self, held: Held, now_ms: int) -> bool:
        """Write a dead letter; return whether it is stored. A file that takes none is left alone for a while."""
        if self._monotonic() < self._file_due:
            return False
        if not self._dead_letters.append(DeadLetter(held.text, held.uuid, held.status or None, now_ms)):
            self._file_due = self._monotonic() + FILE_RETRY_S
            self._reporter.dead_letters_failed()
            return False
        self._reporter.recovered("dead letters")
        metrics.EVENTS.labels(outcome="dead_letter").inc()
        self._count_due = self._monotonic()
        self._reporter.error(
            f"The intake refused event {held.uuid or 'without uuid'} ({_status(held)}, attempts: {held.attempts}) "
            "while it accepted others. The event is now in the dead-letter file dead_letters.jsonl, next to the "
            "state; the manual says how to send it again."
        )
        return True

    def _count_letters(self) -> None:
        """Show how many letters the file holds, in the background: a person may have emptied it."""
        if self._monotonic() < self._count_due or (self._counting is not None and not self._counting.done()):
            return

        def count() -> None:
            if (letters := self._dead_letters.count()) is not None:
                metrics.DEAD_LETTERS.set(letters)

        self._count_due = self._monotonic() + LETTERS_COUNTED_S
        self._counting = self._around.submit(count)

    def held_wait_s(self, checkpoint: Checkpoint) -> float:
        """Return in how many seconds a held event is due; infinity without one."""
        return max(0.0, self._held_due - self._monotonic()) if checkpoint.held else math.inf

    def _report(self, too_large: Sequence[Event]) -> None:
        for event in too_large:
            metrics.EVENTS.labels(outcome="too_large").inc()
            self._reporter.error(
                f"Event {event.uuid or 'without uuid'} ({len(event.text)} characters) is larger than the intake "
                "accepts (250000 characters). The connector does not send it"
            )


def _held(event: Event, error: CyberArkError, now_ms: int) -> Held:
    return Held(event.text, event.uuid, error.failure.status or 0, now_ms)


def _status(held: Held) -> str:
    return f"HTTP {held.status}" if held.status else "no answer"
