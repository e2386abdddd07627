"""Requests and responses as values, so that the same services play over sockets and inside a simulation."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Ending: TypeAlias = Literal["complete", "reset", "cut", "hang"]

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
        """The body as JSON. Raises ValueError when it is not."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """An answer, and how it is carried.

    `delay` is the time in seconds between the request and the answer. `ending` says what becomes of the connection:
    answered in full, reset before the answer, cut in the middle of the body, or left hanging.
    `settle` is told whether the service's own answer went out unspoilt; a service uses it to record what only
    counts once it was answered.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    ending: Ending = "complete"
    settle: Callable[[bool], None] | None = field(default=None, compare=False, repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is not."""
        return json.loads(self.body)


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {**JSON_HEADERS, **(headers or {})}, json.dumps(content).encode())


def html_response(title: str, status: int) -> Response:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status, HTML_HEADERS, page.encode())
