"""A tenant and a platform together, without any socket: what the server carries, and what a simulation drives."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from sandbox.account import Account
from sandbox.events import EventFactory
from sandbox.faults import Faults
from sandbox.gate import Gate
from sandbox.http import Request, Response
from sandbox.index import EventIndex
from sandbox.sekoia import Sekoia
from sandbox.tenant import Tenant

Service: TypeAlias = Literal["identity", "audit", "intake", "platform"]
SERVICES: tuple[Service, ...] = ("identity", "audit", "intake", "platform")


class World:
    """`now` gives epoch seconds and never goes back. The same seed gives the same events and the same faults."""

    def __init__(self, now: Callable[[], float], seed: int = 0, string_timestamps: bool = False) -> None:
        self.now = now
        self.account = Account(EventIndex(EventFactory(seed, string_timestamps)), now)
        gate = Gate(self.account, now)
        self.tenant = Tenant(now, self.account, gate, seed)
        self.sekoia = Sekoia(now, self.account, gate, self.tenant.identity_settings)
        self.faults = Faults(self.tenant, self.sekoia, self.account, now, seed)
        gate.interference = self.faults

    def answer(self, service: Service, request: Request) -> Response:
        services: dict[Service, Callable[[Request], Response]] = {
            "identity": self.tenant.identity,
            "audit": self.tenant.audit,
            "intake": self.sekoia.intake,
            "platform": self.sekoia.platform,
        }
        return services[service](request)
