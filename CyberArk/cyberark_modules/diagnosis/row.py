"""A row of the table of diagnoses, and how it is told which failure it is for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from ..errors import Failure, FailureKind, Service

Fits = Callable[[Failure], bool]

REFUSALS = frozenset(range(400, 500)) - {408, 429}


class ResolvedBy(Enum):
    """Who mends it. PERSON_IF_IT_LASTS: a person, unless it is an outage that passes; only its duration tells."""

    PERSON = auto()
    PERSON_IF_IT_LASTS = auto()
    TIME = auto()


@dataclass(frozen=True)
class Place:
    """Where a mistake is mended: titles of the forms' fields, and numbers of the guide's steps."""

    fields: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()

    def __str__(self) -> str:
        fields = [f"“{title}”" for title in self.fields]
        parts = [f"field{'s' if len(fields) > 1 else ''} {_listed(fields)}"] if fields else []
        if self.steps:
            parts.append(f"{_numbered(self.steps)} of the guide")
        return ", ".join(parts)


IDENTITY_ADDRESS = Place(("CyberArk Identity address",), (5,))
AUDIT_ADDRESS = Place(("CyberArk Audit API base URL",), (36,))
INTAKE_ADDRESS = Place(("Intake server",))
_ADDRESSES = {
    Service.IDENTITY: IDENTITY_ADDRESS,
    Service.AUDIT: AUDIT_ADDRESS,
    Service.INTAKE: INTAKE_ADDRESS,
}


@dataclass(frozen=True)
class Diagnosis:
    """What was `seen`, the `problem`, the `remedy` and its place, in sentences for an administrator.

    `name` is a slug that never changes. What `is_about_address` has its place in the address of whichever service was
    called.
    """

    name: str
    seen: str
    problem: str
    remedy: str
    fits: Fits = field(repr=False, compare=False)
    place: Place = Place()
    resolved_by: ResolvedBy = ResolvedBy.PERSON
    is_about_address: bool = False

    @property
    def needs_person(self) -> bool:
        """Whether waiting is of no use."""
        return self.resolved_by is ResolvedBy.PERSON

    @property
    def likely_person(self) -> bool:
        """Whether a person is needed once it has lasted too long for an outage."""
        return self.resolved_by is ResolvedBy.PERSON_IF_IT_LASTS

    def __str__(self) -> str:
        return f"{self.problem} {self._advice(self.place)}"

    def text(self, failure: Failure) -> str:
        """Return the diagnosis with what it was made from, which names the host."""
        return f"{self.problem} {self.advice(failure)} [{failure}]"

    def advice(self, failure: Failure) -> str:
        """Return what to do, and where."""
        return self._advice(_ADDRESSES[failure.service] if self.is_about_address else self.place)

    def _advice(self, place: Place) -> str:
        where = str(place)
        return f"{_sentence(where)}: {self.remedy[0].lower()}{self.remedy[1:]}" if where else self.remedy


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _numbered(steps: tuple[int, ...]) -> str:
    if len(steps) > 2 and steps == tuple(range(steps[0], steps[-1] + 1)):
        return f"steps {steps[0]} to {steps[-1]}"
    return f"step{'s' if len(steps) > 1 else ''} {_listed([str(step) for step in steps])}"


def seen(
    *kinds: FailureKind,
    service: Service | None = None,
    statuses: Collection[int] = (),
    endpoint: str = "",
    errors: Collection[str] = (),
) -> Fits:
    """Return a test of failure: each of the conditions that are given has to hold."""

    def fits(failure: Failure) -> bool:
        return (
            (not kinds or failure.kind in kinds)
            and service in (None, failure.service)
            and (not statuses or failure.status in statuses)
            and failure.endpoint.endswith(endpoint)
            and (not errors or failure.error in errors)
        )

    return fits


def lacks(*things: str) -> Fits:
    """Return a test of failure: all of these are missing."""
    return lambda failure: set(things) <= set(failure.missing)


def both(*tests: Fits) -> Fits:
    """Return a test of failure: every one of these holds."""
    return lambda failure: all(test(failure) for test in tests)


def either(*tests: Fits) -> Fits:
    """Return a test of failure: one of these holds."""
    return lambda failure: any(test(failure) for test in tests)
