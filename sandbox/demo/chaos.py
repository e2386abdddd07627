"""Faults that act on the connector's process: killed, asked to stop, its state unwritable, its clock moved."""

import random
from collections.abc import Callable
from contextlib import ExitStack

from sandbox.demo.process import ConnectorProcess

_CLOCK_AHEAD = slice(20, 40)
_UNTIL_WRITTEN_SECONDS = 15.0
"""What a connector knows and could not write is lost when it ends: no state, no promise. It gets time to write."""


class Chaos:
    """`advance` is called several times a second and never blocks. Times between events vary by the seed.

    `intensities` are by fault name, in the units that the catalogue of faults gives.
    """

    def __init__(
        self, connector: ConnectorProcess, intensities: dict[str, float], now: Callable[[], float], seed: int
    ) -> None:
        self.kills = 0
        self.stops = 0
        self._blocks = 0
        self._jumps = 0
        self._connector = connector
        self._intensities = intensities
        self._now = now
        self._rng = random.Random(seed)
        self._began = now()
        self._due = {name: self._later(name) for name in ("kill", "sigterm") if name in intensities}
        self._stopping = False
        self._blocked: ExitStack | None = None
        self._settled_at = self._began
        self._clock_offset = 0.0

    def counts(self) -> dict[str, int]:
        """How often each fault that was asked for has happened."""
        counted = {"kill": self.kills, "sigterm": self.stops, "state": self._blocks, "clock": self._jumps}
        return {name: counted[name] for name in self._intensities}

    @property
    def restarting(self) -> bool:
        """Whether the connector is down because it was asked to stop, to be started again."""
        return self._stopping

    def advance(self) -> None:
        if self._stopping and not self._connector.running:
            self._stopping = False
            self._connector.start()
        if self._blocked is None and self._now() >= self._settled_at:
            self._interrupt()
        second = (self._now() - self._began) % 60
        self._block_state(second >= 60 - self._intensities.get("state", 0))
        ahead = _CLOCK_AHEAD.start <= second < _CLOCK_AHEAD.stop
        self._move_clock(self._intensities.get("clock", 0.0) if ahead else 0.0)

    def end(self) -> None:
        """Everything is as it was."""
        self._due.clear()
        self._block_state(False)
        self._move_clock(0.0)
        if self._stopping:
            self._connector.wait(timeout=30)
            self._stopping = False
            self._connector.start()

    def _interrupt(self) -> None:
        for name, due in list(self._due.items()):
            if self._now() < due or self._stopping:
                continue
            self._due[name] = self._later(name)
            if name == "kill":
                self.kills += 1
                self._connector.restart()
            else:
                self.stops += 1
                self._stopping = True
                self._connector.terminate()

    def _later(self, name: str) -> float:
        return self._now() + self._intensities[name] * self._rng.uniform(0.5, 1.5)

    def _block_state(self, blocked: bool) -> None:
        if blocked and self._blocked is None:
            self._blocks += 1
            self._blocked = ExitStack()
            self._blocked.enter_context(self._connector.state_unwritable())
        elif not blocked and self._blocked is not None:
            self._blocked.close()
            self._blocked = None
            self._settled_at = self._now() + _UNTIL_WRITTEN_SECONDS

    def _move_clock(self, seconds: float) -> None:
        if seconds != self._clock_offset:
            self._jumps += seconds != 0.0
            self._clock_offset = seconds
            self._connector.jump_clock(seconds)
