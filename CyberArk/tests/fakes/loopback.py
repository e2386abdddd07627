"""An HTTP server on loopback, in threads of its own, while its context lasts."""

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve unmeasured: what coverage is asked for is not here, and tracing takes longer than serving."""
        sys.settrace(None)
        super().process_request_thread(request, client_address)

    def handle_error(self, *_: object) -> None:
        """Say nothing: the other end has gone, or the connection was reset on purpose."""


class LoopbackServer:
    """Listens from the start, and serves between `__enter__` and `__exit__`; `host` is what its certificate names."""

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
