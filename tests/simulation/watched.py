"""A judged simulation for directed tests: what holds at every moment, and what holds once time has passed."""

import random
from typing import Any, Protocol

from sandbox.faults import Faults
from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from sandbox.ledger.ledger import Ledger
from sandbox.simulation.judge import Judge
from sandbox.simulation.network import Latency
from sandbox.tenant.tenant import Tenant


class EmptyPages(Fault):
    """Pages that come empty although there is more: no end, whatever they look like."""

    def __init__(self, share: float) -> None:
        self._rng = random.Random(1)
        self._share = share

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        hit = endpoint == "results" and response.status == 200 and self._rng.random() < self._share
        return json_response({"data": [], "paging": {"cursor": {"cursorRef": None}}}) if hit else response


class Poisonous(Fault):
    """Pages that hold a certain text cannot be served."""

    def __init__(self, status: int = 500) -> None:
        self._status = status

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        is_hit = endpoint == "results" and b"poison" in response.body
        return json_response({"message": "no"}, self._status) if is_hit else response


class Watched(Judge):
    """A simulation whose promise is checked. Its first run starts when it is entered."""

    def __init__(self, seed: int = 0, latency: Latency | None = None, **configuration: Any) -> None:
        super().__init__(seed, latency, **configuration)
        self._promise()

    @property
    def tenant(self) -> Tenant:
        return self.simulation.environment.tenant

    @property
    def ledger(self) -> Ledger:
        return self.simulation.environment.ledger

    @property
    def faults(self) -> Faults:
        return self.simulation.environment.faults

    @property
    def accepted(self) -> list[int]:
        """The events that the intake has accepted, by their numbers in the ledger."""
        return [number for number in range(len(self.ledger.index)) if self.ledger.times_accepted(number)]

    @property
    def too_soon(self) -> int:
        """How many queries came within a minute of the one before."""
        return self.ledger.snapshot().queries_too_soon

    def follow(self, per_second: float, seconds: float) -> None:
        """Start the connector on a tenant that makes so many events a second, and let so many seconds pass."""
        self.tenant.produce(per_second)
        self.simulation.start()
        self.simulation.run_for(seconds)

    def check(self) -> None:
        """Check what holds at every moment. Raises AssertionError."""
        snapshot = self.ledger.snapshot()
        assert snapshot.altered == 0, self.ledger.altered[:3]
        assert snapshot.duplicates <= self.duplicates_allowed, f"{snapshot.duplicates} > {self.duplicates_allowed}"
        assert snapshot.queries_too_soon == 0
        assert not [line for line in self.simulation.said("error") if line.startswith(("Unexpected", "Traceback"))]

    def settle(self, within: float = 6 * 3600.0, step: float = 60.0) -> None:
        """End production; let time pass until everything promised is delivered, and a little longer; then check it."""
        self.tenant.stop_production()
        simulation = self.simulation
        latest = self.ledger.index.last_arrival() or simulation.now
        self._run(max(0.0, latest - simulation.now) + 1.0, step)
        end = simulation.now + within
        while self.missing() and simulation.now < end:
            self._run(step, step)
        self._run(130.0, step)
        index = self.ledger.index
        missing = self.missing()
        assert not missing, f"{len(missing)} lost: {[index.text(number)[:200] for number in missing[:5]]}"

    def _run(self, seconds: float, step: float) -> None:
        end = self.simulation.now + seconds
        while self.simulation.now < end:
            self.simulation.run_for(min(step, end - self.simulation.now), restart=True)
            self.check()


class Watch(Protocol):
    """Enters a judged simulation."""

    def __call__(self, latency: Latency | None = None, **configuration: Any) -> Watched: ...


def add_poison(watched: Watched, name: str, time: float, arrival: float | None = None) -> None:
    """Add an event whose page `Poisonous` does not serve."""
    watched.tenant.add(f'{{"uuid":"poison-{name}","timestamp":{int(time * 1000)}}}', time=time, arrival=arrival)
