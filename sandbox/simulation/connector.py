"""The connector in virtual time, with the sandbox in the place of the network. Of the second edition.

`sandbox/simulation/simulation.py` takes it once its import of `first_edition` reads `connector`.
"""

import logging
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import requests
from cachetools import TLRUCache
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

from cyberark_modules import CyberArkModule
from cyberark_modules.clock import TenantClock
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from sandbox.simulation import folder
from sandbox.simulation.network import Network
from sandbox.simulation.tasks import SimulatedBackground, Tasks, install
from sandbox.simulation.timeline import ProcessClock

Say = Callable[[str, str], None]
# What the connector says goes to the platform's log only: days of lines on the console would say nothing.
_SILENT = logging.getLogger("simulation")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())
folder.install()
install()


class SimulatedConnector(CyberArkAuditLogsConnector):
    """The real connector, but for threads, sockets, and the sending of its log lines."""

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
        self.clock = clock  # before the SDK's connector is made, whose parts take it from here
        self._network = network
        self._say = say
        self._events_per_request = events_per_request
        module = CyberArkModule()
        of_account = CyberArkModuleConfiguration.model_fields
        module.configuration = CyberArkModuleConfiguration(
            **{name: value for name, value in values.items() if name in of_account}
        )
        super().__init__(module, data_path)
        self.configuration = CyberArkAuditLogsConfiguration(
            **{name: value for name, value in values.items() if name not in of_account}
        )
        self.background = SimulatedBackground(self._stop_event, tasks.timeline, tasks)  # type: ignore[assignment]
        self._executor = tasks  # type: ignore[assignment]
        self._logger = _SILENT
        # Real time would hide from the platform's log what is said twice within a real minute.
        self._rate_limited_logs = TLRUCache(4096, self.log_ttl, timer=clock.monotonic)
        self._attach(self._http_session)

    def make_transport(self, tenant_clock: TenantClock) -> Transport:
        transport = super().make_transport(tenant_clock)
        self._attach(transport.session)
        return transport

    def _attach(self, session: requests.Session) -> None:
        session.mount("https://", self._network)
        session.trust_env = False  # there is no proxy to be looked for at each request

    def _send_logs_to_api(self) -> None:
        for line in self._logs:
            self._say(line["level"], line["message"])
        self._logs.clear()

    def log(self, message: str, level: Any = "info", *args: Any, **kwargs: Any) -> None:
        super().log(message, level, *args, **kwargs)
        self._send_logs_to_api()

    def _chunk_events(self, events: Any) -> Generator[list[Any], None, None]:
        for chunk in super()._chunk_events(events):
            for start in range(0, len(chunk), self._events_per_request):
                yield chunk[start : start + self._events_per_request]
