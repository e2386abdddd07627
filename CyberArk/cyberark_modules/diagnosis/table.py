"""The table of diagnoses, read from `table.toml` and checked by its types when it is loaded."""

import tomllib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Failure, FailureKind, Service

# Clocks that are set by network time differ by seconds.
CLOCK_OFF_S = 120.0
# "4xx": HTTP 408 and 429 are transient, unlike the others.
_STATUSES = {"4xx": frozenset(range(400, 500)) - {408, 429}, "5xx": frozenset(range(500, 600))}


class ResolvedBy(Enum):
    """Who resolves a problem. PERSON_IF_IT_LASTS: an outage ends by itself, and only its duration distinguishes it."""

    PERSON = "person"
    PERSON_IF_IT_LASTS = "person if it lasts"
    TIME = "time"


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a mistake is corrected: titles of the forms' fields, and numbers of the guide's steps."""

    fields: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()

    def __str__(self) -> str:
        fields = [f"“{title}”" for title in self.fields]
        parts = [f"field{'s' if len(fields) > 1 else ''} {_listed(fields)}"] if fields else []
        if self.steps:
            parts.append(f"{_numbered(self.steps)} of the guide")
        return ", ".join(parts)


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a failure has to look like. Every part that is given has to hold; `table.toml` explains each."""

    kinds: tuple[str, ...] = ()
    statuses: tuple[int | str, ...] = ()
    endpoint: str = ""
    errors: tuple[str, ...] = ()
    is_oauth2: bool | None = None
    description: str = ""
    host: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no failure can be. Raises ValueError."""
        unknown = {*self.kinds} - {*FailureKind.__members__}
        unknown |= {status for status in self.statuses if isinstance(status, str)} - {*_STATUSES}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")

    def holds(self, failure: Failure) -> bool:
        """Return whether a failure looks like that."""
        is_oauth2 = bool(failure.error) and " " not in failure.error
        return (
            (not self.kinds or failure.kind.name in self.kinds)
            and (not self.statuses or any(_is_status(failure.status, status) for status in self.statuses))
            and failure.endpoint.endswith(self.endpoint)
            and (not self.errors or failure.error in self.errors)
            and self.is_oauth2 in (None, is_oauth2)
            and self.description in failure.description.lower()
            and (not self.host or any(part in failure.host for part in self.host))
            and set(self.missing) <= set(failure.missing)
        )


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row: what was `seen`, the `problem`, the `remedy`, in sentences for an administrator, and the place for it.

    `name` is a slug that never changes. `{service}` and `{status}` in a problem are filled in by `diagnose`. What
    `is_about_address` has its place in the address of whichever service was called.
    """

    name: str
    seen: str
    problem: str
    remedy: str
    when: tuple[Condition, ...]
    fields: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    resolved_by: ResolvedBy = ResolvedBy.PERSON
    is_about_address: bool = False

    @property
    def place(self) -> Place:
        """Where the mistake is corrected; empty for `is_about_address`."""
        return Place(self.fields, self.steps)

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

    def about(self, service: str, status: str) -> "Diagnosis":
        """Return the row with its problem filled in."""
        # Not str.format: nothing but these two words is a placeholder.
        problem = self.problem.replace("{service}", service).replace("{status}", status)
        return msgspec.structs.replace(self, problem=problem)

    def text(self, failure: Failure) -> str:
        """Return the diagnosis followed by the failure that it was made from, which names the host."""
        return f"{self.problem} {self.advice(failure)} [{failure}]"

    def advice(self, failure: Failure) -> str:
        """Return what to do, and where."""
        return self._advice(_ADDRESSES[failure.service] if self.is_about_address else self.place)

    def _advice(self, place: Place) -> str:
        where = str(place)
        return f"{where[0].upper()}{where[1:]}: {self.remedy[0].lower()}{self.remedy[1:]}" if where else self.remedy


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows under one heading of the manual; all of them about `service`, if it is given."""

    heading: str
    rows: tuple[Diagnosis, ...]
    service: Service | None = None


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    addresses: dict[Service, Place]
    groups: tuple[Group, ...]


def diagnose(failure: Failure) -> Diagnosis:
    """Return the diagnosis of a failure: the first row that holds. There always is one: the last row always holds."""
    rows = (row for group in _TABLE.groups if group.service in (None, failure.service) for row in group.rows)
    found = next(row for row in rows if any(condition.holds(failure) for condition in row.when))
    return found.about(failure.service, str(failure.status or ""))


def _is_status(seen: int | None, status: int | str) -> bool:
    return seen == status if isinstance(status, int) else seen in _STATUSES[status]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _numbered(steps: tuple[int, ...]) -> str:
    if len(steps) > 2 and steps == tuple(range(steps[0], steps[-1] + 1)):
        return f"steps {steps[0]} to {steps[-1]}"
    return f"step{'s' if len(steps) > 1 else ''} {_listed([str(step) for step in steps])}"


def _load(content: dict[str, Any]) -> _Table:
    return msgspec.convert(content, _Table)


_TABLE = _load(tomllib.loads(Path(__file__).with_name("table.toml").read_text("utf-8")))
_ADDRESSES = _TABLE.addresses
# By the headings of the manual's troubleshooting; {service} is still to be filled in.
DIAGNOSES: dict[str, tuple[Diagnosis, ...]] = {group.heading: group.rows for group in _TABLE.groups}
