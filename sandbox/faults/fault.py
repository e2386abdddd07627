"""A fault: a name, what it does, and the few ways in which it can act on the world."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.world.messages import Request, Response

if TYPE_CHECKING:
    from sandbox.world.world import World

Answer: TypeAlias = Callable[["Running", Request], Response | None]
Change: TypeAlias = Callable[["Running", Request, Response], Response]
Action: TypeAlias = Callable[["Running"], None]


@dataclass(frozen=True)
class Fault:
    """A fault or an API variant; see `catalogue.toml` for what each field means.

    `answer` answers in the service's place, or returns None. `change` returns a service's good answer as it arrives:
    one that keeps the answer's `settle` leaves the events accepted.
    """

    name: str
    group: str
    does: str
    level: str = "world"
    value: float = 1.0
    unit: str = ""
    endpoints: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    answer: Answer | None = None
    change: Change | None = None
    begin: Action | None = None
    end: Action | None = None
    every: Action | None = None
    how: Any = ""

    def check(self, value: float) -> None:
        """Raise ValueError where the value cannot be one of the unit."""
        most = {"share of requests": 1.0, "seconds of each minute": 60.0}.get(self.unit, float("inf"))
        if not 0 < value <= most:
            raise ValueError(f"{self.name} takes a value above 0" + (f", up to {most:g}" if most < 100 else ""))


class Running:
    """A fault that acts on a world between two times (epoch s). `count`: how often it acted."""

    def __init__(self, fault: Fault, world: "World", value: float, start: float, end: float, seed: str) -> None:
        self.fault = fault
        self.world = world
        self.value = value
        self.start = start
        self.end = end
        self.rng = random.Random(seed)
        self.count = 0
        self._number = int(value) if value == int(value) else value  # as the setting of a count
        self._is_on = False
        self._has_begun = False
        self._due = start
        self._before: dict[str, object] = {}

    def advance(self, now: float) -> None:
        """Turn it on or off. In virtual time, `now` may go back by the length of a call."""
        is_on = self.start <= now < self.end
        if is_on != self._is_on:
            self._is_on = is_on
            self._switch(is_on)
        if is_on and self.fault.every is not None and now >= self._due:
            self._due = now + self.value
            self.count += 1
            self.fault.every(self)

    def turn_off(self) -> None:
        self.end = -1.0
        self.advance(0.0)

    def before(self, endpoint: str, request: Request) -> Response | None:
        """Return an answer in the service's place, which then never sees the request."""
        if self.fault.answer is None or not self._hits(endpoint):
            return None
        answer = self.fault.answer(self, request)
        self.count += answer is not None
        return answer

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        """Return the service's answer as it arrives."""
        if not self._is_on or self.fault.change is None:
            self.count += self._is_on and bool(self.fault.settings) and response.outcome != "200"
            return response
        if response.outcome != "200" or not self._hits(endpoint):
            return response
        changed = self.fault.change(self, request, response)
        self.count += changed is not response
        return changed

    def _hits(self, endpoint: str) -> bool:
        if not self._is_on or endpoint not in self.fault.endpoints:
            return False
        if self.fault.unit == "share of requests":
            return self.rng.random() < self.value
        if self.fault.unit == "seconds of each minute":
            return (self.world.now() - self.start) % 60 < self.value
        return True

    def _switch(self, is_on: bool) -> None:
        fault = self.fault
        if is_on:
            for path, value in fault.settings.items():
                self._before[path] = self._set(path, self._number if value == "N" else value)
            if fault.begin is not None and not self._has_begun:
                self._has_begun = True
                fault.begin(self)
            return
        for path, value in self._before.items():
            self._set(path, value)
        if fault.end is not None and self.world.now() >= self.end:
            fault.end(self)

    def _set(self, path: str, value: object) -> object:
        """Set a setting; return what it was. Raises AttributeError when there is no such setting."""
        part, _, name = path.partition(".")
        target = self.world.factory if part == "factory" else getattr(self.world.settings, part)
        former: object = getattr(target, name)
        setattr(target, name, value)
        return former
