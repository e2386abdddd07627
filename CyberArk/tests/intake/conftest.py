"""A connector of the SDK with an intake on loopback."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sekoia_automation.connector import DefaultConnectorConfiguration
from sekoia_automation.module import Module

from cyberark_modules.events import Event, read_event
from cyberark_modules.intake import Intake, Outcome
from cyberark_modules.platform.connector import PlatformConnector
from fakes.intake_server import IntakeServer

KEY = "s3cret-intake-key"


@dataclass
class Time:
    """A clock that stands still until a test moves it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """Pushes as the collection does: what remains again, until nothing does or too often."""

    intake: Intake
    time: Time
    waits: list[float] = field(default_factory=list)

    def push_all(self, events: list[Event], attempts: int = 30) -> list[Outcome]:
        outcomes: list[Outcome] = []
        remaining = tuple(events)
        while remaining and len(outcomes) < attempts:
            outcomes.append(self.intake.push(remaining))
            remaining = outcomes[-1].remaining
            if remaining and not outcomes[-1].made_progress:
                self.time.now += 1.0
        return outcomes


@pytest.fixture
def server() -> Iterator[IntakeServer]:
    with IntakeServer() as running:
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make_connector(tmp_path: Path) -> Iterator[Callable[[str], PlatformConnector]]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    made: list[PlatformConnector] = []

    def make(address: str) -> PlatformConnector:
        connector = PlatformConnector(Module(), tmp_path)  # type: ignore[no-untyped-call]
        connector._configuration = DefaultConnectorConfiguration(intake_server=address, intake_key=KEY)
        made.append(connector)
        return connector

    yield make
    for connector in made:
        connector.stop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def connector(server: IntakeServer, make_connector: Callable[[str], PlatformConnector]) -> PlatformConnector:
    return make_connector(server.url)


@pytest.fixture
def intake(connector: PlatformConnector, time: Time) -> Intake:
    return Intake(connector.channel, lambda: not connector.running, time)


@pytest.fixture
def caller(intake: Intake, time: Time) -> Caller:
    return Caller(intake, time)


def events(count: int, size: int = 0, start: int = 0) -> list[Event]:
    """Return events of about `size` characters."""
    texts = []
    for number in range(start, start + count):
        fields = {"uuid": f"{number:08x}-0000-4000-8000-000000000000", "p": "x" * max(0, size - 60)}
        texts.append(json.dumps(fields))
    return [read_event(text) for text in texts]
