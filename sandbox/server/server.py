"""The sandbox on loopback: four TLS servers in one thread."""

import asyncio
import json
import os
import socket
import ssl
import tempfile
import threading
from functools import partial
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from sandbox.environment import SERVICES, Environment, Service
from sandbox.faults import Faults
from sandbox.http import Request, Response
from sandbox.ledger.ledger import Ledger
from sandbox.platform.sekoia import Sekoia
from sandbox.server.clock import SandboxClock
from sandbox.tenant.tenant import Tenant

_LARGEST_REQUEST = 64 * 1024 * 1024
_LONGEST_HANG_SECONDS = 300.0
_FIRST_PORT = 20_000 + os.getpid() % 120 * 100
_PORTS = cycle(range(_FIRST_PORT, _FIRST_PORT + 100))
_MODULE_FIELDS = ("auth_base_url", "login_name", "password", "application_id")


class Sandbox:
    """An environment that real clients reach over TLS, between `__enter__` and `__exit__`.

    `clock` may be moved (see SandboxClock). The certificate authority is made for this run: clients find it in
    `ca_file`.
    """

    def __init__(self, seed: int = 0, clock_offset: float = 0.0, string_timestamps: bool = False) -> None:
        self.clock = SandboxClock(clock_offset)
        self.environment = Environment(self.clock, seed, string_timestamps)
        self.urls: dict[Service, str] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="cyberark-sandbox-")
        self.ca_file = Path(self._directory.name) / "ca.pem"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._servers: list[tuple[asyncio.Server, web.Server]] = []

    @property
    def tenant(self) -> Tenant:
        return self.environment.tenant

    @property
    def sekoia(self) -> Sekoia:
        return self.environment.sekoia

    @property
    def ledger(self) -> Ledger:
        return self.environment.ledger

    @property
    def faults(self) -> Faults:
        return self.environment.faults

    @property
    def identity_url(self) -> str:
        return self.urls["identity"]

    @property
    def audit_url(self) -> str:
        return self.urls["audit"]

    @property
    def intake_url(self) -> str:
        return self.urls["intake"]

    @property
    def platform_url(self) -> str:
        return self.urls["platform"]

    def __enter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
        self._thread.start()
        for service in SERVICES:
            port = asyncio.run_coroutine_threadsafe(self._listen(service, tls), self._loop).result()
            self.urls[service] = f"https://localhost:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._directory.cleanup()

    def environment_variables(self, state_dir: Path, **configuration: Any) -> dict[str, str]:
        """What the platform sets for a connector of this tenant.

        `configuration` overrides fields of both forms by their names; a value of None leaves a field out. The
        password stands in the form as a placeholder: the true one is handed out by the secrets endpoint.
        """
        tenant, sekoia = self.tenant, self.sekoia
        values: dict[str, Any] = {
            "auth_base_url": self.identity_url,
            "login_name": tenant.identity_settings.login_name,
            "password": "*****",
            "application_id": tenant.identity_settings.application_id,
            "api_base_url": self.audit_url,
            "api_key": tenant.settings.api_key,
            "intake_server": self.intake_url,
            "intake_key": sekoia.settings.intake_key,
            **configuration,
        }
        given = {name: value for name, value in values.items() if value is not None}
        module = {name: value for name, value in given.items() if name in _MODULE_FIELDS}
        connector = {name: value for name, value in given.items() if name not in _MODULE_FIELDS}
        return {
            "MODULE_CONFIGURATION": json.dumps(module),
            "CONNECTOR_CONFIGURATION": json.dumps(connector),
            "TOKEN": sekoia.settings.token,
            "URL_CALLBACK": f"{self.platform_url}/callback",
            "URL_LOGS": f"{self.platform_url}/logs",
            "URL_SECRETS": f"{self.platform_url}/secrets",
            "INTAKE_URL": self.intake_url,
            "LIVENESS_PORT": str(free_port()),
            "METRICS_PORT": str(free_port()),
            "SUB_FOLDER": str(state_dir.resolve()),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }

    async def _listen(self, service: Service, tls: ssl.SSLContext) -> int:
        handler = web.Server(partial(self._handle, service), request_factory=_make_request)
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
                transport.abort()  # a clean end of TLS would wait for the other side
        # What still hangs or waits on purpose ends with the server.
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0)  # for the sockets of what was ended now

    async def _handle(self, service: Service, received: web.BaseRequest) -> web.StreamResponse:
        arrived = self._loop.time()
        headers = {name.lower(): value for name, value in received.headers.items()}
        request = Request(received.method, received.path, headers, await received.read())
        response = self.environment.answer(service, request)
        await asyncio.sleep(max(0.0, arrived + response.delay - self._loop.time()))
        if response.ending == "complete":
            return web.Response(status=response.status, headers=response.headers, body=response.body)
        return await _end_badly(received, response)


async def _end_badly(received: web.BaseRequest, response: Response) -> web.StreamResponse:
    answer = web.StreamResponse(status=response.status, headers=response.headers)
    if response.ending == "hang":
        await asyncio.sleep(_LONGEST_HANG_SECONDS)
    elif response.ending == "cut":
        answer.content_length = len(response.body)
        await answer.prepare(received)
        await answer.write(response.body[: len(response.body) // 2])
    if received.transport is not None:
        if response.ending == "cut":
            received.transport.close()
        else:
            received.transport.abort()
    return answer


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: Any,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    """As aiohttp makes them, but with room for a payload that the intake is to refuse itself."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_REQUEST)


def free_port() -> int:
    """A port of this machine that nobody listens on now.

    Below the range that the system gives to outgoing connections, one of which could take it at any moment. Each
    process goes through a hundred ports of its own: two side by side would take the same one now and then.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
