"""The way to the intake: the SDK cuts the requests and sends them side by side; the sending of each one is ours.

The SDK's `push_events_to_intakes` never raises: by itself it retries each request for an hour, then forgets it, and
the ids that it returns prove nothing. Here each request is sent once and leaves a receipt.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from ..errors import CyberArkError, FailureKind
from .receipt import send

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_LONGEST_S = 480.0


@dataclass
class Receipts:
    """What became of the requests of one call of the SDK: texts accepted, and requests refused."""

    timeout_s: float
    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[list[str], CyberArkError]] = field(default_factory=list)


class Channel:
    """Sends texts, one call at a time. `timeout_s` is how long the next request may wait for its answer.

    `sdk_push` is the connector's `push_events_to_intakes`, whose requests come back through `send_chunk`; `session`
    and `intake_key` are asked for when a request is sent.
    """

    def __init__(
        self,
        sdk_push: Callable[[list[Any]], Any],
        session: Callable[[], requests.Session],
        intake_key: Callable[[], str],
    ) -> None:
        self.timeout_s = ANSWER_TIMEOUT_S
        self._sdk_push = sdk_push
        self._session = session
        self._intake_key = intake_key
        self._receipts = Receipts(self.timeout_s)

    def send(self, texts: Sequence[str], within_s: float | None = None) -> Receipts:
        """Send those texts once. Raises nothing.

        A request that is not answered in time raises `timeout_s` for the next one, unless `within_s` is given.
        """
        self._receipts = receipts = Receipts(within_s or self.timeout_s)
        with suppress(Exception):  # its pool is closed: what has no receipt was not accepted
            self._sdk_push(list(texts))
        if within_s is None and any(error.failure.kind is FailureKind.TIMEOUT for _, error in receipts.refused):
            # An intake that takes events but answers later would be sent them again: it is given more time.
            self.timeout_s = min(ANSWER_TIMEOUT_LONGEST_S, 2 * self.timeout_s)
        return receipts

    def probe(self, texts: Sequence[str]) -> Receipts:
        """Send a single event, as `send` does. It is given no more time than requests are at first."""
        return self.send(texts, ANSWER_TIMEOUT_S)

    def send_chunk(
        self, batch_api: str, chunk_index: int, chunk: list[Any], collect_ids: dict[int, list[str]]
    ) -> None:
        """Send one request of the SDK, in one of its threads, and note what became of it."""
        receipts = self._receipts
        timeout = (min(CONNECT_TIMEOUT_S, receipts.timeout_s), receipts.timeout_s)
        answer = send(self._session(), batch_api, self._intake_key(), chunk, timeout)
        if isinstance(answer, CyberArkError):
            receipts.refused.append((chunk, answer))
            return
        collect_ids[chunk_index] = answer
        receipts.accepted.extend(chunk)
