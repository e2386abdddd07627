"""A tenant with chosen readings, and a client of it."""

import json

from sandbox_client import Client, FakeClock

from sandbox.environment import Environment
from sandbox.readings import Readings

HOUR = 3600


class Tenant:
    """A client of a tenant with those readings."""

    def __init__(self, clock: FakeClock, *names: str) -> None:
        self.clock = clock
        self.readings = Readings(names)
        self.client = Client.of(Environment(clock)).log_in()
        self.environment = self.client.environment
        self.tenant = self.environment.tenant
        self.readings.set(self.environment)

    def backlog(self, count: int, seconds: float = HOUR) -> "Tenant":
        self.tenant.add_backlog(count, seconds)
        return self

    def live(self, seconds: int, rate: float = 1.0) -> None:
        """Live events for so long, looked at every second as a server does."""
        self.tenant.produce(rate)
        for _ in range(seconds):
            self.clock.sleep(1)
            self.tenant.catch_up()
        self.tenant.stop_production()

    def arrivals(self) -> list[float]:
        index = self.environment.ledger.index
        return [arrival - time / 1000 for arrival, time in zip(index.arrivals, index.times_ms, strict=True)]

    def times(self, **query: object) -> list[int]:
        texts, _ = self.client.drain(self.client.open(**query))  # type: ignore[arg-type]
        return [json.loads(text)["timestamp"] for text in texts]
