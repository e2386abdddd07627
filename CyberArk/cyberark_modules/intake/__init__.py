"""Pushing events to the Sekoia intake; what keeps failing goes to the dead-letter file.

What is in the file is sent again until the intake takes it: in parts where it fails, until a rejected event is alone.
A wrong verdict costs minutes: nothing needs a person.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson  # several times cheaper than the standard library
from sekoia_automation.constants import EVENT_BYTES_MAX_SIZE

from ..errors import CyberArkError, Failure, FailureKind, Service, Throttled, TransientError
from ..events import Event
from ..http import Http
from .dead_letters import DeadLetters, Part
from .pace import FAILURES_AT_MOST, Pace

ENDPOINT = "/batch"
# A push holds this many events at most after a failure, and half as many after a 413 for this long (s); a 413 to few
# events is about one of them.
BLOCK_EVENTS, FEW_EVENTS, LIMIT_S = 200, 20, 3600.0
# An event that failed alone is sent again after this long (s), and one that is known to be rejected.
RETRY_S, REJECTED_RETRY_S = 5.0, 540.0
RESENDS_AT_ONCE = 4  # parts of the file each second: what is new comes first


@dataclass(frozen=True)
class Outcome:
    """What became of a push. Push `remaining` again after `pause_s`.

    `done`: accepted, too large, or saved in the dead-letter file. `failure` is set once several requests failed.
    """

    done: tuple[Event, ...]
    remaining: tuple[Event, ...]
    accepted: int
    too_large: tuple[Event, ...]
    failure: CyberArkError | None
    pause_s: float


class Intake:
    """The intake. `push` and `resend` block, and raise nothing: call them in the background, each once at a time.

    `sdk_push` is the connector's `push_events_to_intakes`, whose requests come back through `send_chunk`. Resends do
    not use it: one that hangs must not hold a push. `target` gives the address and the intake key, `report` logs an
    error.
    """

    def __init__(
        self,
        sdk_push: Callable[[list[Any]], Any],
        http: Http,
        target: Callable[[], tuple[str, str]],
        folder: Path,
        report: Callable[[str], None],
    ) -> None:
        self._sdk_push, self._http, self._target = sdk_push, http, target
        self._report, self._monotonic = report, http.clock.monotonic
        self._letters = DeadLetters(folder, http, report)
        self._pushes, self._resends = Pace(), Pace()
        self._accepted, self._failed = set[str](), list[tuple[int, CyberArkError]]()  # the receipts of a push
        # After as many failures of pushes a block goes to the file, the next one after twice as many: eight in a day.
        self._patience = FAILURES_AT_MOST
        self._limit, self._limit_until = 0, 0.0  # of the events in a request
        self.accepted_at = float("-inf")
        self.dead_letters_delivered = 0

    @property
    def dead_letters(self) -> int:
        """How many events the dead-letter file holds."""
        return len(self._letters.lines)

    def push(self, events: Sequence[Event]) -> Outcome:
        """Push those events once. Waits for no retry."""
        self._letters.load()
        begun_at = self._monotonic()
        in_file = self._letters.lines  # these are sent from there: a kill came between that and the commit
        too_large = tuple(event for event in events if len(event.text) > EVENT_BYTES_MAX_SIZE)
        pending = [event for event in events if event.text not in in_file and event not in too_large]
        accepted, failed = self._accepted, self._failed = set[str](), list[tuple[int, CyberArkError]]()
        if pending and begun_at >= self._pushes.next_at:
            with suppress(Exception):  # its executor is closed: what has no receipt was not accepted
                self._sdk_push([event.text for event in self._choose(pending)])
        if accepted:
            took_s = 0.0 if failed else self._monotonic() - begun_at  # a silence shows nothing of what is slow
            self._pushes.accepted(took_s)
            self._note_accepted(took_s)
            pending = [event for event in pending if event.text not in accepted]
        for count, error in failed[:1]:
            self._pushes.failed(error, self._monotonic())
            is_over = self._pushes.failures >= self._patience and not isinstance(error, Throttled)
            if error.failure.status == 413 and count > FEW_EVENTS:
                self._limit, self._limit_until = max(FEW_EVENTS, count // 2), begun_at + LIMIT_S
            elif is_over and self._letters.add(pending[:BLOCK_EVENTS], error.failure.status):
                self._patience *= 2
                pending = pending[BLOCK_EVENTS:]
        self._accepted = set()  # it holds the texts of a whole page
        remaining = {event.text for event in pending}
        return Outcome(
            done=tuple(event for event in events if event.text not in remaining),
            remaining=tuple(pending),
            accepted=len(accepted),
            too_large=too_large,
            failure=failed[0][1] if failed and self._pushes.failures > FAILURES_AT_MOST else None,
            pause_s=max(0.0, self._pushes.next_at - self._monotonic()) if remaining else 0.0,
        )

    def send_chunk(self, chunk: list[Any]) -> None:
        """Send one request of the SDK, in one of its threads, and keep the receipt."""
        accepted, failed = self._accepted, self._failed
        try:
            send(self._http, *self._target(), chunk, self._pushes.deadline_s)
            accepted.update(chunk)
        except CyberArkError as error:
            failed.append((len(chunk), error))

    def resend(self) -> None:
        """Send parts of the dead-letter file again that are due, until one fails. Call it every second."""
        self._letters.load()
        if not self._letters.is_saved:
            self._letters.remove(())
        now = self._monotonic()
        due = [part for part in self._letters.parts if max(part.due_at, self._resends.next_at) <= now]
        for part in sorted(due, key=lambda part: (part.failures, -len(part.texts)))[:RESENDS_AT_ONCE]:
            begun_at = self._monotonic()
            self._letters.parts.remove(part)
            try:
                send(self._http, *self._target(), part.texts, self._resends.deadline_s)
            except CyberArkError as error:
                self._retry(part, error, begun_at)
                return
            self._note_accepted(self._monotonic() - begun_at)
            self._letters.remove(set(part.texts))
            self.dead_letters_delivered += len(part.texts)

    def _choose(self, pending: list[Event]) -> list[Event]:
        """Return what is pushed next: after a failure a block; while that may not go to the file, others."""
        failures = self._pushes.failures
        limit = self._limit if self._monotonic() < self._limit_until else len(pending)
        block = pending[: min(limit, BLOCK_EVENTS)]
        if failures < FAILURES_AT_MOST:
            return block if failures else pending[:limit]
        others = pending[len(block) :] or block
        start = failures % len(others)
        return others[start : start + (len(block) if self._letters.fault else 1)]

    def _retry(self, part: Part, error: CyberArkError, begun_at: float) -> None:
        """Decide when a part that failed is sent again, and in which parts."""
        now, is_alone, is_throttled = self._monotonic(), len(part.texts) == 1, isinstance(error, Throttled)
        if not is_throttled and (self.accepted_at > part.since or not is_alone):
            part.failures += 1
            if is_alone and part.failures == FAILURES_AT_MOST:
                uuid = json.loads(self._letters.lines[part.texts[0]]).get("uuid")
                seen = f"HTTP {error.failure.status}" if error.failure.status else error.failure.kind
                self._report(
                    f"The intake rejected event {uuid} ({seen}). It is in the dead-letter file and is sent again "
                    "automatically; other events are not delayed."
                )
        is_known = is_alone and part.failures >= FAILURES_AT_MOST
        if not is_known:  # or it would say something about the intake
            self._resends.failed(error, now)
        if is_alone or is_throttled or self._resends.failures > FAILURES_AT_MOST:
            part.due_at = begun_at + REJECTED_RETRY_S if is_known else now + RETRY_S
            self._letters.parts.append(part)
        else:
            self._letters.cut(part.texts)

    def _note_accepted(self, took_s: float) -> None:
        self.accepted_at, self._patience = self._monotonic(), FAILURES_AT_MOST
        self._resends.accepted(took_s)


def send(http: Http, url: str, intake_key: str, texts: Sequence[str], deadline_s: float) -> None:
    """Send those events in one request. Raises CyberArkError only, unless the intake has accepted them."""
    # The User-Agent of the SDK (connector/__init__.py:112).
    headers = {"Content-Type": "application/json", "User-Agent": f"sekoiaio-connector-{intake_key}"}
    try:
        body = orjson.dumps({"intake_key": intake_key, "jsons": list(texts)})
        answer = http.post(Service.INTAKE, url, ENDPOINT, headers, body, deadline_s)
        failed = answer.unusable()  # a block page, a proxy, a web site
        receipt = answer.json()
        if not receipt or isinstance(receipt.get("event_ids"), list):
            return
    except CyberArkError as error:
        if error.failure.status not in (200, 204):
            raise
    except Exception:  # whatever went wrong, the events were not accepted
        failed = TransientError(Failure(Service.INTAKE, FailureKind.CONNECTION, endpoint=ENDPOINT))
    raise failed  # out of the handler: the library's error may hold the request, and so the intake key
