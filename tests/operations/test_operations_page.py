"""The operator's page, the alert rules and the dashboard name the same metrics, alerts and sections."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from promtool import NEEDS_PROMTOOL

from cyberark_modules.telemetry import metrics
from operations_files import (
    COMMON,
    DOCS,
    OURS,
    compare_with_code,
    documented_lines,
    documented_metrics,
    expressions,
    names_in,
    page,
    rules,
    rules_text,
)
from sandbox import MODULE

# The names that the connector exports: `telemetry/metrics.py` is to have exactly these, and their labels.
CONTRACT = {
    f"{OURS}{name}"
    for name in (
        "events_total",
        "late_event_delay_seconds",
        "api_request_duration_seconds",
        "queries_total",
        "token_renewals_total",
        "retries_total",
        "position_timestamp_seconds",
        "lag_seconds",
        "watermark_lag_seconds",
        "backlog_seconds",
        "gaps",
        "oldest_gap_age_seconds",
        "failing_gaps",
        "lost_seconds_total",
        "overlap_seconds",
        "effective_overlap_seconds",
        "seen_keys",
        "seen_keys_evicted_total",
        "seen_keys_forgotten_total",
        "reconciliation_reach_seconds",
        "held_events",
        "dead_letters",
        "open_streams",
        "throttled_interval_seconds",
        "state_bytes",
        "state_write_duration_seconds",
        "start_timestamp_seconds",
    )
}
COMMON_NAMES = {
    f"{COMMON}{name}"
    for name in ("forwarded_events_total", "forward_events_duration", "discarded_events_total", "events_lags")
}
LABELS = {
    ("events_total", "outcome"): {
        "collected",
        "already_delivered",
        "late",
        "late_beyond_overlap",
        "malformed",
        "too_large",
        "dead_letter",
    },
    ("retries_total", "service"): {"collection", "delivery", "state"},
    ("open_streams", "use"): {"tail", "lookback", "backfill", "reconciliation"},
    ("state_write_duration_seconds", "outcome"): {"written", "error"},
    ("api_request_duration_seconds", "endpoint"): {"token", "query", "results"},
}
QUESTIONS = ["Detection", "Data loss", "Look at", "Do", "Over when"]
_NOT_PROMQL = ("docker ", "curl ", "df ", "ls ", "aws ", "jq ", "wc ", "grep ", "head ", "./dev ")


def sections() -> dict[str, str]:
    """The text of each section of the page, by its anchor."""
    parts = re.split(r"^#{2,3} (.+)$", page(), flags=re.M)
    return {_anchor(title): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def runbook(anchor: str) -> str:
    text = sections()[anchor]
    assert re.findall(r"^- \*\*(.+?):\*\*", text, re.M) == QUESTIONS, anchor
    return text


def queries_of_the_page() -> list[str]:
    found = []
    for block in re.findall(r"```text\n(.+?)```", page(), re.S):
        for line in block.splitlines():
            query = line.partition("  #")[0].strip()
            if query and not query.startswith(_NOT_PROMQL):
                found.append(query)
    return found


def test_every_alert_has_a_runbook_at_the_anchor_of_its_annotation() -> None:
    for rule in rules():
        file, _, anchor = rule.annotations["runbook"].partition("#")
        assert (file, anchor) == ("docs/operations.md", rule.alert.lower())
        runbook(anchor)


def test_every_runbook_of_an_alert_is_one_of_the_rules() -> None:
    titles = re.findall(r"^### (CyberArk\w+)$", page(), re.M)
    assert titles == [rule.alert for rule in rules()]


def test_every_alert_names_its_instance_the_impact_and_a_known_severity() -> None:
    for rule in rules():
        assert set(rule.annotations) == {"summary", "impact", "description", "runbook"}
        assert rule.annotations["summary"].startswith(("{{ $labels.instance }}: ", "No instance: ")), rule.alert
        assert rule.severity in ("page", "ticket", "info")


def test_every_metric_of_the_page_is_one_that_the_code_exports_and_the_other_way_round() -> None:
    assert OURS.removesuffix("_") == metrics.NAMESPACE
    assert compare_with_code(REGISTRY.collect()) == []


@cache
def texts_of_the_code() -> list[str]:
    """Every text of the module's sources, with … for what a format fills in."""
    found = []
    for source in (MODULE / "cyberark_modules").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@pytest.mark.parametrize("line", [line for line, _, _ in documented_lines()])
def test_every_line_of_the_page_is_one_that_the_code_logs(line: str) -> None:
    longest = max(line.replace("recovered after", "recovered…after").split("…"), key=len).strip(" :;.,()")
    assert any(longest in text for text in texts_of_the_code()), longest


def test_every_error_line_of_the_page_has_a_runbook() -> None:
    needing = {line: link for line, level, link in documented_lines() if level in ("error", "critical")}
    anchors = [re.findall(r"\(#([\w-]+)\)", link)[0] for link in needing.values()]
    assert len(anchors) > 10
    for anchor in anchors:
        runbook(anchor)
    assert anchors == [anchor for anchor in sections() if anchor.startswith("error-")]


def test_links_of_the_page_and_the_rules_lead_somewhere() -> None:
    anchors = sections()
    for file, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page()):
        if file:
            assert (DOCS / file).is_file(), file
        else:
            assert anchor in anchors


def test_every_metric_of_the_page_is_one_of_the_contract_and_the_other_way_round() -> None:
    assert documented_metrics() == CONTRACT | COMMON_NAMES


def test_rules_dashboard_and_runbooks_name_documented_metrics_only() -> None:
    assert names_in(rules_text()) <= documented_metrics()
    assert names_in(page()) <= documented_metrics()
    assert names_in(" ".join(expressions())) == documented_metrics()


def test_labels_in_queries_have_values_of_the_contract() -> None:
    for expression in [*expressions(), *(rule.expression for rule in rules()), *queries_of_the_page()]:
        for metric, selector in re.findall(rf"{OURS}([a-z_]+)\{{([^}}]*)\}}", expression):
            name = re.sub(r"_(?:bucket|sum|count)$", "", metric)
            for label, values in re.findall(r'(\w+)[=!]~?"([^"$]+)"', selector):
                known = LABELS.get((name, label))
                assert known is None or set(values.split("|")) <= known, expression


@NEEDS_PROMTOOL
@pytest.mark.parametrize("kind", ["page", "dashboard"])
def test_the_queries_are_valid(tmp_path: Path, kind: str) -> None:
    texts = queries_of_the_page() if kind == "page" else [_asked(text) for text in expressions()]
    assert len(texts) > 30
    lines = [f"      - record: query{number}\n        expr: |-\n          {text}" for number, text in enumerate(texts)]
    (tmp_path / "queries.yml").write_text("groups:\n  - name: queries\n    rules:\n" + "\n".join(lines), "utf-8")
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=none", tmp_path / "queries.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _asked(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m")


def test_what_a_runbook_searches_the_log_for_is_in_a_line() -> None:
    searched = re.findall(r"docker logs .*grep '([^']+)'", page())
    lines = [line for line, _, _ in documented_lines()]
    assert searched
    assert [words for words in searched if not any(words in line for line in lines)] == []
