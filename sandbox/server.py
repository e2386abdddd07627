"""The world over TLS: a CyberArk tenant, a Sekoia intake and platform on loopback, in one thread."""

import asyncio
import json
import os
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Self
from weakref import WeakKeyDictionary

import trustme
from aiohttp import web

from sandbox.world.messages import SERVICES, Request, Response, Service
from sandbox.world.world import World

_LONGEST_HANG_S = 600.0
_KEEP_ALIVE_S = 3600.0  # only a fault ends a connection
_FIRST_PORT = 20_000 + os.getpid() % 120 * 100
_PORTS = cycle(range(_FIRST_PORT, _FIRST_PORT + 100))


class Sandbox:
    """A world that real clients reach over TLS, between `__enter__` and `__exit__`.

    `urls` are the addresses by service. Clients find the authority of its certificates, made for this run, in
    `ca_file`.
    """

    def __init__(self, seed: int = 0) -> None:
        self.world = World(time.time, seed)
        self.urls: dict[Service, str] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="cyberark-sandbox-")
        self.folder = Path(self._directory.name)
        self.ca_file = self.folder / "ca.pem"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._servers: list[tuple[asyncio.Server, web.Server]] = []
        self._answered_at: WeakKeyDictionary[asyncio.BaseTransport, float] = WeakKeyDictionary()

    def __enter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
        self._thread.start()
        for service in SERVICES:
            port = asyncio.run_coroutine_threadsafe(self._listen(service, tls), self._loop).result()
            self.urls[service] = f"https://localhost:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._directory.cleanup()

    def environment_variables(self, state_folder: Path, **configuration: Any) -> dict[str, str]:
        """Return what the platform sets for a connector of this tenant.

        `configuration` overrides fields of both forms by their names; None leaves a field out. The password is a
        placeholder: the secrets endpoint hands out the true one.
        """
        account, connector = self.world.forms(self.urls, password="*****", **configuration)
        platform = self.urls["platform"]
        return {
            "MODULE_CONFIGURATION": json.dumps(account),
            "CONNECTOR_CONFIGURATION": json.dumps(connector),
            "TOKEN": self.world.settings.sekoia.token,
            "URL_CALLBACK": f"{platform}/callback",
            "URL_LOGS": f"{platform}/logs",
            "URL_SECRETS": f"{platform}/secrets",
            "INTAKE_URL": self.urls["intake"],
            "LIVENESS_PORT": str(free_port()),
            "METRICS_PORT": str(free_port()),
            "SUB_FOLDER": str(state_folder.resolve()),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }

    async def _listen(self, service: Service, tls: ssl.SSLContext) -> int:
        handle = partial(self._handle, service)
        handler = web.Server(handle, keepalive_timeout=_KEEP_ALIVE_S, access_log=None)
        server = await self._loop.create_server(handler, "127.0.0.1", 0, ssl=tls)
        self._servers.append((server, handler))
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        for server, handler in self._servers:
            server.close()
            connections = [connection.transport for connection in handler.connections if connection.transport]
            await handler.shutdown(timeout=0.1)
            for transport in connections:
                with suppress(AttributeError):  # Python 3.11.2, of one that has ended meanwhile
                    transport.abort()  # a clean end of TLS would wait for the other side
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0)  # for the sockets of what was ended now

    async def _handle(self, service: Service, received: web.BaseRequest) -> web.StreamResponse:
        arrived = self._loop.time()
        headers = {name.lower(): value for name, value in received.headers.items()}
        body = await received.content.read()  # of any size: the intake itself rejects what is too large
        request = Request(received.method, received.path, headers, body)
        response = Response(ending="hang") if self._is_forgotten(received) else self.world.answer(service, request)
        await asyncio.sleep(max(0.0, arrived + response.delay - self._loop.time()))
        if received.transport is not None:
            self._answered_at[received.transport] = self._loop.time()
        if response.ending == "complete":
            return web.Response(status=response.status, headers=response.headers, body=response.body)
        answer = web.StreamResponse(status=response.status, headers=response.headers)
        with suppress(ConnectionError):  # the caller has timed out
            await _end_badly(received, response, answer, self.world.settings.network.trickle_s)
        return answer

    def _is_forgotten(self, received: web.BaseRequest) -> bool:
        """Return whether a firewall has forgotten the connection: it takes the bytes, and nobody gets them."""
        limit, transport = self.world.settings.network.forgets_after_s, received.transport
        answered_at = None if transport is None else self._answered_at.get(transport)
        return limit is not None and answered_at is not None and self._loop.time() - answered_at > limit


async def _end_badly(
    received: web.BaseRequest, response: Response, answer: web.StreamResponse, trickle_s: float
) -> None:
    if response.ending == "hang":
        await asyncio.sleep(_LONGEST_HANG_S)
    elif response.ending != "reset":
        answer.content_length = len(response.body)
        await answer.prepare(received)
    if response.ending == "cut":
        await answer.write(response.body[: len(response.body) // 2])
    elif response.ending == "trickle":
        for place in range(len(response.body)):
            await asyncio.sleep(trickle_s)
            await answer.write(response.body[place : place + 1])
        return
    if received.transport is not None:
        if response.ending == "cut":
            received.transport.close()
        else:
            received.transport.abort()


def free_port() -> int:
    """Return a port that nobody listens on, below the range of outgoing connections; each process has its hundred."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
