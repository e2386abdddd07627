"""Pushing to the intake, and knowing what it took.

The SDK's `push_events_to_intakes` never raises: it retries each request for an hour, then forgets it, and the event
ids that it returns prove nothing, since an intake may answer 200 without any. `AcknowledgedConnector` keeps the SDK's
way of cutting requests and sending them side by side, and replaces the sending of one request by one that leaves a
receipt: a request is accepted if and only if the intake, and not a web page in its place, answered it with 200. Trying
again is left to the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from sekoia_automation.connector import Connector
from sekoia_automation.constants import EVENT_BYTES_MAX_SIZE

from .audit_api.events import Event
from .audit_api.transport import kind_of, retry_after
from .errors import ConfigurationError, CyberArkError, Failure, FailureKind, Service, TransientError

_REFUSED_BY_TIME = (408, 425, 429)


@dataclass
class Receipt:
    """What became of one push: the texts taken, those too large for any request, and why others were refused.

    `ids_missing` is how many events the intake accepted without giving an id for them.
    """

    taken: list[str] = field(default_factory=list)
    too_large: set[str] = field(default_factory=set)
    refusals: list[CyberArkError] = field(default_factory=list)
    ids_missing: int = 0

    @property
    def accepted(self) -> set[str]:
        """Return the texts that the intake has accepted."""
        return set(self.taken)

    def left(self, pushed: Sequence[Event]) -> tuple[Event, ...]:
        """Return those of the pushed events that were neither accepted nor too large."""
        # Every page but a refused one ends here, and hashing its texts would cost as much as encoding them.
        if len(self.taken) + len(self.too_large) == len(pushed):
            return ()
        settled = self.accepted | self.too_large
        return tuple(event for event in pushed if event.text not in settled)


class AcknowledgedConnector(Connector):
    """A connector that knows which events the intake has accepted."""

    CONNECT_TIMEOUT_S = 10.0
    # An intake that takes events but answers later than this would be sent them again, so it is given more each time.
    push_timeout_s = 30.0
    PUSH_TIMEOUT_LONGEST_S = 480.0

    def deliver(self, events: Sequence[Event]) -> Receipt:
        """Push those events once, and tell what became of each."""
        self._receipt = receipt = Receipt()
        texts: list[Any] = [event.text for event in events]
        receipt.too_large.update([text for text in texts if len(text) > EVENT_BYTES_MAX_SIZE])
        if receipt.too_large:
            texts = [text for text in texts if text not in receipt.too_large]
        self.push_events_to_intakes(texts)
        if any(refusal.failure.kind is FailureKind.TIMEOUT for refusal in receipt.refusals):
            self.push_timeout_s = min(self.PUSH_TIMEOUT_LONGEST_S, 2 * self.push_timeout_s)
        return receipt

    def _send_chunk(
        self, batch_api: str, chunk_index: int, chunk: list[Any], collect_ids: dict[int, list[str]]
    ) -> None:
        try:
            collect_ids[chunk_index] = self._send(batch_api, chunk)
        except CyberArkError as error:
            self._receipt.refusals.append(error)

    def _send(self, batch_api: str, chunk: list[str]) -> list[str]:
        failure = Failure(Service.INTAKE, FailureKind.STATUS, urlsplit(batch_api).netloc, "/batch")
        try:
            response = self._http_session.post(
                batch_api,
                # Several times cheaper than the library's own JSON.
                data=orjson.dumps({"intake_key": self.configuration.intake_key, "jsons": chunk}),
                headers={"Content-Type": "application/json"},
                timeout=(self.CONNECT_TIMEOUT_S, self.push_timeout_s),
                allow_redirects=False,
            )
        except Exception as error:  # whatever went wrong, the events were not accepted
            # `from None`: the library's error holds the request, and so the intake key.
            raise TransientError(_seen(failure, kind_of(error))) from None
        status = response.status_code
        if status == 200 and response.content.lstrip()[:1] == b"<":
            # The page of a gateway, or of a web site at a wrong address: no intake has seen the events.
            raise TransientError(_seen(failure, FailureKind.NOT_JSON, status))
        if status == 200:
            ids = _event_ids(response)
            self._receipt.taken.extend(chunk)
            self._receipt.ids_missing += max(0, len(chunk) - len(ids))
            return ids
        if status == 413:
            # The SDK counts characters, the intake bytes: a request can be too large although no event in it is.
            if len(chunk) > 1:
                half = len(chunk) // 2
                return self._send(batch_api, chunk[:half]) + self._send(batch_api, chunk[half:])
            if len(chunk[0].encode()) > EVENT_BYTES_MAX_SIZE:
                self._receipt.too_large.update(chunk)
                return []
        failure = _seen(failure, FailureKind.STATUS, status)
        if 400 <= status < 500 and status not in _REFUSED_BY_TIME:
            raise ConfigurationError(failure)
        if 300 <= status < 400:
            raise ConfigurationError(_seen(failure, FailureKind.REDIRECT, status))
        raise TransientError(failure, retry_after(response.headers.get("Retry-After"), response.headers.get("Date")))


def _seen(failure: Failure, kind: FailureKind, status: int | None = None) -> Failure:
    return Failure(failure.service, kind, failure.host, failure.endpoint, status)


def _event_ids(response: Any) -> list[str]:
    try:
        ids = orjson.loads(response.content)["event_ids"]
    except (ValueError, KeyError, TypeError):
        return []
    return ids if isinstance(ids, list) else []
