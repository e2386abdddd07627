"""The connector of the first edition in virtual time; goes when `connector.py` is used."""

import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import requests
from cachetools import TLRUCache

from cyberark_modules import CyberArkModule
from cyberark_modules.checkpoint import Checkpoint
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from cyberark_modules.models import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from sandbox.simulation.network import Network
from sandbox.simulation.tasks import Tasks, install
from sandbox.simulation.timeline import ProcessClock

T = TypeVar("T")
Say = Callable[[str, str], None]
# What the connector says goes to the platform's log only: days of lines on the console would say nothing.
_SILENT = logging.getLogger("simulation")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())
install()


class SimulatedConnector(CyberArkAuditLogsConnector):
    """The connector, with virtual time in the place of threads, and the sandbox in the place of the network."""

    def __init__(
        self,
        data_path: Path,
        values: dict[str, Any],
        tasks: Tasks,
        network: Network,
        clock: ProcessClock,
        say: Say,
        events_per_request: int,
    ) -> None:
        module = CyberArkModule()
        of_account = CyberArkModuleConfiguration.model_fields
        module.configuration = CyberArkModuleConfiguration(
            **{name: value for name, value in values.items() if name in of_account}
        )
        super().__init__(module, data_path)
        self.configuration = CyberArkAuditLogsConfiguration(
            **{name: value for name, value in values.items() if name not in of_account}
        )
        self.clock = clock
        self._network = network
        self._say = say
        self._events_per_request = events_per_request
        self._executor = self._tasks = tasks  # type: ignore[assignment]
        self._attach(self._http_session)
        self._logger = _SILENT
        # Real time would hide from the platform's log what is said twice within a real minute.
        self._rate_limited_logs = TLRUCache(4096, self.log_ttl, timer=clock.monotonic)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What it goes on from and has committed, stored or not; None before it is loaded."""
        return getattr(getattr(self, "_state", None), "checkpoint", None)

    def _prepare(self) -> None:
        super()._prepare()
        self._attach(self._api._transport.session)

    def _attach(self, session: requests.Session) -> None:
        session.mount("https://", self._network)
        session.trust_env = False  # there is no proxy to be looked for at each request

    def _send_logs_to_api(self) -> None:  # type: ignore[override]
        for line in self._logs:
            self._say(line["level"], line["message"])
        self._logs.clear()

    def log(self, message: str, level: Any = "info", *args: Any, **kwargs: Any) -> None:
        super().log(message, level, *args, **kwargs)
        self._send_logs_to_api()

    def in_background(self, call: Callable[[], T]) -> Future[T]:
        return self._tasks.submit(call)

    def _chunk_events(self, events: Any) -> Generator[list[Any], None, None]:
        for chunk in super()._chunk_events(events):
            for start in range(0, len(chunk), self._events_per_request):
                yield chunk[start : start + self._events_per_request]
