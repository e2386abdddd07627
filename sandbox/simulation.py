"""The real connector in virtual time, against the same world that the sandbox serves over TLS.

Days pass in seconds, the same seed gives the same run, and the process can be killed at any request, write or wait.

    with Simulation(seed=1) as simulation:
        simulation.world.produce(20)
        simulation.start()
        simulation.run_for(3600)
        assert simulation.world.ledger.lost_count(patience_s=60) == 0
"""

import logging
import os
import random
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import requests

from cyberark_modules import CyberArkModule
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from cyberark_modules.context import Context
from cyberark_modules.masking import masked
from sandbox.state_folder import Point, StateFolder
from sandbox.virtual_time import Killed, Process, Timeline, VirtualContext, VirtualExecutor
from sandbox.world.messages import SERVICES, Request, Response, Service
from sandbox.world.world import World

START = 1_800_000_000.0
"""Epoch seconds at which every simulation begins."""

# fsync costs nothing there, and there is nothing to survive.
_MEMORY = Path("/dev/shm")
_URLS: Mapping[Service, str] = {service: f"https://{service}.simulation" for service in SERVICES}
_SERVICES = {urlsplit(url).netloc: service for service, url in _URLS.items()}
_SILENT = logging.getLogger("simulation")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())


class Line(NamedTuple):
    """A line of the connector's log."""

    time: float
    level: str
    message: str


class SimulatedConnector(CyberArkAuditLogsConnector):
    """The connector, with virtual time in the place of threads, and the world in the place of the network."""

    def __init__(self, simulation: "Simulation", module: CyberArkModule) -> None:
        self._simulation = simulation
        super().__init__(module, simulation.folder.path)
        self._executor = VirtualExecutor()  # type: ignore[assignment]
        self._logger = _SILENT
        vars(self.http).update(exchange=simulation.exchange, within=lambda seconds, call: call())

    def make_context(self) -> Context:
        simulation = self._simulation
        return VirtualContext(simulation.timeline, lambda: simulation.wall_offset, self._stop_event, self.beat)

    def log(self, message: str, level: Any = "info", *args: Any, **kwargs: Any) -> None:
        self._simulation.hear(Line(self._simulation.timeline(), str(level), masked(message)))


