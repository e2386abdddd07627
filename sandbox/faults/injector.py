"""Which faults are on, and when."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.faults.catalogue import FAULTS
from sandbox.faults.fault import Fault, Stage
from sandbox.http import Request, Response
from sandbox.ledger.ledger import Ledger
from sandbox.platform.sekoia import Sekoia
from sandbox.tenant.tenant import Tenant


@dataclass
class _Scheduled:
    fault: Fault
    start: float
    end: float
    open: bool = False


class Faults:
    """Faults by name, any number at once. What happens at random is drawn from the seed and the order of adding."""

    def __init__(
        self, tenant: Tenant, sekoia: Sekoia, ledger: Ledger, now: Callable[[], float], seed: int = 0
    ) -> None:
        self._tenant = tenant
        self._sekoia = sekoia
        self._ledger = ledger
        self._now = now
        self._seed = seed
        self._added = 0
        self._scheduled: list[_Scheduled] = []
        self._named: list[tuple[str, Fault]] = []

    def add(
        self, name: str, intensity: float | None = None, start: float = 0.0, duration: float | None = None
    ) -> None:
        """Have a fault from `start` seconds from now, for `duration` seconds or until `clear`.

        Raises KeyError for an unknown name, ValueError for one that acts on the connector's process.
        """
        kind = FAULTS[name]
        if kind.scope == "process":
            raise ValueError(f"{name} acts on the connector's process, not on the services")
        with self._ledger.lock:
            self._added += 1
            rng = random.Random(f"{self._seed}:{name}:{self._added}")
            stage = Stage(self._tenant, self._sekoia, self._ledger, self._now, rng)
            fault = kind.build(stage, kind.intensity if intensity is None else intensity)
            self._named.append((name, fault))
            self.hold(fault, start, duration)

    def hold(self, fault: Fault, start: float = 0.0, duration: float | None = None) -> None:
        """The same for a fault made by the caller."""
        with self._ledger.lock:
            begins = self._now() + start
            self._scheduled.append(_Scheduled(fault, begins, float("inf") if duration is None else begins + duration))
            self.advance()

    def counts(self) -> dict[str, int]:
        """How often each fault that was added by its name has done something, those that have ended included."""
        with self._ledger.lock:
            found: dict[str, int] = {}
            for name, fault in self._named:
                found[name] = found.get(name, 0) + fault.count
            return found

    def clear(self) -> None:
        """End every fault now."""
        with self._ledger.lock:
            for scheduled in reversed(self._scheduled):
                if scheduled.open:
                    scheduled.fault.end()
            self._scheduled.clear()

    def advance(self) -> None:
        """Begin and end what is due. Every request does it; whoever only watches calls it now and then."""
        with self._ledger.lock:
            now = self._now()
            for scheduled in list(self._scheduled):
                if not scheduled.open and now >= scheduled.start:
                    scheduled.open = True
                    scheduled.fault.begin()
                if scheduled.open and now >= scheduled.end:
                    scheduled.fault.end()
                    self._scheduled.remove(scheduled)
                elif scheduled.open:
                    scheduled.fault.advance()

    def before(self, endpoint: str, request: Request) -> Response | None:
        answers = (scheduled.fault.before(endpoint, request) for scheduled in self._open())
        return next((answer for answer in answers if answer is not None), None)

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        for scheduled in self._open():
            response = scheduled.fault.after(endpoint, request, response)
        return response

    def _open(self) -> list[_Scheduled]:
        return [scheduled for scheduled in self._scheduled if scheduled.open]
