"""The faults that act on the connector's process: it is killed, stopped, paused, or cannot write its state."""

import signal
import time
from collections import Counter
from collections.abc import Mapping

from sandbox.process import ConnectorProcess

_BEGIN_AFTER_S = 5.0


class ProcessFaults:
    """Faults by name and value. Call `advance` a few times a second."""

    def __init__(self, connector: ConnectorProcess, values: Mapping[str, float]) -> None:
        self._connector = connector
        self._values = values
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic() + _BEGIN_AFTER_S
        self._is_acting: set[str] = set()

    @property
    def kills(self) -> int:
        return self._counts["kill"]

    def counts(self) -> dict[str, int]:
        return {name: self._counts[name] for name in self._values}

    def advance(self) -> None:
        elapsed = time.monotonic() - self._began
        for name, value in self._values.items():
            if name in ("pause", "disk-full"):
                if (elapsed >= 0 and elapsed % 60 < value) != (name in self._is_acting):
                    self._switch(name, name not in self._is_acting)
            elif elapsed >= value * (self._counts[name] + 1):
                self._counts[name] += 1
                if name == "kill":
                    self._connector.kill()
                else:
                    self._connector.stop()
                self._connector.start()

    def end(self) -> None:
        """Let the process run and write again."""
        for name in list(self._is_acting):
            self._switch(name, False)

    def _switch(self, name: str, begins: bool) -> None:
        self._counts[name] += begins
        self._is_acting ^= {name}
        if name == "pause":
            self._connector.send(signal.SIGSTOP if begins else signal.SIGCONT)
        elif begins:
            self._connector.block_state()
        else:
            self._connector.unblock_state()
