"""The whole connector between a tenant and an intake on loopback, by a clock that the test moves.

Nothing of the connector is replaced but its clock and where its log lines go. Time passes only while it waits, so an
hour takes as long as its requests.
"""

import json
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sekoia_automation.module import LogLevelStr

from cyberark_modules import CyberArkModule
from cyberark_modules.checkpoint.encoding import decode
from cyberark_modules.checkpoint.store import FILE_NAME
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.clock import Clock
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from fakes.intake_server import IntakeServer
from fakes.tenant import TenantServer

PASSWORD = "s3cret-password"
START_S = 1_800_000_000
START_MS = START_S * 1000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Killed(BaseException):
    """The process is killed."""


class FakeClock(Clock):
    """Passes while something waits. `skew` is how far (s) this machine's clock is ahead of the tenant's.

    `alarms` are called when their moment (s since the start) has come, in the thread that waits.
    """

    def __init__(self) -> None:
        self.passed = 0.0
        self.skew = 0.0
        self.waits: list[float] = []
        self.alarms: list[tuple[float, Callable[[], None]]] = []

    def wall(self) -> float:
        return START_S + self.passed + self.skew

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def tenant(self) -> float:
        """The tenant's time (epoch s)."""
        return START_S + self.passed

    def now_ms(self) -> int:
        return int(self.tenant() * 1000)

    def wait(self, stop: threading.Event, seconds: float) -> None:
        end = self.passed + seconds
        self.waits.append(seconds)
        for alarm in sorted((each for each in self.alarms if each[0] <= end), key=lambda each: each[0]):
            self.alarms.remove(alarm)
            self.passed = max(self.passed, alarm[0])
            alarm[1]()
            if stop.is_set():
                return
        self.passed = max(self.passed, end)


class Scene:
    """A tenant, an intake, a folder for the state. `form` holds the connector's fields."""

    def __init__(self, tenant: TenantServer, intake: IntakeServer, clock: FakeClock, folder: Path) -> None:
        self.tenant = tenant
        self.intake = intake
        self.clock = clock
        self.folder = folder
        self.form: dict[str, Any] = {"start_time": 1}
        self.lines: list[tuple[str, str]] = []
        self.connector: CyberArkAuditLogsConnector | None = None
        self.accepted_at: dict[str, float] = {}
        intake.respond = self.note

    def run(self, seconds: float, kill: bool = False) -> None:
        """Start the connector, and stop it (or kill it) so many seconds later."""
        self.connector = connector = self._made()
        alarm = (self.clock.passed + seconds, _kill if kill else connector.stop)
        self.clock.alarms.append(alarm)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            connector.run()
        except Killed:
            pass
        finally:
            connector.stop()
            if alarm in self.clock.alarms:
                self.clock.alarms.remove(alarm)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _made(self) -> CyberArkAuditLogsConnector:
        scene = self

        class Connector(CyberArkAuditLogsConnector):
            clock = scene.clock

            def log(self, message: str, level: LogLevelStr = "info", *args: Any, **kwargs: Any) -> None:
                scene.lines.append((level, message))

        module = CyberArkModule()
        # Loopback without TLS, which the forms rightly refuse.
        module._configuration = CyberArkModuleConfiguration(
            auth_base_url="https://identity.test", login_name="svc@a.1", password=PASSWORD, application_id="app"
        ).model_copy(update={"auth_base_url": self.tenant.url})
        form = {"api_base_url": "https://audit.test", "api_key": "key", "intake_key": "intake"} | self.form
        connector = Connector(module, self.folder)
        connector._configuration = CyberArkAuditLogsConfiguration(**form).model_copy(
            update={"api_base_url": self.tenant.url, "intake_server": self.intake.url}
        )
        return connector

    def note(self, texts: list[str], _size: int) -> None:
        """Note when the intake accepts events (s since the start)."""
        for text in texts:
            self.accepted_at.setdefault(text, self.clock.passed)

    @property
    def stored(self) -> Checkpoint:
        """What a restart would go on from."""
        return decode((self.folder / FILE_NAME).read_bytes(), self.clock.now_ms())

    @property
    def delivered(self) -> Counter[str]:
        """How often the intake has accepted each event, by its uuid."""
        counts: Counter[str] = Counter()
        for text, count in self.intake.accepted.items():
            counts[str(json.loads(text)["uuid"])] += count
        return counts

    def said(self, level: str) -> list[str]:
        """The lines that were logged at that level."""
        return [text for each, text in self.lines if each == level]

    def copy_state(self, name: str) -> Path:
        """Copy the state as it stands now; return the folder of the copy."""
        return Path(shutil.copytree(self.folder, self.folder.with_name(name)))

    def assert_each_delivered_once(self, but_for_s: float = 0.0) -> None:
        """Everything that the tenant had shown until so many seconds ago is in the intake, once."""
        until_ms = self.clock.now_ms() - but_for_s * 1000
        shown = {event.text for event in self.tenant.events if event.shown_ms <= until_ms}
        assert shown - set(self.intake.accepted) == set()
        assert {text: count for text, count in self.intake.accepted.items() if count > 1} == {}


def _kill() -> None:
    raise Killed


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    """A scene whose state is in that folder."""
    clock = FakeClock()
    with TenantServer(clock.tenant) as tenant, IntakeServer() as intake:
        yield Scene(tenant, intake, clock, folder / "state")
