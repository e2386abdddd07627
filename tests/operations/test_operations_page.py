"""The page for the engineer on call, the alert rules and the dashboard agree with each other and with the code."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from repository import DOCS, MODULE, text, texts_of_the_code

PAGE, ALERTS = text(DOCS / "operations.md"), text(DOCS / "alerts.yml")
DASHBOARD = json.loads(text(DOCS / "dashboard.json"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OURS, COMMON = "symphony_module_cyberark_", "symphony_module_common_"

# Exported for those who watch the same metric of other modules.
FOR_OTHERS = {"collected_messages_total"}
SCRAPERS = {"job", "instance", "service", "endpoint", "namespace", "pod", "container"}
ANNOTATIONS = ["summary", "impact", "description", "runbook_url"]
FIELDS = ["Impact", "Act now?", "Diagnose", "Fix", "Resolved when", "Escalate"]


def alerts() -> dict[str, str]:
    """Return the text of each rule by its name."""
    found = re.split(r"- alert: (\w+)\n", ALERTS)
    return dict(zip(found[1::2], found[2::2], strict=True))


def runbooks() -> dict[str, str]:
    part = PAGE.partition("\n## Runbooks\n")[2].partition("\n## ")[0]
    found = re.split(r"^### (\w+)$", part, flags=re.M)
    return dict(zip(found[1::2], found[2::2], strict=True))


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table below that heading."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][2:]


LINES = [row[0].strip("`") for row in table("Log lines")]
# Every metric of ours with its labels, and the words in its row: values of labels among them.
METRICS = {
    re.findall(r"\w+", row[0])[0]: (set(re.findall(r"[{,](\w+)", row[0])), set(re.findall(r"`(\w+)`", row[1])))
    for row in table("Metrics")
    if COMMON not in row[0]
}


def names(queries: str) -> set[str]:
    """Return the names of our metrics in queries; those of a histogram without their ending."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(rf"{OURS}(\w+)", queries)}


def test_every_alert_has_a_row_and_a_runbook_of_six_fields() -> None:
    indexed = {re.findall(r"\w+", row[0])[0]: row[1] for row in table("Alerts")}
    severities = {name: re.findall(r"severity: (\w+)", rule)[0] for name, rule in alerts().items()}
    assert indexed == severities
    assert set(severities.values()) == {"critical", "warning", "info"}
    assert [*runbooks()] == [*alerts()]
    for name, runbook in runbooks().items():
        assert re.findall(r"^- \*\*(.+?):?\*\*", runbook, re.M) == FIELDS, name
        assert "```sh\n" in runbook


def test_every_alert_says_what_detection_misses_and_where_its_runbook_is() -> None:
    for name, rule in alerts().items():
        assert re.findall(r"^          (\w+):", rule, re.M) == ANNOTATIONS, name
        [url] = re.findall(r"runbook_url: (\S+)", rule)
        assert re.fullmatch(rf"https://\S+/docs/operations\.md#{name.lower()}", url)


def test_the_job_is_named_in_one_rule() -> None:
    assert ALERTS.count("job=") == 1
    assert "record: cyberark:up\n        expr: up{job=" in ALERTS


def test_every_metric_is_in_an_alert_or_a_panel_and_no_other_is() -> None:
    assert names(ALERTS) | names(" ".join(QUERIES)) == set(METRICS) - FOR_OTHERS
    assert {name.removeprefix(OURS) for name in re.findall(rf"{OURS}\w+", PAGE)} <= {"", *METRICS}


def test_queries_use_labels_and_values_that_exist_and_no_metric_has_a_label_of_a_scraper() -> None:
    assert not SCRAPERS & {label for labels, _ in METRICS.values() for label in labels}
    for query in [*QUERIES, ALERTS]:
        for name, selector in re.findall(rf"{OURS}(\w+)\{{([^}}]+)\}}", query):
            labels, values = METRICS[re.sub(r"_(bucket|sum|count)$", "", name)]
            for label, value in re.findall(r'(\w+)="(\w+)"', selector):
                assert label in labels, selector
                assert value in values or label == "status", selector


def test_the_dashboard_has_ten_panels_with_valid_queries(tmp_path: Path) -> None:
    assert len(DASHBOARD["panels"]) == 10
    assert all(panel["description"] and panel["targets"] for panel in DASHBOARD["panels"])
    if shutil.which("promtool") is None:
        pytest.skip("no promtool: run .ci/install-promtool")
    rules = [
        {"record": f"query{n}", "expr": query.replace("$__rate_interval", "5m")} for n, query in enumerate(QUERIES)
    ]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")
    subprocess.run(["promtool", "check", "rules", "--lint=none", tmp_path / "queries.yml"], check=True)


def test_what_a_runbook_searches_for_can_be_found() -> None:
    codes = set(re.findall(r'^name = "([\w-]+)"', text(MODULE / "diagnosis" / "table.toml"), re.M))
    levels = {" - (WARNING|ERROR|CRITICAL) - ", " - (ERROR|CRITICAL) - ", "Traceback", "CRITICAL"}
    for command in re.findall(r"^ *(docker logs .+)$", PAGE, re.M):
        assert " --since " in command
        [pattern] = re.findall(r"grep (?:-E )?'([^']+)'", command)
        for part in re.split(r"\|(?![^(]*\))", pattern):
            assert part in levels | codes or any(re.search(part, line) for line in LINES), part
    for pattern in re.findall(r"metrics \| grep (?:-E )?'?([^'\n]+)'?$", PAGE, re.M):
        for part in re.sub(r".*\(|\).*", "", pattern).split("|"):
            assert any(part.removeprefix("cyberark_") in f"{name}_count" for name in METRICS), part


def test_the_log_lines_of_the_page_are_those_of_the_code() -> None:
    found = texts_of_the_code()
    for line in LINES:
        # "Query failed", "Delivery recovered after", "Resuming collection": the first word is filled in.
        for part in re.sub(r"^\w+ (failed|recovered|collection)", r"…\1", line).split("…"):
            words = part.strip(" :;.,()")
            assert any(words in each for each in found), line


def test_the_metrics_of_the_page_are_those_of_the_code() -> None:
    from prometheus_client import REGISTRY

    from cyberark_modules.telemetry import metrics

    assert OURS.rstrip("_") == metrics.NAMESPACE
    families = [family for family in REGISTRY.collect() if family.name.startswith(OURS)]
    exported = {family.name.removeprefix(OURS) + "_total" * (family.type == "counter") for family in families}
    assert exported == {*METRICS}
    series = [sample.labels for family in families for sample in family.samples]
    assert all({"call": call, "status": "429"} in series for call in ("token", "query", "results"))  # from the start
    labels = {label for each in series for label in each} - {"le"}
    assert labels <= {label for labels, _ in METRICS.values() for label in labels}
