"""Pushing events, and halving what keeps being refused while other requests pass."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sekoia_automation.constants import EVENT_BYTES_MAX_SIZE

from ..audit_api.events import Event
from ..errors import CyberArkError, Failure, FailureKind, Service, Throttled, TransientError
from .channel import Channel
from .halving import (
    DOUBTFUL_AT_MOST,
    HALVED_AFTER,
    THROTTLED_AT_MOST,
    Acceptances,
    Events,
    FailureCounts,
    RequestSize,
    halves,
    is_about_content,
    is_refusal,
    size_of,
)
from .outcome import Isolated, Outcome

# A push ends after so many requests, or seconds of sending parts; what remains is pushed again by the caller.
REQUESTS_AT_MOST = 100
PARTS_WITHIN_S = 30.0
# So many failures in a row, nothing accepted in between, look like an outage; it takes 17 to find one event of 94 000.
FAILURES_AT_MOST = 20


@dataclass
class _Push:
    """What a push has brought so far. Events are told apart by their texts: two may have one uuid."""

    pushed: int
    ends_at: float
    accepted: list[Event] = field(default_factory=list)
    too_large: list[Event] = field(default_factory=list)
    isolated: list[Isolated] = field(default_factory=list)
    failures: list[CyberArkError] = field(default_factory=list)
    requests: int = 0
    failures_in_row: int = 0
    # The intake has asked for fewer requests, which ends the push.
    is_throttled: bool = False

    @property
    def undeliverable(self) -> int:
        """How many events were found that no request can bring to the intake."""
        return len(self.isolated) + len(self.too_large)

    def without_done(self, events: Sequence[Event]) -> Events:
        """Return those events that are still to be accepted."""
        done = {event.text for event in self.accepted}
        done.update(event.text for event in self.too_large)
        done.update(isolated.event.text for isolated in self.isolated)
        return tuple(event for event in events if event.text not in done)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A request that was not accepted, and how often its events have been in such a one."""

    events: Events
    error: CyberArkError
    failures: int


