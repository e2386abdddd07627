"""An intake on loopback: it accepts what it is sent, unless a test gives it another answer."""

import json
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """Given in place of the intake's own. A `status` of 0 is a connection that is reset."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[list[str], int], Answer | None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Say nothing: the other end has gone, or the connection was reset on purpose."""


class IntakeServer:
    """Listens while its context lasts. `respond(texts, bytes of the request)` returns None for the usual answer.

    `accepted` counts the texts that were accepted; `requests` holds the texts of every request, `keys` their keys.
    """

    def __init__(self, respond: Respond = lambda _texts, _size: None, tls: ssl.SSLContext | None = None) -> None:
        self.respond = respond
        self.accepted: Counter[str] = Counter()
        self.requests: list[list[str]] = []
        self.keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

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
