"""A tenant and a platform together, without any socket: what the server carries, and what a simulation drives."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from sandbox.events.factory import EventFactory
from sandbox.events.index import EventIndex
from sandbox.faults import Faults
from sandbox.http import Request, Response
from sandbox.ledger.ledger import Ledger
from sandbox.middleware import Middleware
from sandbox.platform.sekoia import Sekoia
from sandbox.tenant.tenant import Tenant

Service: TypeAlias = Literal["identity", "audit", "intake", "platform"]
SERVICES: tuple[Service, ...] = ("identity", "audit", "intake", "platform")


class Environment:
    """`now` gives epoch seconds and never goes back. The same seed gives the same events and the same faults."""

    def __init__(self, now: Callable[[], float], seed: int = 0, string_timestamps: bool = False) -> None:
        self.now = now
        self.ledger = Ledger(EventIndex(EventFactory(seed, string_timestamps)), now)
        middleware = Middleware(self.ledger, now)
        self.tenant = Tenant(now, self.ledger, middleware, seed)
        self.sekoia = Sekoia(now, self.ledger, middleware, self.tenant.identity_settings)
        self.faults = Faults(self.tenant, self.sekoia, self.ledger, now, seed)
        middleware.interference = self.faults

    def answer(self, service: Service, request: Request) -> Response:
        services: dict[Service, Callable[[Request], Response]] = {
            "identity": self.tenant.identity,
            "audit": self.tenant.audit,
            "intake": self.sekoia.intake,
            "platform": self.sekoia.platform,
        }
        return services[service](request)
