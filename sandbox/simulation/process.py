"""The connector as a simulated process: the real object, in virtual time."""

import logging
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import requests
from cachetools import TLRUCache

from cyberark_modules import CyberArkModule
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.clock import TenantClock
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from sandbox.simulation.network import Network
from sandbox.simulation.tasks import SimulatedBackground, Tasks, install
from sandbox.simulation.timeline import Group, Killed, ProcessClock, Timeline

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
        account: CyberArkModuleConfiguration,
        configuration: CyberArkAuditLogsConfiguration,
        tasks: Tasks,
        network: Network,
        clock: ProcessClock,
        say: Say,
        events_per_request: int,
    ) -> None:
        module = CyberArkModule()
        module.configuration = account
        self.clock = clock  # first: what is made there goes by it
        super().__init__(module, data_path)
        self.configuration = configuration
        self.background = SimulatedBackground(self._stop_event, tasks.timeline, tasks)  # type: ignore[assignment]
        self._network = network
        self._say = say
        self._events_per_request = events_per_request
        self._executor = tasks  # type: ignore[assignment]
        self._attach(self._http_session)
        self._logger = _SILENT
        # Real time would hide from the platform's log what is said twice within a real minute.
        self._rate_limited_logs = TLRUCache(4096, self.log_ttl, timer=clock.monotonic)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What it goes on from and has committed, stored or not; None before it is loaded."""
        state = self.state
        return state.checkpoint if state is not None and state.is_loaded else None

    def make_transport(self, tenant_clock: TenantClock) -> Transport:
        transport = super().make_transport(tenant_clock)
        self._attach(transport.session)
        return transport

    def _attach(self, session: requests.Session) -> None:
        vars(session)["request"] = partial(self._network.request, session)

    def _send_logs_to_api(self) -> None:  # type: ignore[override]
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


class Process:
    """Runs a connector, whenever the timeline gives it the turn."""

    def __init__(self, make: Callable[[Tasks], SimulatedConnector], timeline: Timeline) -> None:
        self._timeline = timeline
        self._group = Group()
        with _signals_kept():
            self.connector = make(Tasks(timeline, self._group))
        self._has_ended = False
        timeline.start(self._group, self._run)

    @property
    def running(self) -> bool:
        return not self._has_ended and not self._group.is_dying

    @property
    def is_killed(self) -> bool:
        """Whether it was ended where it was."""
        return self._group.is_dying

    def kill(self) -> None:
        """End it where it is, with all that it does."""
        self._timeline.end(self._group)

    def _run(self) -> None:
        try:
            self.connector.run()
        except Killed:
            self._group.is_dying = True
        except BaseException as error:  # raised where the time is driven
            self._timeline.fail(error)
        finally:
            self._has_ended = True
            self._timeline.interrupt()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """The SDK takes the signals of the process that makes a connector; they stay with whoever simulates."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
