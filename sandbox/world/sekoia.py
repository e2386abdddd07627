"""Sekoia: the intake that events are pushed to, and the platform's endpoints of a running connector."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

from sandbox.world.index import INTAKE_EVENT_LIMIT
from sandbox.world.ledger import Ledger
from sandbox.world.messages import Request, Response, html_response, json_response
from sandbox.world.settings import SekoiaSettings

PAYLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes of the largest request that the intake takes."""


class Sekoia:
    """Plays the intake and the platform. `logs` and `callbacks` hold what the connector sent, the newest last.

    `password` is what the platform hands out: what its user typed, which need not be the tenant's.
    """

    def __init__(self, settings: SekoiaSettings, ledger: Ledger, password: str, now: Callable[[], float]) -> None:
        self.settings = settings
        self.password = password
        self.logs: deque[dict[str, Any]] = deque(maxlen=5000)
        self.callbacks: deque[dict[str, Any]] = deque(maxlen=1000)
        self._ledger = ledger
        self._now = now
        self._batches = 0
        self._relayed_at = -inf

    def intake(self, request: Request) -> Response:
        """Answer a request to the intake."""
        settings, now = self.settings, self._now()
        if request.method != "POST" or not request.path.endswith("/batch"):
            return json_response({"message": "not found"}, 404)
        if now - self._relayed_at < settings.relay_spacing_s:
            return html_response("503 Service Temporarily Unavailable", 503)
        if len(request.body) > min(PAYLOAD_LIMIT, settings.request_limit or PAYLOAD_LIMIT):
            return self._too_long(request)
        try:
            content = request.json()
            key, texts = content.get("intake_key"), content["jsons"]
        except (ValueError, KeyError, AttributeError):
            return json_response({"message": "the payload is malformed"}, 400)
        if key != settings.intake_key:
            return json_response({"message": "the intake key is unknown"}, 403 if key else 401)
        if large := [text for text in texts if self._size(text) > INTAKE_EVENT_LIMIT]:
            return self._reject(large, json_response({"message": "an event is too large"}, 400))
        if settings.rejected_texts:
            rejected = [text for text in texts if any(part in text for part in settings.rejected_texts)]
            if rejected:
                return self._reject(rejected, self._rejection())
        self._relayed_at = now
        return self._take(texts)

    def platform(self, request: Request, endpoint: str) -> Response:
        """Answer a request to one of the platform's endpoints."""
        if request.headers.get("authorization") != f"Bearer {self.settings.token}":
            return json_response({"message": "unauthorized"}, 401)
        secret = {"value": {"password": self.password}}
        if endpoint == "secrets":
            return json_response(secret)
        if endpoint == "logs":
            self.logs.extend(request.json().get("logs", []))
        elif endpoint == "callback":
            self.callbacks.append(content := request.json())
            if request.method == "PATCH" and content.get("status") == "running":
                return json_response({"module_configuration": secret})
        else:
            return json_response({"error": "not found"}, 404)
        return json_response({})

    def _too_long(self, request: Request) -> Response:
        texts = request.json()["jsons"]
        if len(texts) == 1:
            self._ledger.reject(texts[0])  # what alone makes a request too large can never be delivered
        if self.settings.request_limit_by == "reset" and len(request.body) <= PAYLOAD_LIMIT:
            return Response(ending="reset")
        return json_response({"message": "the payload is too large"}, 413)

    def _size(self, text: str) -> int:
        counts_bytes = self.settings.counts_bytes and len(text) > INTAKE_EVENT_LIMIT // 4
        return len(text.encode("utf-8", "surrogatepass")) if counts_bytes else len(text)

    def _reject(self, texts: list[str], response: Response) -> Response:
        for text in texts:
            self._ledger.reject(text)
        return response

    def _rejection(self) -> Response:
        """Return how a filter of texts answers: with a status, a page that blocks, or not at all."""
        how = self.settings.rejection
        if how == "drop":
            return Response(ending="hang")
        if how == "block-page":
            return html_response("Request blocked", 200)
        return html_response("Forbidden", 403) if how == "403" else json_response({"message": "rejected"}, int(how))

    def _take(self, texts: list[str]) -> Response:
        self._batches += 1
        latency = self.settings.push_latency_s

        def settle(sent: bool) -> None:
            if sent:
                self._ledger.accept(texts, self._now() + latency)

        identifiers = [f"{self._batches:08x}-0000-4000-8000-{number:012x}" for number in range(len(texts))]
        return replace(json_response({"event_ids": identifiers}), delay=latency, settle=settle)
