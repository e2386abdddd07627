"""What docs/ holds for operators, read for the tests: rules, dashboard, page."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import Metric

from sandbox import TOP

DOCS = TOP / "docs"
OURS, COMMON = "symphony_module_cyberark_", "symphony_module_common_"
_NAMES = re.compile(rf"\b(?:{OURS}|{COMMON})[a-z_]+")
_SERIES = re.compile(r"_(?:bucket|sum|count)$")
_RULE = re.compile(
    r"^      - alert: (\w+)\n        expr: (.+?)\n(?=        (?:for|labels):)(.+?)(?=^      - alert|\Z)", re.M | re.S
)


@dataclass(frozen=True)
class Rule:
    """An alert rule. `annotations` are by name, folded to one line each."""

    alert: str
    expression: str
    severity: str
    annotations: dict[str, str]


def rules_text() -> str:
    return (DOCS / "alerts.yml").read_text("utf-8")


def rules() -> list[Rule]:
    """The rules, read by the layout that the file keeps: PyYAML is no dependency of this project."""
    found = []
    for alert, expression, rest in _RULE.findall(rules_text()):
        severity = re.search(r"severity: (\w+)", rest)
        assert severity, alert
        annotations = {
            name: " ".join(value.removeprefix(">-").split()).strip('"')
            for name, value in re.findall(r"^          (\w+): (.+?)$(?=\n          \w|\n*\Z)", rest, re.M | re.S)
            if name != "severity"
        }
        found.append(Rule(alert, expression.removeprefix("|-").strip(), severity[1], annotations))
    assert len(found) == rules_text().count("- alert:")
    return found


def with_expression(alert: str, expression: str) -> str:
    """The text of the rules with that alert alone, its expression replaced."""

    def replaced(match: re.Match[str]) -> str:
        block = f"|-\n          {expression}" if "\n" in expression else expression
        return match[0].replace(f"expr: {match[2]}\n", f"expr: {block}\n") if match[1] == alert else ""

    return _RULE.sub(replaced, rules_text())


def page() -> str:
    return (DOCS / "operations.md").read_text("utf-8")


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((DOCS / "dashboard.json").read_text("utf-8"))
    return board


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """The queries of the dashboard."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def names_in(text: str) -> set[str]:
    """The metrics that a text names; those of a histogram without their ending."""
    return {_SERIES.sub("", name) for name in _NAMES.findall(text)}


def documented_metrics() -> set[str]:
    """The metrics in the tables of the page: what the code has to export, no more and no less."""
    section = page().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    return set(re.findall(rf"^\| `((?:{OURS}|{COMMON})[a-z_]+)` \|", section, re.M))


def documented_lines() -> list[tuple[str, str, str]]:
    """The table of log lines: the line with … for what differs, its level, and what is said of it."""
    section = page().partition("\n## Log\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \| (\w+) \| (.+) \|$", section, re.M)


def compare_with_code(metrics: Iterable[Metric]) -> list[str]:
    """What differs between the page and the metrics that the code registers, in sentences; empty if nothing does.

    `metrics` are the collectors' families: `prometheus_client.REGISTRY.collect()` once telemetry.metrics is imported.
    """
    exported = {
        family.name + "_total" * (family.type == "counter") for family in metrics if family.name.startswith(OURS)
    }
    documented = {name for name in documented_metrics() if name.startswith(OURS)}
    return [f"{name} is not documented" for name in sorted(exported - documented)] + [
        f"{name} is documented and not exported" for name in sorted(documented - exported)
    ]
