"""A tenant, a platform, a state folder and a connector, over simulated time."""

import os
import random
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from sandbox.environment import Environment, Service
from sandbox.http import Request, Response
from sandbox.simulation.folder import StateFolder
from sandbox.simulation.network import Latency, Network
from sandbox.simulation.process import Process, SimulatedConnector
from sandbox.simulation.tasks import Tasks
from sandbox.simulation.timeline import ProcessClock, Timeline

START = 1_800_000_000.0
"""Epoch seconds at which every simulation begins."""

# fsync costs nothing there, and there is nothing to survive.
_MEMORY = Path("/dev/shm")
_ACCOUNT_FIELDS = frozenset(CyberArkModuleConfiguration.model_fields)


class Line(NamedTuple):
    """A line of the connector's log on the platform."""

    time: float
    level: str
    message: str


class Simulation:
    """Between `__enter__` and `__exit__`, time passes in `run_for` only. Not for several threads.

    `observe` is told of each exchange with a service, `stored` of each file of the state that was written, `ended` of
    each end of a process and whether it was killed. `configuration` overrides fields of both forms; `configure`
    changes them for the next start.
    """

    def __init__(
        self,
        seed: int = 0,
        latency: Latency | None = None,
        events_per_request: int = 1_000_000,
        observe: Callable[[Service, Request, Response], None] = lambda *_: None,
        stored: Callable[[str], None] = lambda _: None,
        ended: Callable[[bool], None] = lambda _: None,
        **configuration: Any,
    ) -> None:
        self.timeline = Timeline(START)
        self.environment = Environment(self.timeline, seed)
        self.network = Network(self.timeline, self.environment, latency or Latency(), observe)
        self.lines: deque[Line] = deque(maxlen=100_000)
        self.wall_offset = 0.0
        self.kills = 0
        self._seed = seed
        self.started_at = START
        self._events_per_request = events_per_request
        self._configuration = configuration
        self._directory = tempfile.TemporaryDirectory(
            prefix="cyberark-simulation-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
        )
        self.folder = StateFolder(Path(self._directory.name) / "state", stored)
        self._ended = ended
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._random_state = random.getstate()
        random.seed(self._seed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.running:
            self._process.kill()
        self.timeline.close()
        random.setstate(self._random_state)
        self._directory.cleanup()

    @property
    def now(self) -> float:
        return self.timeline.now

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def connector(self) -> SimulatedConnector:
        """The one that was started last."""
        if self._process is None:
            raise RuntimeError("the connector was not started")
        return self._process.connector

    def configure(self, **configuration: Any) -> None:
        self._configuration |= configuration

    def start(self) -> None:
        """Start a process on what the last one has left. Nothing of it happens before time passes."""
        if self.running:
            raise RuntimeError("the connector is running already")
        self._process = Process(self._make, self.timeline)

    def stop(self) -> None:
        """Ask it to stop, now, and let it take the time that it takes."""
        self.connector.stop()
        while self.running:
            self.run_for(1.0)

    def kill(self) -> None:
        """Kill it where it is."""
        process = self._process
        if process is not None and process.running:
            process.kill()
            self._note_end(process)

    def run_for(self, seconds: float, restart: bool = False) -> None:
        """Let time pass; a connector that ends meanwhile is started again at once if it is to `restart`."""
        end = self.timeline.now + seconds
        while self.timeline.now < end:
            if restart and not self.running:
                self.start()
            process, ran = self._process, self.running
            try:
                self.timeline.run_to(end)
            finally:
                if process is not None and ran and not process.running:
                    self._note_end(process)

    def run_until(self, holds: Callable[[], bool], within: float, step: float = 10.0, restart: bool = False) -> bool:
        """Let time pass until something holds, looked at every `step` seconds; False when it does not in time."""
        end = self.timeline.now + within
        while not holds():
            if self.timeline.now >= end:
                return False
            self.run_for(step, restart)
        return True

    def _note_end(self, process: Process) -> None:
        """A connector that still wants to run was killed, and one may be while it stops. What it did ends with it."""
        was_killed = process.is_killed or process.connector.running
        process.kill()
        self.kills += was_killed
        self._ended(was_killed)

    def said(self, level: str) -> list[str]:
        return [line.message for line in self.lines if line.level == level]

    def _make(self, tasks: Tasks) -> SimulatedConnector:
        tenant, sekoia = self.environment.tenant, self.environment.sekoia
        values: dict[str, Any] = {
            "auth_base_url": "https://identity.simulation",
            "login_name": tenant.identity_settings.login_name,
            "password": sekoia.password,
            "application_id": tenant.identity_settings.application_id,
            "api_base_url": "https://audit.simulation",
            "api_key": tenant.settings.api_key,
            "intake_server": "https://intake.simulation",
            "intake_key": sekoia.settings.intake_key,
            **self._configuration,
        }
        return SimulatedConnector(
            self.folder.path,
            CyberArkModuleConfiguration(**{name: value for name, value in values.items() if name in _ACCOUNT_FIELDS}),
            CyberArkAuditLogsConfiguration(
                **{name: value for name, value in values.items() if name not in _ACCOUNT_FIELDS}
            ),
            tasks,
            self.network,
            ProcessClock(self.timeline, lambda: self.wall_offset),
            lambda level, message: self.lines.append(Line(self.timeline.now, level, message)),
            self._events_per_request,
        )
