"""An intake on loopback: it accepts what it is sent, unless a test gives it another answer."""

import json
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from fakes.loopback import LoopbackServer


@dataclass(frozen=True)
class Answer:
    """Given in place of the intake's own. A `status` of 0 is a connection that is reset."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[list[str], int], Answer | None]


class IntakeServer(LoopbackServer):
    """Listens while its context lasts. `respond(texts, bytes of the request)` returns None for the usual answer.

    `accepted` counts the texts that were accepted; `requests` holds the texts of every request, `keys` their keys.
    """

    def __init__(self, respond: Respond = lambda _texts, _size: None, tls: ssl.SSLContext | None = None) -> None:
        self.respond = respond
        self.accepted: Counter[str] = Counter()
        self.requests: list[list[str]] = []
        self.keys: set[str] = set()
        self._lock = threading.Lock()
        super().__init__(self._handler(), tls)

    def answer(self, body: bytes) -> Answer:
        """Record a request, and return its answer."""
        batch: dict[str, Any] = json.loads(body)
        texts = batch["jsons"]
        with self._lock:
            self.requests.append(texts)
            self.keys.add(batch["intake_key"])
        given = self.respond(texts, len(body))
        if given is not None:
            return given
        with self._lock:
            self.accepted.update(texts)
        return Answer(body=json.dumps({"event_ids": [str(number) for number in range(len(texts))]}).encode())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        intake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def do_POST(self) -> None:
                answer = intake.answer(self.rfile.read(int(self.headers["Content-Length"])))
                if not answer.status:
                    linger = struct.pack("ii", 1, 0)  # closing now sends a reset
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    self.rfile.close()
                    self.wfile.close()
                    self.connection.close()
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
