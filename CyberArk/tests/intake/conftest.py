"""A connector of the SDK with an intake on loopback."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cyberark_modules.audit_api.events import Event
from cyberark_modules.intake import Intake, Outcome
from cyberark_modules.platform.connector import PlatformConnector
from fakes.connector import Time, connector_to
from fakes.intake_server import IntakeServer


@dataclass
class Caller:
    """Pushes as the collection does: what remains is pushed again, a second later unless there was progress."""

    intake: Intake
    time: Time

    def push_all(self, events: list[Event], attempts: int = 30) -> list[Outcome]:
        outcomes: list[Outcome] = []
        remaining = tuple(events)
        while remaining and len(outcomes) < attempts:
            outcomes.append(self.intake.push(remaining))
            remaining = outcomes[-1].remaining
            if not outcomes[-1].made_progress:
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
def connector(server: IntakeServer, tmp_path: Path) -> Iterator[PlatformConnector]:
    with connector_to(server.url, tmp_path) as connector:
        yield connector


@pytest.fixture
def intake(connector: PlatformConnector, time: Time) -> Intake:
    return Intake(connector.channel, lambda: not connector.running, time)


@pytest.fixture
def caller(intake: Intake, time: Time) -> Caller:
    return Caller(intake, time)
