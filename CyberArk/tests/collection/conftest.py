"""The parts of the engine in virtual time."""

import signal
from collections.abc import Iterator
from threading import Event

import pytest

from cyberark_modules.telemetry.reporter import Reporter
from fakes.tenant import Tenant
from fakes.virtual_time import VirtualContext, VirtualTime


class Engine:
    """What the parts are given; `lines` are those of the log, by level."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.stop_event = Event()
        self.context = VirtualContext(self.time, self.stop_event)
        self.clock = self.context.clock
        self.lines: list[tuple[str, str]] = []
        self.reporter = Reporter(lambda text, level: self.lines.append((level, text)), self.clock)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """A tenant; the signals that the SDK takes for a connector are given back. Nothing here survives the machine."""
    monkeypatch.setattr("os.fsync", lambda _file: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Tenant()
    for number, handler in handlers.items():
        signal.signal(number, handler)