class Simulation:
    """A world, a state folder and a connector. Time passes in `run_for` and `run_until` only.

    `configuration` overrides fields of both forms. `latency_s` is the way to a service, and back. `wall_offset` is how
    many seconds the machine's clock is ahead. `observe` is called with each request and its answer.
    """

    def __init__(
        self,
        seed: int = 0,
        latency_s: float = 0.02,
        observe: Callable[[Service, Request, Response], None] = lambda *_: None,
        **configuration: Any,
    ) -> None:
        self.timeline = Timeline(START)
        self.world = World(self.timeline, seed)
        self.latency_s = latency_s
        self.lines: deque[Line] = deque(maxlen=100_000)
        self.wall_offset = 0.0
        self.kills = 0
        memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self._directory = tempfile.TemporaryDirectory(prefix="cyberark-simulation-", dir=memory)
        self.folder = StateFolder(Path(self._directory.name) / "state", self.timeline, self._die)
        self._observe = observe
        self._configuration = configuration
        self._connector: SimulatedConnector | None = None
        self._kill_at: tuple[int, Service | None, bool] | None = None
        self._random_state = random.getstate()
        random.seed(seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.timeline.process is not None:
            self.timeline.process.kill()
        random.setstate(self._random_state)
        self._directory.cleanup()

    @property
    def now(self) -> float:
        return self.timeline.now

    @property
    def is_running(self) -> bool:
        return self.timeline.process is not None and self.timeline.process.is_running

    @property
    def connector(self) -> SimulatedConnector:
        """Return the one that was started last."""
        if self._connector is None:
            raise RuntimeError("the connector was not started")
        return self._connector

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Return what the connector has committed, saved or not; None before it is loaded."""
        saved = self.connector.saved
        return saved.value if saved is not None and saved.is_loaded else None

    def hear(self, line: Line) -> None:
        """Keep a line of the log."""
        self.lines.append(line)

    def start(self) -> None:
        """Start a process on what the last one has left. Nothing of it happens before time passes."""
        if self.is_running:
            raise RuntimeError("the connector is running already")
        with _signals_kept():
            self._connector = self._make()
        self.timeline.process = Process(self._connector.run)

    def stop(self, within: float = 60.0) -> float:
        """Ask it to stop, as SIGTERM does, and return how many seconds it took."""
        began = self.now
        self.connector.stop()
        if not self.run_until(lambda: not self.is_running, within, step=0.1):
            raise AssertionError(f"the connector did not stop within {within:g} s")
        return self.now - began

    def kill(self) -> None:
        """Kill it where it is."""
        if self.timeline.process is not None and self.is_running:
            self.timeline.process.kill()
            self.kills += 1

    def pause(self, seconds: float) -> None:
        """Stop the process for that long, as SIGSTOP does."""
        if self.timeline.process is not None:
            self.timeline.process.paused_until = self.now + seconds

    def at(self, moment: float, action: Callable[[], None]) -> None:
        self.timeline.at(moment, action)

    def run_for(self, seconds: float, restart: bool = False) -> None:
        """Let time pass; a connector that ends meanwhile is started again at once if it is to `restart`."""
        end = self.now + seconds
        while self.now < end:
            if restart and not self.is_running:
                self.start()
            process, ran = self.timeline.process, self.is_running
            self.timeline.run_to(end)
            if process is not None and ran and not process.is_running:
                self.kills += process.is_killed

    def run_until(self, holds: Callable[[], bool], within: float, step: float = 10.0, restart: bool = False) -> bool:
        """Let time pass until something holds, checked every `step` seconds; return whether it does."""
        end = self.now + within
        while not holds():
            if self.now >= end:
                return False
            self.run_for(min(step, end - self.now), restart)
        return True

    def kill_at_request(self, number: int, service: Service | None = None, *, after: bool) -> None:
        """Kill the process at its request of that number from now (1: the next), before or after it has its effect."""
        self._kill_at = (number, service, after)

    def kill_at_write(self, number: int, point: Point) -> None:
        self.folder.kill_at_write(number, point)

    def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Carry a request to the world and its answer back; see `Http.exchange`."""
        address, timeline = urlsplit(url), self.timeline
        service = _SERVICES[address.netloc]
        kill, after = self._kill_is_due(service)
        if kill and not after:
            self._die()
        timeline.advance(0 if kill else self.latency_s)
        request = Request("POST", address.path, {name.lower(): value for name, value in headers.items()}, body)
        response = self.world.answer(service, request)
        self._observe(service, request, response)
        if kill:
            self._die()
        seconds = response.delay + self.latency_s
        if response.ending in ("hang", "trickle") or seconds > deadline_s:
            timeline.advance(deadline_s)
            raise requests.ReadTimeout("no answer in time")
        timeline.advance(seconds)
        if response.ending == "reset":
            raise requests.ConnectionError("the connection was reset")
        if response.ending == "cut":
            raise requests.exceptions.ChunkedEncodingError("the connection was cut")
        if response.headers.get("Content-Encoding") == "gzip":
            raise requests.exceptions.ContentDecodingError("incorrect header check")
        return response.status, response.headers, response.body

    def _die(self) -> None:
        """Kill the process from within."""
        if self.timeline.process is not None:
            self.timeline.process.is_killed = True
        raise Killed

    def _kill_is_due(self, service: Service) -> tuple[bool, bool]:
        if self._kill_at is None or self._kill_at[1] not in (None, service):
            return False, False
        number, wanted, after = self._kill_at
        self._kill_at = (number - 1, wanted, after) if number > 1 else None
        return number <= 1, after

    def _make(self) -> SimulatedConnector:
        module = CyberArkModule()
        account, form = self.world.forms(_URLS, **self._configuration)
        module.configuration = CyberArkModuleConfiguration(**account)
        connector = SimulatedConnector(self, module)
        connector.configuration = CyberArkAuditLogsConfiguration(**form)
        return connector


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep the signals of who simulates: the SDK takes those of the process that makes a connector."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
