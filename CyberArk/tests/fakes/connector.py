"""A connector of the SDK without a platform: its configuration is given, its state is in a folder."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sekoia_automation.connector import DefaultConnectorConfiguration
from sekoia_automation.module import Module

from cyberark_modules.audit_api.events import Event, read_event
from cyberark_modules.platform.connector import PlatformConnector

KEY = "s3cret-intake-key"


@dataclass
class Time:
    """A monotonic clock (s) that stands still until a test moves it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def connector_to(intake_server: str, folder: Path) -> Iterator[PlatformConnector]:
    """A connector that pushes to this address; its handlers of signals are taken away again."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    connector = PlatformConnector(Module(), folder)
    connector._configuration = DefaultConnectorConfiguration(intake_server=intake_server, intake_key=KEY)
    try:
        yield connector
    finally:
        connector.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def events(count: int, size: int = 0, start: int = 0) -> list[Event]:
    """Return events of about `size` characters, whose uuids are numbered from `start` on."""
    texts = []
    for number in range(start, start + count):
        fields = {"uuid": f"{number:08x}-0000-4000-8000-000000000000", "p": "x" * max(0, size - 60)}
        texts.append(json.dumps(fields))
    return [read_event(text) for text in texts]
