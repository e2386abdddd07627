"""The least that the SDK lets a connector spend: its own push of texts that are ready, and one parse of each page.

Run in a process of its own with the environment of a connector, and the number of events and the page size as
arguments; prints CPU times in seconds per event as JSON.
"""

import json
import os
import sys
import time
from typing import Any

import orjson
from sekoia_automation.connector import Connector

from cyberark_modules import CyberArkModule
from sandbox.events.factory import EventFactory

_PAGES_KEPT = 40
_START_MS = 1_800_000_000_000


class FloorConnector(Connector):
    """Nothing but the SDK."""

    def run(self) -> None:
        events, size = int(sys.argv[1]), int(sys.argv[2])
        factory = EventFactory()
        pages = [
            [b"".join(factory.parts(number, _START_MS + number)) for number in range(first, first + size)]
            for first in range(0, _PAGES_KEPT * size, size)
        ]
        bodies = [b'{"data":[' + b",".join(page) + b"]}" for page in pages]
        texts: list[list[Any]] = [[text.decode() for text in page] for page in pages]
        self.push_events_to_intakes(texts[0])  # the connection is made
        parse = push = 0.0
        for number in range(events // size):
            began = time.process_time()
            orjson.loads(bodies[number % _PAGES_KEPT])
            parsed = time.process_time()
            self.push_events_to_intakes(texts[number % _PAGES_KEPT])
            parse, push = parse + parsed - began, push + time.process_time() - parsed
        count = events // size * size
        print(json.dumps({"parse": parse / count, "push": push / count}), flush=True)


if __name__ == "__main__":
    FloorConnector(CyberArkModule()).run()  # type: ignore[no-untyped-call]
    # The SDK's threads would hold the process.
    os._exit(0)
