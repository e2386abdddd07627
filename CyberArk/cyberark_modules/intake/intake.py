"""Pushing events; a request that keeps failing goes to the dead-letter file as a whole.

What is in the file is sent again until the intake takes it: in parts where it fails, until a rejected event is alone.
A wrong verdict costs minutes: nothing needs a person.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from sekoia_automation.constants import EVENT_BYTES_MAX_SIZE

from ..clock import Clock
from ..errors import CyberArkError, FailureKind, Throttled
from ..events import Event
from ..http import Http
from .dead_letters import DeadLetters, Part, smaller, uuid_of
from .request import Outcome, Pace, send

# A request fails this often before it goes to the file, and holds at most so many events then.
FAILURES_AT_MOST, BLOCK_EVENTS = 3, 200
# While nothing is accepted, the second one goes there this long (s) after the first, the third twice as long after the
# second, …: a day's outage puts fifteen there.
FIRST_HOLD_S = 3.0
# A limit on the size of requests is believed for this long (s); a 413 to fewer events than this is about one of them.
LIMIT_S, LIMITED_EVENTS = 3600.0, 20
# What a start finds in the file is sent after this long (s), an event that failed alone after five seconds, ten, … ten
# minutes. It is logged once it has failed this often.
RESEND_AFTER_S, RETRY_S, LONGEST_RETRY_S, FAILURES_ALONE = 10.0, 5.0, 600.0, 3
# After this many failures in a row the intake is down, whatever the parts hold: they are not cut any more.
OUTAGE = 12


class Report(Protocol):
    """Where is said what fails; see telemetry."""

    def error(self, text: str) -> None: ...
    def failed(self, what: str, error: CyberArkError) -> None: ...
    def recovered(self, what: str) -> bool: ...


class Intake:
    """The intake. `push` and `resend` block, and raise nothing: call them in the background, each once at a time.

    `sdk_push` is the connector's `push_events_to_intakes`, whose requests come back through `send_chunk`. Resends do
    not use it: one that hangs must not hold a push. `target` gives the address and the intake key.
    """

    def __init__(
        self,
        sdk_push: Callable[[list[Any]], Any],
        http: Callable[[], Http],
        target: Callable[[], tuple[str, str]],
        folder: Path,
        report: Report,
        clock: Clock,
    ) -> None:
        self._sdk_push, self._http, self._target = sdk_push, http, target
        self._report, self._monotonic = report, clock.monotonic
        self._pushes, self._resends = Pace(), Pace()
        self._letters = DeadLetters(folder, http)
        self._fault = ""  # of the file
        self._parts: list[Part] = []
        self._accepted_at = float("-inf")
        self._accepted, self._failed = set[str](), list[tuple[list[str], CyberArkError]]()  # the receipts of a push
        self._first, self._failures = "", 0  # how often the block that begins with this text has failed
        self._hold_s = self._hold_until = self._limit_until = 0.0
        self._limit = 0  # of the events in a request
        self.dead_letters_delivered = 0

    @property
    def dead_letters(self) -> int:
        """How many events the dead-letter file holds."""
        return len(self._letters.lines)

    def push(self, events: Sequence[Event]) -> Outcome:
        """Push those events once. Waits for no retry."""
        self._load()
        # What is in the file is sent from there: a kill came between that and the commit.
        new = [event for event in events if event.text not in self._letters.lines]
        rest = [event for event in new if len(event.text) <= EVENT_BYTES_MAX_SIZE]
        accepted, failed = self._accepted, self._failed = set[str](), list[tuple[list[str], CyberArkError]]()
        is_sent = bool(rest) and self._monotonic() >= self._pushes.next_at
        dead = self._push([event.text for event in rest]) if is_sent else []
        settled = accepted.union(dead)
        remaining = {event.text: event for event in rest if event.text not in settled}
        return Outcome(
            done=tuple(event for event in events if event.text not in remaining),
            remaining=tuple(remaining.values()),
            accepted=len(accepted),
            too_large=len(new) - len(rest),
            dead_letters=len(dead),
            failure=failed[0][1] if remaining and failed and self._pushes.failures > FAILURES_AT_MOST else None,
            pause_s=max(0.0, self._pushes.next_at - self._monotonic()) if remaining else 0.0,
        )

    def resend(self) -> None:
        """Send the parts of the dead-letter file again that are due, until one fails."""
        self._load()
        if not self._letters.is_saved:
            self._letters.remove(())
        while due := [part for part in self._parts if max(part.due_at, self._resends.next_at) <= self._monotonic()]:
            part, begun_at = min(due, key=Part.order), self._monotonic()
            try:
                send(self._http(), *self._target(), part.texts, self._resends.deadline_s)
            except CyberArkError as error:
                self._retry(part, error)
                return
            self._note_accepted(begun_at)
            self._parts.remove(part)
            self._letters.remove(set(part.texts))
            self.dead_letters_delivered += len(part.texts)
            self._report.recovered("delivery")

    def send_chunk(self, chunk: list[Any]) -> None:
        """Send one request of the SDK, in one of its threads, and keep the receipt."""
        accepted, failed = self._accepted, self._failed
        try:
            send(self._http(), *self._target(), chunk, self._pushes.deadline_s)
            accepted.update(chunk)
        except CyberArkError as error:
            failed.append((chunk, error))

    def _push(self, texts: list[str]) -> list[str]:
        """Push some of the texts, and judge; return those that went to the dead-letter file."""
        begun_at = self._monotonic()
        limit = self._limit if begun_at < self._limit_until else len(texts)
        block = texts[: min(BLOCK_EVENTS, limit)]
        if block[0] != self._first:
            self._first, self._failures = block[0], 0
        chosen = block if self._pushes.failures else texts[:limit]
        if is_probe := self._pushes.failures > 0 and self._failures >= FAILURES_AT_MOST:
            # Another event is enough to ask whether it is the intake that fails.
            others = texts[len(block) :] or block
            start = self._pushes.failures % len(others)
            chosen = others[start : start + (BLOCK_EVENTS if self._fault else 1)]
        with suppress(Exception):  # its executor is closed: what has no receipt was not accepted
            self._sdk_push(chosen)
        if self._accepted:
            self._note_accepted(begun_at)
            self._failures -= is_probe
        for failed, error in self._failed:
            if error.failure.status == 413 and len(failed) >= LIMITED_EVENTS:
                self._limit, self._limit_until = len(failed) // 2, begun_at + LIMIT_S
            elif failed[0] == block[0] and len(failed) <= len(block) and not isinstance(error, Throttled):
                # One silence is enough: it takes longer than three other failures.
                self._failures += FAILURES_AT_MOST if error.failure.kind is FailureKind.TIMEOUT else 1
        for _, error in self._failed[:1]:
            self._note_failed(self._pushes, error)
            if self._failures >= FAILURES_AT_MOST and self._monotonic() >= self._hold_until:
                return self._quarantine([text for text in block if text not in self._accepted], error)
        return []

    def _quarantine(self, block: list[str], error: CyberArkError) -> list[str]:
        """Put a request into the dead-letter file; return its texts if they are there for good."""
        fault, before = self._letters.add(block, error.failure.status), self._fault
        self._fault = fault
        if not fault:
            self._hold_s = max(FIRST_HOLD_S, 2 * self._hold_s)
            self._hold_until = self._monotonic() + self._hold_s
            self._add_parts(block, smaller(block, error), self._monotonic())
            return block
        if fault != before:
            self._report.error(
                f"The dead-letter file {fault}. Until it takes events again, those that the intake rejects are kept "
                "and pushed again, and may delay others; nothing is lost."
            )
        return []

    def _retry(self, part: Part, error: CyberArkError) -> None:
        """Decide when a part that failed is sent again, and in which parts."""
        is_alone = len(part.texts) == 1
        if is_alone and self._accepted_at > part.since:
            part.failures += 1
            if part.failures == FAILURES_ALONE:
                seen = f"HTTP {error.failure.status}" if error.failure.status else error.failure.kind
                self._report.error(
                    f"The intake rejected event {uuid_of(part.texts[0])} ({seen}). It is in the dead-letter file and "
                    "is sent again automatically; other events are not delayed."
                )
        # An event that is known to be rejected says nothing new about the intake.
        if part.failures < FAILURES_ALONE or isinstance(error, Throttled):
            self._note_failed(self._resends, error)
        was_due_at, part.due_at = part.due_at, self._monotonic()
        if is_alone:
            part.due_at += min(LONGEST_RETRY_S, RETRY_S * 2.0 ** min(part.failures, 10))
        elif self._resends.failures > OUTAGE:
            self._report.failed("delivery", error)
        elif not isinstance(error, Throttled):
            self._parts.remove(part)
            self._add_parts(part.texts, smaller(part.texts, error), was_due_at)

    def _load(self) -> None:
        self._add_parts(self._letters.load(), BLOCK_EVENTS, self._monotonic() + RESEND_AFTER_S)

    def _add_parts(self, texts: Sequence[str], size: int, due_at: float) -> None:
        # In front: parts of a part are sent before what has been due for as long as they have.
        parts = [Part(texts[at : at + size], self._monotonic(), due_at) for at in range(0, len(texts), size)]
        self._parts[:0] = parts

    def _note_accepted(self, begun_at: float) -> None:
        self._accepted_at, self._hold_s, self._hold_until = self._monotonic(), 0.0, 0.0
        for pace in (self._pushes, self._resends):
            pace.accepted(self._accepted_at - begun_at)

    def _note_failed(self, pace: Pace, error: CyberArkError) -> None:
        now = self._monotonic()
        asked_s = pace.failed(error, now)
        self._pushes.next_at = max(self._pushes.next_at, now + asked_s)
        # In an outage, halfway between two pushes: together they make one request a minute.
        self._resends.next_at = max(self._resends.next_at, now + asked_s, (now + self._pushes.next_at) / 2)
