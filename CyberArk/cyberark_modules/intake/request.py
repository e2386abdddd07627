"""One request to the intake: when it may be sent, how long it may take, and what its answer says."""

from collections.abc import Sequence

import orjson  # several times cheaper than the standard library

from ..errors import CyberArkError, Failure, FailureKind, Service, TransientError
from ..http import PUSH_S, Http

ENDPOINT = "/batch"
# What fails this often in a row is not tried in the same way again. A silence takes as long as that many failures.
FAILURES_AT_MOST = 3
# The pause (s) after a failure, which grows to the longest in ten minutes. A Retry-After counts up to the last value.
PAUSE_S, PAUSE_GROWTH, LONGEST_PAUSE_S, LONGEST_ASKED_S = 2.0, 1.2, 120.0, 900.0
# What takes longer than this (s), and ten times longer than what was accepted last, is not answered. The intake may
# also have become slow: the deadline doubles each time.
SILENT_S = 10.0


class Pace:
    """When the next push, or the next resend, may be sent: one of each, so that neither waits for the other."""

    def __init__(self) -> None:
        self.failures = 0  # since anything was accepted
        self.next_at = 0.0  # monotonic (s)
        self._pause_s, self.deadline_s = PAUSE_S, SILENT_S

    def accepted(self, took_s: float) -> None:
        """Note that a request was accepted."""
        self.failures = 0
        self._pause_s, self.deadline_s = PAUSE_S, min(PUSH_S, max(SILENT_S, 10 * took_s))

    def failed(self, error: CyberArkError, now: float) -> None:
        """Note that a request failed, and pause."""
        self.failures += 1
        if error.failure.kind is FailureKind.TIMEOUT:
            self.failures += FAILURES_AT_MOST - 1
            self.deadline_s = min(PUSH_S, 2 * self.deadline_s)
        asked_s = min(LONGEST_ASKED_S, (isinstance(error, TransientError) and error.retry_after) or 0.0)
        self.next_at = now + max(self._pause_s, asked_s)
        self._pause_s = min(LONGEST_PAUSE_S, PAUSE_GROWTH * self._pause_s)


def send(http: Http, url: str, intake_key: str, texts: Sequence[str], deadline_s: float) -> None:
    """Send those events in one request. Raises CyberArkError only, unless the intake has accepted them."""
    # The User-Agent of the SDK (connector/__init__.py:112).
    headers = {"Content-Type": "application/json", "User-Agent": f"sekoiaio-connector-{intake_key}"}
    try:
        body = orjson.dumps({"intake_key": intake_key, "jsons": list(texts)})
        answer = http.post(Service.INTAKE, url, ENDPOINT, headers, body, deadline_s)
        failed = answer.unusable(FailureKind.NOT_INTAKE)  # a block page, a proxy, a web site
        receipt = answer.json()
        if not receipt or isinstance(receipt.get("event_ids"), list):
            return
    except CyberArkError as error:
        if error.failure.status not in (200, 204):
            raise
    except Exception:  # whatever went wrong, the events were not accepted
        failed = TransientError(Failure(Service.INTAKE, FailureKind.CONNECTION, endpoint=ENDPOINT))
    raise failed  # out of the handler: the library's error may hold the request, and so the intake key