class Intake:
    """The intake as the collection sees it. `is_stopping` ends the sending of parts."""

    def __init__(
        self,
        channel: Channel,
        is_stopping: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._is_stopping = is_stopping
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = FailureCounts(monotonic)
        self._acceptances = Acceptances(monotonic)
        self._size = RequestSize(monotonic)

    def push(self, events: Sequence[Event]) -> Outcome:
        """Push those events once, and return what became of each. Raises nothing, and never waits for a retry."""
        with self._lock:
            push = _Push(len(events), self._monotonic() + PARTS_WITHIN_S)
            push.too_large.extend(event for event in events if len(event.text) > EVENT_BYTES_MAX_SIZE)
            pushed = push.without_done(events) if push.too_large else tuple(events)
            todo = deque(self._size.pieces(pushed) if pushed else ())
            while todo and not self._is_to_end(push):
                piece = todo.popleft()
                if not push.accepted and self._is_to_be_probed(piece):
                    todo.appendleft(self._probe(push, piece))
                    continue
                for refused in self._attempt(push, piece):
                    if len(refused.events) == 1:
                        self._judge_alone(push, refused)
                    elif self._size.is_raised(refused.events):
                        self._size.refused()
                        push.failures_in_row = 0  # that size was only tried
                        todo.extendleft(reversed(list(self._size.pieces(refused.events))))
                    elif push.accepted and self._acceptances.suggests_halving(refused.error, refused.failures):
                        self._halve(push, refused.events)
            return self._outcome(push, events)

    def push_one(self, text: str) -> CyberArkError | None:
        """Push one event alone; return why it was not accepted, None if it was. As `push` otherwise."""
        with self._lock:
            receipts = self._channel.send([text], self._channel.timeout_s)
            if receipts.accepted:
                self._acceptances.accepted()
                return None
            return receipts.refused[0][1] if receipts.refused else _unsent()

    def accepted_within(self, seconds: float) -> bool:
        """Return whether the intake accepted something in the last so many seconds of this process.

        A refusal of an event counts against it only if others were accepted since the one before: during an outage, it
        says nothing.
        """
        return self._acceptances.accepted_within(seconds)

    def _attempt(self, push: _Push, events: Events, is_probe: bool = False) -> list[_Refused]:
        """Push those events as one piece; return the requests of the SDK that were not accepted."""
        send = self._channel.probe if is_probe else self._channel.send
        receipts = send([event.text for event in events])
        push.requests += 1
        accepted = events
        if len(receipts.accepted) < len(events):
            texts = set(receipts.accepted)
            accepted = tuple(event for event in events if event.text in texts)
        if accepted:
            push.accepted.extend(accepted)
            push.failures_in_row = 0
            self._acceptances.accepted()
            self._size.passed(accepted)
        by_text = {event.text: event for event in events} if receipts.refused else {}
        refused = []
        for chunk, error in receipts.refused:
            of_chunk = tuple(by_text[text] for text in chunk)
            refused.append(_Refused(of_chunk, error, self._failures.add(of_chunk, error)))
            push.is_throttled |= isinstance(error, Throttled) and refused[-1].failures < THROTTLED_AT_MOST
            push.failures.append(error)
            push.failures_in_row += 1
        return refused

    def _is_to_end(self, push: _Push) -> bool:
        # With nothing accepted yet, the pieces that were not sent would only fail as well.
        in_row = FAILURES_AT_MOST if push.accepted else 1
        return push.requests > 0 and (
            push.is_throttled
            or push.failures_in_row >= in_row
            or push.requests >= REQUESTS_AT_MOST
            or self._monotonic() > push.ends_at
            or self._is_stopping()
        )

    def _is_to_be_probed(self, piece: Events) -> bool:
        """Return whether this request would be halved should it fail again."""
        failures, error = self._failures.of(piece)
        if len(piece) == 1 or error is None or self._is_stopping():
            return False
        if (error.failure.kind is FailureKind.TIMEOUT or isinstance(error, Throttled)) and failures % 2:
            return False  # it may be about everything: the whole request is given time, in turn
        return self._acceptances.suggests_halving(error, failures + 1)

    def _probe(self, push: _Push, piece: Events) -> Events:
        """Send one event of a request ahead; return the others.

        Each time another event, far from the last one: where one event is refused alone, its neighbours may be too.
        """
        failures, _ = self._failures.of(piece)
        index = int(failures * 0.618 * len(piece)) % len(piece)
        others = piece[:index] + piece[index + 1 :]
        for refused in self._attempt(push, (piece[index],), is_probe=True):
            self._failures.add(others, refused.error)
            self._judge_alone(push, refused)
        return others

    def _halve(self, push: _Push, events: Events) -> None:
        """Send a refused request in parts, down to the single event."""
        self._acceptances.halving_helped()
        push.ends_at = self._monotonic() + PARTS_WITHIN_S  # the request that failed may have taken all of the time
        undeliverable, passed = push.undeliverable, []
        parts = list(halves(events))
        while parts and not self._is_to_end(push):
            part = parts.pop()
            failed = self._attempt(push, part)
            if not failed:
                passed.append(size_of(part))
            for request in failed:
                if len(request.events) == 1:
                    self._judge_alone(push, request)
                else:
                    parts.extend(halves(request.events))
        if parts:
            self._size.found([size_of(parts[-1])])  # to go on from there, and not from the beginning
        elif passed and push.undeliverable == undeliverable:
            self._size.found(passed)

    def _judge_alone(self, push: _Push, refused: _Refused) -> None:
        """Decide on an event that was refused alone: too large, isolated, or left to be pushed again."""
        event, error = refused.events[0], refused.error
        if push.is_throttled:
            return  # it is about the rate
        if error.failure.status == 413 and len(event.text.encode("utf-8", "replace")) > EVENT_BYTES_MAX_SIZE:
            push.too_large.append(event)  # the SDK counts characters, the intake bytes
        elif self._failures.was_alone(event) or self._is_enough(push, refused):
            push.isolated.append(Isolated(event, error))
        elif push.accepted:
            self._failures.note_alone(event)

    def _is_enough(self, push: _Push, refused: _Refused) -> bool:
        """Return whether an event is isolated that is refused alone for the first time."""
        if push.accepted:
            return is_refusal(refused.error)
        is_small = push.pushed <= DOUBTFUL_AT_MOST
        return is_small and self._acceptances.suffices_in_doubt(refused.error, refused.failures)

    def _outcome(self, push: _Push, events: Sequence[Event]) -> Outcome:
        if len(push.accepted) == len(events):
            return Outcome(tuple(events))
        remaining, failure, in_doubt = push.without_done(events), None, False
        if remaining and push.failures:
            failure = self._softened(push.failures[-1 if push.is_throttled else 0])
            is_early = bool(push.accepted) or self._failures.of(remaining)[0] < HALVED_AFTER
            in_doubt = is_about_content(failure) and is_early
        elif remaining and not push.accepted:
            failure = _unsent()
        return Outcome(tuple(push.accepted), tuple(push.too_large), tuple(push.isolated), remaining, failure, in_doubt)

    def _softened(self, error: CyberArkError) -> CyberArkError:
        """Have a refusal retried soon where the key and the address worked minutes ago: they are not its reason."""
        if self._acceptances.is_recent and is_about_content(error) and not isinstance(error, TransientError):
            return TransientError(error.failure)
        return error


def _unsent() -> CyberArkError:
    """Return the failure of events that the SDK did not send: it was stopped meanwhile."""
    return TransientError(Failure(Service.INTAKE, FailureKind.CONNECTION))
