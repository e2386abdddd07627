"""One request to the intake: when it may be sent, how long it may take, what its answer says, and what follows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ..errors import CyberArkError, Failure, FailureKind, Service, TransientError
from ..events import Event
from ..http import PUSH_S, Http

ENDPOINT = "/batch"
# After a failure the next request waits this long (s), after the second twice as long, then a fifth of the time for
# which nothing was accepted, up to two minutes; a Retry-After counts up to fifteen.
PAUSE_S, LONGEST_PAUSE_S, LONGEST_ASKED_S = 1.5, 120.0, 900.0
# An intake that accepts within a second is silent about a request that it does not answer within ten. It may only have
# become slow: the deadline doubles with each silence, until it accepts within a second again.
QUICK_S, SILENT_S = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a push: every event is in `done` or in `remaining`.

    `done`: accepted, too large for any request, or in the dead-letter file for good. Push `remaining` again after
    `pause_s`. `failure` is why, once that is about more than one request.
    """

    done: tuple[Event, ...]
    remaining: tuple[Event, ...] = ()
    accepted: int = 0
    too_large: int = 0
    dead_letters: int = 0
    failure: CyberArkError | None = None
    pause_s: float = 0.0


class Pace:
    """When the next push, or the next resend, may go: one of each, so that neither waits for the other.

    Times are monotonic (s); `failures` are those since anything was accepted.
    """

    def __init__(self) -> None:
        self.next_at = self._failing_since = 0.0
        self.failures = self._silences = 0

    @property
    def deadline_s(self) -> float:
        """How long the next request may take (s)."""
        return min(PUSH_S, SILENT_S * 2.0 ** min(self._silences, 10))

    def accepted(self, took_s: float) -> None:
        """Note that a request was accepted, a push or a resend."""
        self.failures, self._silences = 0, 0 if took_s <= QUICK_S else self._silences

    def failed(self, error: CyberArkError, now: float) -> float:
        """Note that a request failed; return how long (s) the intake asks to wait."""
        self._failing_since = self._failing_since if self.failures else now
        self.failures += 1
        self._silences += error.failure.kind is FailureKind.TIMEOUT
        pause_s = min(LONGEST_PAUSE_S, max(PAUSE_S * min(self.failures, 2), (now - self._failing_since) / 5))
        asked_s = min(LONGEST_ASKED_S, (isinstance(error, TransientError) and error.retry_after) or 0.0)
        self.next_at = now + max(pause_s, asked_s)
        return asked_s


def send(http: Http, url: str, intake_key: str, texts: Sequence[str], deadline_s: float) -> None:
    """Send those events in one request. Raises CyberArkError only, unless the intake has accepted them."""
    # The User-Agent of the SDK (connector/__init__.py:112).
    headers = {"Content-Type": "application/json", "User-Agent": f"sekoiaio-connector-{intake_key}"}
    content = {"intake_key": intake_key, "jsons": list(texts)}
    try:
        try:
            body = orjson.dumps(content)  # several times cheaper than the standard library
        except TypeError:
            body = json.dumps(content).encode()  # takes lone surrogates
        answer = http.post(Service.INTAKE, url, ENDPOINT, headers, body, deadline_s)
        failed = answer.unusable(FailureKind.NOT_INTAKE)  # a block page, a proxy, a web site
        receipt = answer.json() if answer.status == 200 else {"status": answer.status}
        if not receipt or isinstance(receipt.get("event_ids"), list):
            return
    except CyberArkError as error:
        if error.failure.status != 200:
            raise
    except Exception:  # whatever went wrong, the events were not accepted
        failed = TransientError(Failure(Service.INTAKE, FailureKind.CONNECTION, endpoint=ENDPOINT))
    raise failed  # out of the handler: the library's error may hold the request, and so the intake key
