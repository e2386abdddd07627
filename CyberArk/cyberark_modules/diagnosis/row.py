"""A row of the table of diagnoses, and how it is told which evidence it is for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from ..errors import Evidence, Service, Sign

Fits = Callable[[Evidence], bool]

REFUSALS = frozenset(range(400, 500)) - {408, 429}


class MendedBy(Enum):
    """Who mends it. PERHAPS_PERSON: a person, unless it is an outage that passes; only its duration tells."""

    PERSON = auto()
    PERHAPS_PERSON = auto()
    TIME = auto()


@dataclass(frozen=True)
class Diagnosis:
    """What was `seen`, what is `wrong` and the `remedy`, in sentences for an administrator.

    `name` is a slug that never changes; `fields` are titles of the forms' fields and `steps` are numbers of the guide,
    where the mistake is to be mended.
    """

    name: str
    seen: str
    wrong: str
    remedy: str
    fits: Fits = field(repr=False, compare=False)
    steps: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()
    mended_by: MendedBy = MendedBy.PERSON

    @property
    def needs_person(self) -> bool:
        """Whether waiting is of no use."""
        return self.mended_by is MendedBy.PERSON

    @property
    def likely_person(self) -> bool:
        """Whether a person is needed once it has lasted too long for an outage."""
        return self.mended_by is MendedBy.PERHAPS_PERSON

    @property
    def place(self) -> str:
        """The fields and the steps where it is mended, empty when it is neither in a form nor in the guide."""
        fields = [f"“{title}”" for title in self.fields]
        parts = [f"field{'s' if len(fields) > 1 else ''} {_listed(fields)}"] if fields else []
        if self.steps:
            parts.append(f"{_numbered(self.steps)} of the guide")
        text = ", ".join(parts)
        return text[:1].upper() + text[1:]

    def __str__(self) -> str:
        return f"{self.wrong} {self.place}: {self.remedy}" if self.place else f"{self.wrong} {self.remedy}"

    def text(self, evidence: Evidence) -> str:
        """Return the diagnosis with what it was made from, which names the host."""
        return f"{self} [{evidence}]"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _numbered(steps: tuple[int, ...]) -> str:
    if len(steps) > 2 and steps == tuple(range(steps[0], steps[-1] + 1)):
        return f"steps {steps[0]} to {steps[-1]}"
    return f"step{'s' if len(steps) > 1 else ''} {_listed([str(step) for step in steps])}"


def seen(
    *signs: Sign,
    service: Service | None = None,
    statuses: Collection[int] = (),
    endpoint: str = "",
    errors: Collection[str] = (),
) -> Fits:
    """Return a test of evidence: each of the conditions that are given has to hold."""

    def fits(evidence: Evidence) -> bool:
        return (
            (not signs or evidence.sign in signs)
            and service in (None, evidence.service)
            and (not statuses or evidence.status in statuses)
            and evidence.endpoint.endswith(endpoint)
            and (not errors or evidence.error in errors)
        )

    return fits


def lacks(*things: str) -> Fits:
    """Return a test of evidence: all of these are missing."""
    return lambda evidence: set(things) <= set(evidence.missing)


def both(*tests: Fits) -> Fits:
    """Return a test of evidence: every one of these holds."""
    return lambda evidence: all(test(evidence) for test in tests)


def either(*tests: Fits) -> Fits:
    """Return a test of evidence: one of these holds."""
    return lambda evidence: any(test(evidence) for test in tests)
