"""The operator's page, the alert rules, the dashboard and the code speak of the same things."""

import ast
import re

from cyberark_modules import metrics
from operations import DOCS, OURS, expressions, names_in, page, rules
from sandbox import MODULE

_PLACE = "…"


def table(heading: str) -> list[str]:
    """The first cells of the table under a heading."""
    section = page().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)


def test_rules_and_dashboard_speak_of_documented_metrics_only() -> None:
    documented = names_in(page())
    assert names_in(rules()) <= documented
    assert names_in(" ".join(expressions())) <= documented


def test_the_dashboard_shows_every_documented_metric() -> None:
    assert names_in(" ".join(expressions())) == names_in(page())


def test_labels_in_queries_have_values_that_the_code_gives() -> None:
    given = {
        (family.name, name, value)
        for metric in (metrics.EVENTS, metrics.API_REQUESTS, metrics.RETRIES, metrics.STATE_WRITES)
        for family in metric.collect()
        for sample in family.samples
        for name, value in sample.labels.items()
    }
    for expression in [*expressions(), *re.findall(r"expr: (.+)", rules())]:
        for metric, selector in re.findall(rf"({OURS}[a-z_]+)\{{([^}}]*)\}}", expression):
            family = re.sub(r"_(?:total|bucket|sum|count)$", "", metric)
            for label, values in re.findall(r'(\w+)=~?"([^"$]+)"', selector):
                assert {(family, label, value) for value in values.split("|")} <= given, expression


def test_each_alert_is_explained_and_each_explanation_has_its_alert() -> None:
    assert table("Alerts") == re.findall(r"- alert: (\w+)", rules())


def test_links_of_the_page_lead_somewhere() -> None:
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page(), re.MULTILINE)}
    for file, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page()):
        if file:
            assert (DOCS / file).is_file(), file
        elif anchor:
            assert anchor in anchors


def templates() -> set[str]:
    """Every text in the code, with … for what is put in."""
    found = set()
    for file in (MODULE / "cyberark_modules").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if text := template(node):
                found.add(text)
    return found


def template(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(value) or _PLACE for value in node.values)
    return ""


def said() -> set[str]:
    """What the code says in so many words: the texts that it gives to what logs."""
    found = set()
    for file in (MODULE / "cyberark_modules").glob("*.py"):
        if file.name == "account_validator.py":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("log", "_say", "failed"):
                found |= {text for argument in node.args if " " in (text := template(argument))}
    return found


def test_each_explained_line_is_one_that_the_code_says() -> None:
    lines = table("What it says")
    assert len(lines) > 10
    assert set(lines) <= templates()


def test_each_line_that_the_code_says_is_explained() -> None:
    lines = set(table("What it says"))
    # What is said with the error at its end is explained without it.
    assert {line for line in said() if line not in lines and line != f"{_PLACE} ({_PLACE})"} == set()
