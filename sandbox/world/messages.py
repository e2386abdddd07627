"""Requests and responses as values, so that the same services answer over TLS and in virtual time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Service: TypeAlias = Literal["identity", "audit", "intake", "platform"]
SERVICES: tuple[Service, ...] = ("identity", "audit", "intake", "platform")

Ending: TypeAlias = Literal["complete", "reset", "cut", "hang", "trickle"]

JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}
HTML_HEADERS: Mapping[str, str] = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True)
class Request:
    """A request as a service sees it: `path` without its query string, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """An answer, and how it is carried.

    `delay` is the time (s) between the request and the answer. `ending`: complete, the connection reset before the
    answer, cut in the middle of the body, no answer at all, or one byte every few seconds. `settle` is called with
    whether the service's own answer went out unchanged: the intake accepts events then, and only then.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    ending: Ending = "complete"
    settle: Callable[[bool], None] | None = field(default=None, compare=False, repr=False)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def outcome(self) -> str:
        """Return the status, or how the answer failed to arrive."""
        return str(self.status) if self.ending == "complete" else self.ending


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` as a JSON answer."""
    return Response(status, {**JSON_HEADERS, **(headers or {})}, json.dumps(content).encode())


def html_response(title: str, status: int) -> Response:
    """Return an HTML page, as gateways send it."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status, HTML_HEADERS, page.encode())
