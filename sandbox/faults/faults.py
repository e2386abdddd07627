"""Which faults are on, and when."""

from math import inf
from typing import TYPE_CHECKING

from sandbox.faults.catalogue import FAULTS
from sandbox.faults.fault import Running
from sandbox.world.messages import Request, Response

if TYPE_CHECKING:
    from sandbox.world.world import World


class Faults:
    """Faults by name, any number at once. What happens at random is drawn from the seed and the order of adding."""

    def __init__(self, world: "World", seed: int) -> None:
        self._world = world
        self._seed = seed
        self._running: list[Running] = []

    def add(self, name: str, value: float | None = None, start: float = 0.0, duration: float = inf) -> Running:
        """Have a fault act from `start` seconds from now, for `duration` seconds or until `clear`.

        Raises KeyError for an unknown name, ValueError for a value that cannot be, and for a fault of the process.
        """
        fault = FAULTS[name]
        if fault.level == "process":
            raise ValueError(f"{name} acts on the connector's process, not on the services")
        value = fault.value if value is None else value
        fault.check(value)
        with self._world.ledger.lock:
            begins = self._world.now() + start
            seed = f"{self._seed}:{name}:{len(self._running)}"
            running = Running(fault, self._world, value, begins, begins + duration, seed)
            self._running.append(running)
            self.advance()
            return running

    def clear(self) -> None:
        """End every fault now."""
        with self._world.ledger.lock:
            for running in reversed(self._running):
                running.turn_off()

    def counts(self) -> dict[str, int]:
        """Return how often each fault acted, by its name."""
        found: dict[str, int] = {}
        for running in self._running:
            found[running.fault.name] = found.get(running.fault.name, 0) + running.count
        return found

    def advance(self) -> None:
        """Begin and end what is due. Every request does it."""
        now = self._world.now()
        for running in self._running:
            running.advance(now)

    def before(self, endpoint: str, request: Request) -> Response | None:
        """Return an answer in the service's place, None where no fault has one."""
        answers = (running.before(endpoint, request) for running in self._running)
        return next((answer for answer in answers if answer is not None), None)

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        """Return the service's answer as it arrives."""
        for running in self._running:
            response = running.after(endpoint, request, response)
        return response
