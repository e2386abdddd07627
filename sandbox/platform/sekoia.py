"""Sekoia: the intake that events are pushed to, and the platform's endpoints of a running connector."""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from sandbox.events.index import INTAKE_EVENT_LIMIT
from sandbox.http import Request, Response, json_response
from sandbox.ledger.ledger import Ledger
from sandbox.middleware import Middleware
from sandbox.platform.settings import SekoiaSettings
from sandbox.tenant.settings import IdentitySettings

PAYLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes of the largest request that the intake takes."""


class Sekoia:
    """`logs`, `callbacks` and `results` hold what the connector reported, the newest last."""

    def __init__(
        self, now: Callable[[], float], ledger: Ledger, middleware: Middleware, identity_settings: IdentitySettings
    ) -> None:
        self.settings = SekoiaSettings()
        self.logs: deque[dict[str, Any]] = deque(maxlen=5000)
        self.callbacks: deque[dict[str, Any]] = deque(maxlen=1000)
        self._now = now
        self._ledger = ledger
        self._middleware = middleware
        # The platform holds the password that its user typed, which need not be the one that the tenant knows.
        self.password = identity_settings.password
        self._batches = 0

    def intake(self, request: Request) -> Response:
        return self._middleware.answer("intake", request, self._take)

    def platform(self, request: Request) -> Response:
        name = request.path.rpartition("/")[2]
        endpoints = {"callback": self._callback, "logs": self._log, "secrets": self._secrets}
        core = endpoints.get(name)
        if core is None:
            return self._middleware.answer(
                "platform-other", request, lambda _: json_response({"error": "not found"}, 404)
            )
        return self._middleware.answer(name, request, lambda sent: self._unauthorized(sent) or core(sent))

    def _take(self, request: Request) -> Response:
        if request.method != "POST" or not request.path.endswith("/batch"):
            return json_response({"message": "not found"}, 404)
        settings = self.settings
        if settings.reset_above is not None and len(request.body) > settings.reset_above:
            return self._reset(request)
        if settings.acceptance not in ("ids", "empty-object"):
            return _no_intake(settings.acceptance)
        if len(request.body) > PAYLOAD_LIMIT:
            return json_response({"message": "the payload is too large"}, 413)
        try:
            content = read_batch(request.body)
            key, texts = content.get("intake_key"), content["jsons"]
        except (ValueError, KeyError, AttributeError):
            return json_response({"message": "the payload is malformed"}, 400)
        if key != self.settings.intake_key:
            return json_response({"message": "the intake key is unknown"}, 403 if key else 401)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return json_response({"message": "jsons must be a list of strings"}, 400)
        if large := [text for text in texts if self._size(text) > INTAKE_EVENT_LIMIT]:
            return self._refused(large, 400, "an event is too large")
        if settings.refused_texts:
            refused = [text for text in texts if any(part in text for part in settings.refused_texts)]
            if refused:
                return self._refused(refused, settings.refused_status, "an event is refused")
        return self._taken(texts)

    def _reset(self, request: Request) -> Response:
        """What alone makes a request that is too large for the relay can never be delivered."""
        texts = read_batch(request.body)["jsons"]
        if len(texts) == 1:
            self._ledger.refuse(texts[0])
        return Response(ending="reset")

    def _size(self, text: str) -> int:
        counts_bytes = self.settings.counts_bytes and len(text) > INTAKE_EVENT_LIMIT // 4
        return len(text.encode("utf-8", "surrogatepass")) if counts_bytes else len(text)

    def _refused(self, texts: list[str], status: int, message: str) -> Response:
        for text in texts:
            self._ledger.refuse(text)
        return json_response({"message": message}, status)

    @staticmethod
    def is_intake(response: Response) -> bool:
        """Whether an answer says that events were accepted."""
        return response.status == 200 and response.body.startswith((b'{"event_ids"', b"{}"))

    def _taken(self, texts: list[str]) -> Response:
        self._batches += 1
        latency = self.settings.push_latency

        def settle(sent: bool) -> None:
            if sent:
                self._ledger.accept(texts, self._now() + latency)
            else:
                self._ledger.take_but_refuse(texts)

        prefix = f"{self._batches:08x}-0000-4000-8000-"
        identifiers = [f"{prefix}{number:012x}" for number in range(len(texts))]
        with_ids = self.settings.acceptance == "ids"
        body = orjson.dumps({"event_ids": identifiers} if with_ids else {})
        return Response(200, {"Content-Type": "application/json"}, body, delay=latency, settle=settle)

    def _unauthorized(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.settings.token}":
            return None
        return json_response({"message": "unauthorized"}, 401)

    def _callback(self, request: Request) -> Response:
        content = request.json()
        self.callbacks.append(content)
        if request.method == "PATCH" and content.get("status") == "running":
            return json_response({"module_configuration": {"value": self._secret_values()}})
        return json_response({})

    def _log(self, request: Request) -> Response:
        self.logs.extend(request.json().get("logs", []))
        return json_response({})

    def _secrets(self, request: Request) -> Response:
        return json_response({"value": self._secret_values()})

    def _secret_values(self) -> dict[str, str]:
        return {"password": self.password}


def _no_intake(answer: str) -> Response:
    """A 200 of something that stands where the intake should be."""
    contents = {"healthy": b'{"status":"healthy"}', "ok": b"OK", "error": b'{"error":"upstream timed out"}'}
    return Response(200, {"Content-Type": "application/json"}, contents.get(answer, b""))


def read_batch(body: bytes) -> Any:
    """A request to the intake, as it stands. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # A lone surrogate, which orjson refuses, may stand in a string all the same.
        return json.loads(body)
