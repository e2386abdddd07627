"""A sandbox, a connector's process in it, and what a test waits for."""

import json
import math
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from sandbox.process import ConnectorProcess
from sandbox.server import Sandbox
from sandbox.world.ledger import Snapshot

PAGE = 500
# Ten seconds, and what a busy machine takes to show the end of a process.
STOPS_WITHIN_S = 11.0
_TICK_S = 0.05
_CHANGED = Path(__file__).with_name("changed_main.py")

# Deadlines and pauses of a second or so in the place of a minute or so.
QUICK = {
    "http.TOKEN_S": 2.0,
    "http.QUERY_S": 2.0,
    "http.PAGE_S": 2.0,
    "http.PUSH_S": 3.0,
    "intake.pace.SILENT_S": 1.5,
    "intake.pace.PAUSE_S": 0.2,
    "intake.pace.LONGEST_PAUSE_S": 0.5,
    "intake.dead_letters.RESEND_AFTER_S": 1.0,
    "intake.RETRY_S": 0.5,
    "intake.REJECTED_RETRY_S": 2.0,
    "collection.pages.PAUSES_S": [0.2, 0.5, 1.0],
    "collection.pages.LIVE_INTERVAL_S": 1.0,
    "collection.delivery.LOOKED_AT_EVERY_S": 1.0,
}


class Scene:
    """A world of its own, and the connectors that run in it: `connector` is the last one that was started."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.sandbox = Sandbox(seed)
        self.world = self.sandbox.world
        self.connector: ConnectorProcess
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.sandbox)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(
        self,
        *,
        is_quick: bool = False,
        variables: Mapping[str, str] | None = None,
        as_trigger: bool = False,
        **options: Any,
    ) -> ConnectorProcess:
        """Start a connector, with short deadlines and pauses or its own, created as a trigger or as a connector."""
        variables = dict(variables or {})
        if is_quick:
            options["program"] = _CHANGED
            variables["CHANGES"] = json.dumps(QUICK)
        self.connector = ConnectorProcess(self.sandbox, self.folder / "state", variables=variables, **options)
        if as_trigger:
            given = self.connector.variables
            given["TRIGGER_CONFIGURATION"] = given.pop("CONNECTOR_CONFIGURATION")
        return self._stack.enter_context(self.connector)

    def until(self, happened: Callable[[], object], what: str, within: float = 60.0) -> float:
        """Wait until it has happened; return after how many seconds. Fails after `within` seconds."""
        began = time.monotonic()
        while not happened():
            waited = time.monotonic() - began
            assert waited < within, f"{what}: not after {waited:.0f} s; {self.snapshot()}\n{self.output()}"
            time.sleep(_TICK_S)
            self.world.catch_up()
            self.world.faults.advance()
        return time.monotonic() - began

    def until_said(self, *words: str, within: float = 60.0, times: int = 1) -> float:
        return self.until(lambda: len(self.said(*words)) >= times, f"said: {' '.join(words)}", within)

    def until_accepted(self, count: int, within: float = 60.0) -> float:
        return self.until(lambda: self.world.ledger.accepted >= count, f"{count} events accepted", within)

    def until_more(self, count: int, within: float = 60.0) -> float:
        return self.until_accepted(self.world.ledger.accepted + count, within)

    def until_asked(self, endpoint: str, outcome: str = "", times: int = 1, within: float = 60.0) -> float:
        """Wait for so many more requests of that endpoint, with that outcome."""
        before = self.asked(endpoint, outcome)
        happened = lambda: self.asked(endpoint, outcome) >= before + times  # noqa: E731
        return self.until(happened, f"{times} times {endpoint} {outcome}", within)

    def until_delivered(self, within: float = 60.0) -> float:
        """End production, and wait until everything is accepted that the intake can take."""
        self.world.produce(0)
        return self.until(lambda: self._is_delivered(self.snapshot()), "everything is delivered", within)

    def wait(self, seconds: float) -> None:
        """Let that much time go by."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, "time goes by", math.inf)

    def longest_silence(self, seconds: float) -> float:
        """Let that much time go by; return the longest time (s) in which nothing was accepted."""
        began = last = time.monotonic()
        accepted, longest = self.world.ledger.accepted, 0.0
        while (now := time.monotonic()) < began + seconds:
            self.wait(0.1)
            if self.world.ledger.accepted > accepted:
                accepted, last = self.world.ledger.accepted, now
            longest = max(longest, now - last)
        return longest

    def said(self, *words: str, connector: ConnectorProcess | None = None) -> list[str]:
        """Return the lines of the output with all of these words."""
        lines = list((connector or self.connector).lines)
        return [line for line in lines if all(word in line for word in words)]

    def platform_lines(self, *levels: str) -> list[str]:
        """Return the lines of these levels that the platform has received."""
        return [line["message"] for line in list(self.world.sekoia.logs) if line["level"] in levels]

    def asked(self, endpoint: str, outcome: str = "") -> int:
        """Return how many requests of that endpoint were made (and answered so)."""
        with self.world.ledger.lock:
            requests = self.world.ledger.requests.items()
            return sum(count for (name, seen), count in requests if name == endpoint and outcome in ("", seen))

    def snapshot(self) -> Snapshot:
        return self.world.ledger.snapshot()

    def metrics(self) -> str:
        """Return what the process exports."""
        with urllib.request.urlopen(self.connector.metrics_url) as answer:
            found: str = answer.read().decode()
        return found

    def stop(self, status: int = 0) -> float:
        """Send SIGTERM; return after how many seconds the process has ended by itself, with that exit status."""
        began = time.monotonic()
        assert self.connector.stop(timeout=20) == status, self.output()
        return time.monotonic() - began

    def judge(self, duplicates: int = 0) -> None:
        """Hold the ledger against the promise; `duplicates` is how many there may be."""
        lost, seen = self.world.ledger.lost(limit=1), self.snapshot()
        assert not lost, f"{seen}: {lost[0][:300]}"
        assert not seen.altered, self.world.ledger.altered[0][:300]
        assert seen.duplicates <= duplicates, f"{seen}\n{self.output()}"
        assert seen.queries_too_soon == 0

    def output(self) -> str:
        return "\n".join(list(self.connector.lines)[-60:])

    def _is_delivered(self, seen: Snapshot) -> bool:
        return seen.waiting == 0 and seen.arrived == seen.made
