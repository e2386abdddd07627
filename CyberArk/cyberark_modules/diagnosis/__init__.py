"""From what was seen to what the problem is, and to the step of the published page that resolves it.

One table, `table.toml`, which a person reviews without reading Python.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Failure

PAGE = "https://docs.sekoia.io/integration/categories/iam/cyberark_identity_audit_logs/"
# "4xx": HTTP 408 and 429 are transient, unlike the others.
_STATUSES = {"4xx": {*range(400, 500)} - {408, 429}, "5xx": {*range(500, 600)}}
# The parts of a condition, which `table.toml` explains: whether a failure is as one says.
_PARTS: dict[str, Callable[[Any, Failure], bool]] = {
    "kinds": lambda kinds, failure: failure.kind.name in kinds,
    "statuses": lambda statuses, failure: any(failure.status in _STATUSES.get(one, {one}) for one in statuses),
    "endpoint": lambda ending, failure: failure.endpoint.endswith(ending),
    "errors": lambda errors, failure: failure.error in errors,
    "is_oauth2": lambda is_oauth2, failure: is_oauth2 is bool(failure.error),
    "host": lambda parts, failure: any(part in failure.host for part in parts),
    "missing": lambda claims, failure: {*claims} <= {*failure.missing},
}


@dataclass(frozen=True)
class Diagnosis:
    """A row of `table.toml`, which explains the fields. `service` is that of its group, None for any."""

    service: str | None
    name: str
    problem: str
    remedy: str
    when: Sequence[Mapping[str, Any]]
    fields: Sequence[str] = ()
    steps: Sequence[int] = ()
    resolved_by: str = "person"
    is_about_address: bool = False

    @property
    def advice(self) -> str:
        """What to do, and in which fields."""
        *others, last = [f"“{title}”" for title in self.fields] or [""]
        titles = f"{', '.join(others)} and {last}" if others else last
        return f"Field{'s' if others else ''} {titles}: {self.remedy}" if titles else self.remedy

    @property
    def link(self) -> str:
        """The published page, with its steps."""
        if len(self.steps) < 2:
            return "".join([*(f"step {step} of " for step in self.steps), PAGE])
        return f"steps {self.steps[0]} {'to' if len(self.steps) > 2 else 'and'} {self.steps[-1]} of {PAGE}"

    def text(self, failure: Failure) -> str:
        """Return the message of one line: the problem, what to do, what was seen, the page, and the code."""
        return f"{self.problem} {self.advice} Details: {failure}. See {self.link} [{self.name}]"


def diagnose(failure: Failure) -> Diagnosis:
    """Return the diagnosis of a failure: the first row that holds. There always is one: the last row always holds."""
    rows = (row for row in ROWS if row.service in (None, failure.service))
    found = next(row for row in rows if any(_holds(condition, failure) for condition in row.when))
    # Not str.format: nothing but these two words is a placeholder.
    problem = found.problem.replace("{service}", failure.service).replace("{status}", str(failure.status or ""))
    return replace(found, problem=problem, **(_TABLE["addresses"][failure.service] if found.is_about_address else {}))


def _holds(condition: Mapping[str, Any], failure: Failure) -> bool:
    return all(_PARTS[part](expected, failure) for part, expected in condition.items())


_TABLE = tomllib.loads(Path(__file__).with_name("table.toml").read_text("utf-8"))
# {service} and {status} are still to be filled in.
ROWS = [Diagnosis(group.get("service"), **row) for group in _TABLE["groups"] for row in group["rows"]]
