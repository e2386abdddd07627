"""The parts of the engine in virtual time."""

import signal
from collections.abc import Iterator
from threading import Event

import pytest

from cyberark_modules.clock import ServiceClock
from cyberark_modules.context import Context
from cyberark_modules.sdk.stop import StopRequest
from cyberark_modules.telemetry.reporter import Reporter
from fakes.tenant import Tenant
from fakes.virtual_time import VirtualThreads, VirtualTime


class Engine:
    """What the parts are given; `lines` are those of the log, by level."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.stop_event = Event()
        self.service_clock = ServiceClock(self.time)
        self.context = Context(
            self.time,
            self.service_clock,
            VirtualThreads(self.time, self.stop_event),  # type: ignore[arg-type]
            StopRequest(self.stop_event, self.time.monotonic),
            lambda: None,
        )
        self.lines: list[tuple[str, str]] = []
        self.reporter = Reporter(
            lambda text, level: self.lines.append((level, text)),
            self.time.monotonic,
            self.service_clock.now_ms,
            self.service_clock.skew,
        )


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
