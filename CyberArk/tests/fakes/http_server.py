"""CyberArk Identity and CyberArk Audit on one loopback address over TLS: real sockets, scripted answers."""

import base64
import json
import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import trustme

from fakes.loopback import LoopbackServer

CLAIMS = {"scope": "isp.audit.events:read", "aud": "cyberark.isp.audit", "tenant_id": "t-1"}
_ENDPOINTS = {"/api/audits/stream/createQuery": "query", "/api/audits/stream/results": "results"}
# How long an answer that trickles waits before each byte.
TRICKLE_S = 0.02


@dataclass(frozen=True)
class Answer:
    """An answer, or what becomes of it: `reset`, `cut` in the middle of the body, `hang`, `trickle` (its body) or
    `trickle-headers`.
    """

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Received:
    """A request; `port` is the client's, the same for requests of one connection."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int

    def json(self) -> Any:
        return json.loads(self.body)


def jwt(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, claims, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


class FakeTenant(LoopbackServer):
    """Listens while its context lasts. `script[endpoint]` answers `token`, `query`, `results` or `other` requests:
    a function from the request, or a list of answers, of which the last one is given again and again.
    """

    def __init__(self, folder: Path, not_after: datetime | None = None) -> None:
        self.received: dict[str, list[Received]] = defaultdict(list)
        self.script: dict[str, list[Answer] | Callable[[Received], Answer]] = {
            "token": lambda _: self.token_answer(),
            "query": [Answer(body={"cursorRef": "c0"})],
            "results": [Answer(body={"data": [], "paging": {"cursor": {"cursorRef": "c1"}}})],
            "other": [Answer(404)],
        }
        self.tokens: list[str] = []
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        authority.issue_cert("localhost", not_after=not_after).configure_cert(context)
        self._stopping = threading.Event()
        super().__init__(self._handler(), context, "localhost")

    def token_answer(self, lifetime: Any = 18000, claims: Mapping[str, Any] = CLAIMS) -> Answer:
        """A token of its own for each request."""
        self.tokens.append(jwt(**claims, jti=len(self.tokens)))
        return Answer(body={"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": lifetime})

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        super().__exit__()

    def answer(self, request: Received) -> Answer:
        endpoint = "token" if request.path.startswith("/oauth2/token/") else _ENDPOINTS.get(request.path, "other")
        self.received[endpoint].append(request)
        script = self.script[endpoint]
        if callable(script):
            return script(request)
        return script.pop(0) if len(script) > 1 else script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tenant = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = tenant.answer(Received(self.path, headers, body, self.client_address[1]))
                if answer.ending == "hang":
                    tenant._stopping.wait(30)
                if answer.ending in ("hang", "reset"):
                    # Closing the socket now sends a reset.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    return
                if answer.ending == "trickle-headers":
                    self._trickle(iter(lambda: b"x", None))
                self.send_response_only(answer.status)
                for name, value in {"Date": self.date_time_string(), **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content) + (answer.ending == "cut")))
                self.end_headers()
                if answer.ending == "trickle":
                    self._trickle(bytes([byte]) for byte in answer.content)
                elif answer.status != 204:
                    self.wfile.write(answer.content)
                self.close_connection = self.close_connection or answer.ending == "cut"

            def _trickle(self, parts: Iterable[bytes]) -> None:
                for part in parts:
                    self.wfile.write(part)
                    if tenant._stopping.wait(TRICKLE_S):
                        break

            def log_message(self, *_: object) -> None:
                pass

        return Handler
