"""A link of the chain, and what became of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cyberark_modules.diagnosis import diagnose
from cyberark_modules.errors import Failure

State: TypeAlias = Literal["right", "odd", "wrong", "untried"]


class Untried(Exception):
    """A link is not tried; the text says why, and how to try it."""


class Odd(Exception):
    """Something is not as it should be, but nothing depends on it."""

    def __init__(self, failure: Failure, figures: Iterable[str]) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.figures = tuple(figures)


@dataclass(frozen=True)
class Link:
    """A link by its name, and the links that it `needs`; `attempt` yields figures or raises what is wrong."""

    name: str
    title: str
    needs: tuple[str, ...]
    attempt: Callable[[], Iterable[str]]


@dataclass(frozen=True)
class Outcome:
    """What became of a link. `reason`: why it was not tried."""

    title: str
    state: State
    figures: tuple[str, ...] = ()
    failure: Failure | None = None
    reason: str = ""

    @property
    def trouble(self) -> tuple[str, ...]:
        """What is wrong, what to do, and what was seen; empty if nothing is wrong."""
        if self.failure is None:
            return ()
        diagnosis = diagnose(self.failure)
        return diagnosis.problem, diagnosis.advice(self.failure), f"[{self.failure}]"
