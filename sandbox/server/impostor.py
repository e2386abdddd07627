"""Hosts and proxies that are not what they should be: for the mistakes that no service can play by itself."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import trustme

from sandbox.server.server import Sandbox

Handle: TypeAlias = Callable[[socket.socket], None]

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


def listen(handle: Handle) -> str:
    """Serve each connection in a thread, for as long as the process lives; returns the address, `localhost:port`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            handle(connection)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"localhost:{listener.getsockname()[1]}"


def without_tls(connection: socket.socket) -> None:
    """A web server that does not speak TLS."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def silent(connection: socket.socket) -> None:
    """A host that accepts connections and never says a word."""
    while connection.recv(4096):
        pass


def refusing_proxy(connection: socket.socket) -> None:
    """A proxy that wants to know who is asking."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


class Authority:
    """A certificate authority that the sandbox's clients do not trust, unless they use `bundle`."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def bundle(self, sandbox: Sandbox) -> Path:
        """A file of authorities with this one among them."""
        file = sandbox.ca_file.with_name("more-authorities.pem")
        file.write_bytes(sandbox.ca_file.read_bytes() + self._authority.cert_pem.bytes())
        return file

    def host(self, name: str = "localhost", expired: bool = False, then: Handle = silent) -> Handle:
        """A host whose certificate is issued for that name."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        leaf = self._authority.issue_cert(name, not_after=yesterday if expired else None)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(tls)

        def handle(connection: socket.socket) -> None:
            with tls.wrap_socket(connection, server_side=True) as secured:
                then(secured)

        return handle

    def reading_proxy(self) -> Handle:
        """A proxy that reads along: it shows a certificate of its own in the place of the host's."""
        host = self.host()

        def handle(connection: socket.socket) -> None:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            host(connection)

        return handle


def dripping(connection: socket.socket) -> None:
    """Answers without an end, a byte every half second."""
    connection.recv(4096)
    connection.sendall(_OK)
    while True:
        connection.sendall(b" ")
        time.sleep(0.5)
