"""Every fault and every API variant by its name, read from `catalogue.toml`."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.faults import actions, answers
from sandbox.faults.fault import Fault

_FILE = Path(__file__).with_name("catalogue.toml")
_ENDINGS = ("hang", "reset", "cut", "trickle")


def _faults(content: Mapping[str, Mapping[str, dict[str, Any]]]) -> Iterator[Fault]:
    for group, rows in content.items():
        for name, row in rows.items():
            if group != "requests":
                yield _fault(name, group, row)
                continue
            for request in row["on"]:
                yield _fault(f"{request}-{name}", request, {**row, "on": [request]})


def _fault(name: str, group: str, row: Mapping[str, Any]) -> Fault:
    """Return the fault of a row. Raises AttributeError for a function that there is not."""
    found: dict[str, Any] = {key: getattr(actions, row[key]) for key in ("begin", "end", "every") if key in row}
    if answer := row.get("answer"):
        if answer[0].isdigit():
            found["answer"] = answers.status(*map(int, answer.split()))
        else:
            found["answer"] = answers.ending(answer) if answer in _ENDINGS else getattr(answers, answer)
    if change := row.get("change"):
        found["change"] = answers.ended(change) if change in _ENDINGS else getattr(answers, change)
    given = {key: row[key] for key in ("level", "value", "unit", "how") if key in row}
    return Fault(
        name, group, row["does"], endpoints=tuple(row.get("on", ())), settings=row.get("set", {}), **given, **found
    )


_CONTENT = tomllib.loads(_FILE.read_text(encoding="utf-8"))
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _faults(_CONTENT)}


def describe() -> str:
    """Return a table of all faults, for people: what can happen to any request takes one row."""
    lines = []
    for group, rows in _CONTENT.items():
        lines.append(f"{group}:")
        for name, row in rows.items():
            shown = f"{'|'.join(row['on'])}-{name}:" if group == "requests" else f"{name:<19}"
            value = f" [{row['value']:,g} {row['unit']}]" if "value" in row and row["value"] < 1e9 else ""
            lines.append(f"  {shown} {row['does']}{value}")
    return "\n".join(lines)
