"""What a fault is: something that comes between a service and its caller, or changes how a service behaves."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, TypeAlias

from sandbox.http import Request, Response
from sandbox.ledger.ledger import Ledger
from sandbox.platform.sekoia import Sekoia
from sandbox.tenant.tenant import Tenant


@dataclass(frozen=True)
class Stage:
    """What a fault may act on. `now` gives epoch seconds; `rng` is the fault's own, from the seed."""

    tenant: Tenant
    sekoia: Sekoia
    ledger: Ledger
    now: Callable[[], float]
    rng: random.Random


class Fault:
    """Does nothing by itself; a kind of fault overrides what it needs."""

    _acted = 0

    @property
    def count(self) -> int:
        """How often it has done something that a caller of the services could notice."""
        return self._acted

    def begin(self) -> None:
        """Its window opens."""

    def end(self) -> None:
        """Its window closes: everything is as it was."""

    def advance(self) -> None:
        """Time has passed within its window."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        """An answer in the service's place, which then never sees the request."""
        return None

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        """The service's answer, spoilt or not."""
        return response


Build: TypeAlias = Callable[[Stage, float], Fault]


@dataclass(frozen=True)
class FaultType:
    """A fault by its name. `intensity` is the default, in the unit that `unit` names.

    Faults of the `process` scope are acted on by who runs the connector's process, not by the services. `counted`
    names what their count is of.
    """

    name: str
    summary: str
    intensity: float
    unit: str
    build: Build
    scope: Literal["services", "process"] = "services"
    counted: str = "answers affected"

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most that its intensity may be; it is above 0 in any case."""
        if self.unit.startswith("share"):
            return 0.0, 1.0
        return {"seconds of each minute": (0.0, 60.0), "HTTP status": (400.0, 599.0)}.get(self.unit, (0.0, inf))


class Instead(Fault):
    """A share of the requests is answered by something else than the service."""

    def __init__(self, stage: Stage, endpoints: set[str], share: float, answers: Callable[[], Response]) -> None:
        self._stage = stage
        self._endpoints = endpoints
        self._share = share
        self._answers = answers

    def before(self, endpoint: str, request: Request) -> Response | None:
        if endpoint in self._endpoints and self._stage.rng.random() < self._share:
            self._acted += 1
            return self._answers()
        return None


class Down(Instead):
    """For some seconds of each minute of its window, beginning at once, nothing reaches the service."""

    def __init__(self, stage: Stage, endpoints: set[str], seconds: float, answers: Callable[[], Response]) -> None:
        super().__init__(stage, endpoints, 1.0, answers)
        self._seconds = seconds
        self._began = stage.now()

    def begin(self) -> None:
        self._began = self._stage.now()

    def before(self, endpoint: str, request: Request) -> Response | None:
        down = (self._stage.now() - self._began) % 60 < self._seconds
        return super().before(endpoint, request) if down else None


class Spoilt(Fault):
    """A share of the services' good answers is changed on the way."""

    def __init__(
        self, stage: Stage, endpoints: set[str], share: float, spoil: Callable[[Request, Response], Response]
    ) -> None:
        self._stage = stage
        self._endpoints = endpoints
        self._share = share
        self._spoil = spoil

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        hit = endpoint in self._endpoints and response.status == 200 and self._stage.rng.random() < self._share
        if not hit:
            return response
        spoilt = self._spoil(request, response)
        self._acted += spoilt is not response
        return spoilt


class Repeated(Fault):
    """Something happens when its window opens, and again every `seconds` while it is open."""

    def __init__(self, stage: Stage, seconds: float, action: Callable[[], None], at_once: bool = True) -> None:
        self._stage = stage
        self._seconds = seconds
        self._action = action
        self._at_once = at_once
        self._next = 0.0

    def begin(self) -> None:
        self._next = self._stage.now() + (0 if self._at_once else self._seconds)
        self.advance()

    def advance(self) -> None:
        if self._stage.now() >= self._next:
            self._next = self._stage.now() + self._seconds
            self._acted += 1
            self._action()


class Refusing(Repeated):
    """The same; what it does is counted in answers of a `status`."""

    def __init__(
        self, stage: Stage, seconds: float, action: Callable[[], None], status: int, at_once: bool = True
    ) -> None:
        super().__init__(stage, seconds, action, at_once)
        self._status = status
        self._refused = 0

    @property
    def count(self) -> int:
        return self._refused

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        self._refused += response.status == self._status
        return response


class Changed(Fault):
    """A setting has another value while its window is open. What it does is counted in answers of a `status`."""

    def __init__(self, settings: object, *, status: int = 200, **values: object) -> None:
        self._settings = settings
        self._status = status
        self._values = values
        self._before: dict[str, object] = {}

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        self._acted += response.status == self._status
        return response

    def begin(self) -> None:
        self._before = {name: getattr(self._settings, name) for name in self._values}
        self._set(self._values)

    def end(self) -> None:
        self._set(self._before)

    def _set(self, values: dict[str, object]) -> None:
        for name, value in values.items():
            setattr(self._settings, name, value)


class Mixed(Fault):
    """Several faults at once."""

    def __init__(self, *parts: Fault) -> None:
        self._parts = parts

    @property
    def count(self) -> int:
        return sum(part.count for part in self._parts)

    def begin(self) -> None:
        for part in self._parts:
            part.begin()

    def end(self) -> None:
        for part in reversed(self._parts):
            part.end()

    def advance(self) -> None:
        for part in self._parts:
            part.advance()

    def before(self, endpoint: str, request: Request) -> Response | None:
        answers = (part.before(endpoint, request) for part in self._parts)
        return next((answer for answer in answers if answer is not None), None)

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        for part in self._parts:
            response = part.after(endpoint, request, response)
        return response


def ended(response: Response, ending: Literal["reset", "cut", "hang"]) -> Response:
    """The same answer, which does not arrive in full."""
    return replace(response, ending=ending)
