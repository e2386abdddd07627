"""Unit tests of docs/alerts.yml: what a connector exports, and which alerts fire then. promtool runs them.

Values are in promtool's notation, a sample a minute: `4x30` is 4 for 31 minutes, `0+60x9` rises by 60 a minute, `_` is
no sample, `stale` ends a series. Connector b has no problem in any scenario.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ALERTS = (Path(__file__).resolve().parents[2] / "docs" / "alerts.yml").read_text("utf-8")
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: run .ci/install-promtool")

PREFIX = "symphony_module_cyberark_"
UP, START = "up", "process_start_time_seconds"
FORWARDED = 'symphony_module_common_forwarded_events_total{intake_key="k"}'
LAG, UNREAD, OLDEST, LOST = "lag_seconds", "unread_seconds", "oldest_window_age_seconds", "lost_seconds_total"
RANGES, LETTERS, REACH = "unreadable_ranges", "dead_letters", "reread_reach_seconds"
INTERVAL = "throttled_interval_seconds"
RESULTS = 'api_request_duration_seconds_count{call="results",status="200"}'
THROTTLES = 'api_request_duration_seconds_count{call="results",status="429"}'
FAILURES = 'api_request_duration_seconds_count{call="results",status="503"}'
QUERIES = 'api_request_duration_seconds_count{call="query",status="200"}'
RETRIES, TOO_LARGE = 'retries_total{operation="delivery"}', 'events_total{outcome="too_large"}'
WRITTEN = 'checkpoint_write_duration_seconds_count{outcome="written"}'
UNWRITTEN = 'checkpoint_write_duration_seconds_count{outcome="error"}'
Values = Mapping[str, str]

BUSY: Values = {
    UP: "1x500",
    START: "-90000x500",
    LAG: "4x500",
    **dict.fromkeys((UNREAD, OLDEST, LOST, RANGES, LETTERS, INTERVAL, RETRIES, TOO_LARGE, UNWRITTEN), "0x500"),
    **dict.fromkeys((THROTTLES, FAILURES), "0x500"),
    REACH: "86400x500",
    RESULTS: "0+20x500",
    QUERIES: "0+1x500",
    WRITTEN: "0+2x500",
    FORWARDED: "0+60x500",
}
QUIET: Values = {**BUSY, WRITTEN: "1x500", FORWARDED: "5x500"}
GONE: Values = {name: values.replace("x500", "x60") + " stale" for name, values in BUSY.items()}
NOTHING_READ: Values = {RESULTS: "0+20x60 1200x500", QUERIES: "0+1x60 60x500", LAG: "4x60 64+60x500"}
THROTTLED: Values = {**BUSY, THROTTLES: "0+30x500", RESULTS: "0+2x500", INTERVAL: "61x500"}
NOT_COLLECTING, NOT_DELIVERING = {"CyberArkNotCollecting": (69, 75)}, {"CyberArkDeliveryFailing": (69, 75)}


class Scenario(NamedTuple):
    """What connector a exports, and each alert that fires, with the minute at which it has not and has fired."""

    name: str
    a: Values
    fires: Mapping[str, tuple[int, int]] = {}
    job: str = "cyberark"
    has_neighbour: bool = True
    minutes: int = 140


SCENARIOS = (
    # Nobody is paged.
    Scenario("steady", BUSY),
    Scenario("a quiet tenant", QUIET),
    Scenario("one 503", {**BUSY, FAILURES: "0x60 1x500"}),
    Scenario("one page in a hundred fails on a quiet tenant", {**QUIET, FAILURES: "0+0.2x500"}),
    Scenario("throttled, and twenty minutes late", {**THROTTLED, LAG: "1200x500"}),
    Scenario(
        "Retry-After of 15 minutes and more",
        {**BUSY, INTERVAL: "0x60 890x60 0x400", LAG: "4x60 64+60x60 4x400", RESULTS: "0+20x60 1200x60 1220+20x400"},
    ),
    Scenario(
        "a backlog of six days is read in five hours",
        {**BUSY, UNREAD: "518400-1728x300 0x200", OLDEST: "518400-400x300 0x200"},
        minutes=400,
    ),
    Scenario(
        "the API is down for nine minutes",
        {**BUSY, RESULTS: "0+20x60 1200x9 1220+20x400", FAILURES: "0x60 1+3x8 28x400", LAG: "4x60 64+60x8 4x400"},
    ),
    Scenario(
        "one event is rejected on a quiet tenant, and delivered after twenty minutes",
        {**QUIET, RETRIES: "0x60 2x500", LETTERS: "0x60 1x20 0x400"},
    ),
    Scenario("two events are rejected within ten minutes", {**QUIET, RETRIES: "0x60 2x5 4x500"}),
    Scenario("an intake that fails half of the time", {**BUSY, RETRIES: "0+2x500", FORWARDED: "0+30x500"}),
    Scenario("an upgrade takes four minutes", {**BUSY, UP: "1x60 0x3 1x400", START: "-90000x60 _x4 3840x400"}),
    Scenario("a page fails for twenty minutes", {**BUSY, RANGES: "0x60 1x20 0x400"}),
    Scenario("half of the checkpoint's writes fail", {**BUSY, UNWRITTEN: "0+2x500"}),
    Scenario("a first run has few keys", {**BUSY, START: "0x500", REACH: "0+60x500"}, minutes=400),
    Scenario("another job is down", {UP: "0x500", START: "0+60x500"}, job="cyberark-vault"),
    # Somebody is told: the alert has not fired at the first minute, and has at the second.
    Scenario("the process is gone", {**GONE, UP: "1x60 0x400"}, {"CyberArkConnectorDown": (62, 75)}),
    Scenario("one of two targets is gone", GONE, {"CyberArkConnectorDown": (62, 75)}),
    Scenario("the only target is gone", GONE, {"CyberArkConnectorDown": (62, 75)}, has_neighbour=False),
    Scenario("a connector has never answered", {UP: "0x400"}, {"CyberArkConnectorDown": (1, 5)}),
    Scenario(
        "a process ends every four minutes",
        {**BUSY, START: "-90000x60 " + " ".join(f"{3660 + 240 * n}x3" for n in range(90))},
        {"CyberArkCrashLoop": (61, 75)},
    ),
    Scenario(
        "a process ends every twenty minutes",
        {**BUSY, START: "-90000x60 " + " ".join(f"{3660 + 1200 * n}x19" for n in range(20))},
        {"CyberArkCrashLoop": (120, 180)},
        minutes=200,
    ),
    Scenario("the API is down", {**BUSY, **NOTHING_READ, FAILURES: "0x60 0+3x400"}, NOT_COLLECTING),
    Scenario(
        "the API is down, and was throttling before",
        {**THROTTLED, LAG: "4x60 64+60x400", THROTTLES: "0+30x60 1800x400", FAILURES: "0x60 0+60x400"},
        NOT_COLLECTING,
    ),
    Scenario(
        "a wrong password, tried every ten minutes",
        {**BUSY, **NOTHING_READ, FAILURES: "0x60 1x9 2x9 3x9 4x9 5x9 6x400"},
        NOT_COLLECTING,
    ),
    Scenario("the live edge is not read, but windows are", {**BUSY, LAG: "4x60 64+60x400"}, NOT_COLLECTING),
    Scenario(
        "a wrong password from the first minute on",
        {**BUSY, START: "0x500", LAG: "0x500", RESULTS: "0x500", QUERIES: "0x500", FAILURES: "0x9 1x9 2x9 3x9 4x500"},
        {"CyberArkNotCollecting": (2, 15)},
    ),
    Scenario("the loop hangs, and the lag with it", {**BUSY, **NOTHING_READ, LAG: "4x500"}, NOT_COLLECTING),
    Scenario(
        "the intake is down",
        {
            **BUSY,
            **NOTHING_READ,
            RETRIES: "0x60 8+1x9 17+0.25x400",
            FORWARDED: "0+60x60 3600x400",
            LETTERS: "0x60 500x400",
        },
        NOT_DELIVERING,
    ),
    Scenario(
        "the intake is down, and the tenant has an event a minute",
        {**QUIET, RETRIES: "0x60 8+1x9 17+0.25x400", FORWARDED: "0+1x60 60x400", LETTERS: "0x60 1+0.01x400"},
        NOT_DELIVERING,
    ),
    Scenario(
        "a backlog of six days is read too slowly",
        {**BUSY, UNREAD: "518400-150x400", OLDEST: "518400+60x400"},
        {"CyberArkDataLossNear": (10, 30)},
    ),
    Scenario(
        "throttled for six days",
        {**THROTTLED, LAG: "518400+60x400"},
        {"CyberArkDataLossNear": (10, 30), "CyberArkFallingBehind": (20, 45)},
    ),
    Scenario("event time is lost", {**BUSY, LOST: "0x60 3600x400"}, {"CyberArkEventsLost": (60, 62)}),
    Scenario(
        "a connector starts after eight days",
        {**BUSY, LOST: "_x60 86400x400", START: "_x60 3660x400"},
        {"CyberArkEventsLost": (59, 63)},
    ),
    Scenario("throttled for hours", {**THROTTLED, LAG: "4+60x400"}, {"CyberArkFallingBehind": (85, 100)}),
    Scenario("a backlog does not shrink", {**BUSY, UNREAD: "0x60 7200x400"}, {"CyberArkFallingBehind": (100, 110)}),
    Scenario("a page fails for good", {**BUSY, RANGES: "0x60 1x400"}, {"CyberArkUnreadableRange": (85, 95)}),
    Scenario("an event stays rejected", {**BUSY, LETTERS: "0x60 1x400"}, {"CyberArkDeadLetters": (85, 95)}),
    Scenario(
        "the checkpoint cannot be written",
        {**BUSY, UNWRITTEN: "0x60 1+1x400", WRITTEN: "0+2x60 120x400"},
        {"CyberArkCheckpointNotWritten": (70, 85)},
    ),
    Scenario("an event is too large", {**BUSY, TOO_LARGE: "0x60 1x400"}, {"CyberArkTooLargeEvent": (60, 62)}),
    Scenario("keys reach back 80 minutes", {**BUSY, REACH: "4800x400"}, {"CyberArkRereadShort": (55, 65)}),
)
# What a plain scrape configuration and the Prometheus Operator add to every sample.
PLAIN = 'instance="{instance}:8020"'
OPERATOR = 'instance="{instance}:8020",namespace="siem",pod="{instance}-0",service="{instance}",endpoint="metrics"'


def series(values: Values, instance: str, job: str, labels: str) -> list[dict[str, str]]:
    """Return the samples of one connector as promtool reads them."""
    target = f'{labels.format(instance=instance)},job="{job}"'
    found = []
    for name, samples in values.items():
        full = name if name in (UP, START, FORWARDED) else PREFIX + name
        full = f"{full[:-1]},{target}}}" if full[-1] == "}" else f"{full}{{{target}}}"
        found.append({"series": full, "values": samples})
    return found


def unit_test(scenario: Scenario, labels: str) -> dict[str, Any]:
    """Return a scenario as promtool reads it: the series ALERTS holds what fires."""
    checks = [
        {
            "expr": f'count by (alertname) (ALERTS{{alertstate="firing",alertname="{alert}"}})',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if is_firing else [],
        }
        for alert, minutes in scenario.fires.items()
        for is_firing, minute in enumerate(minutes)
    ]
    others = f'ALERTS{{alertstate="firing",alertname!~"{"|".join(scenario.fires) or "none"}"}}'
    silence = f"count by (alertname) (count_over_time({others}[{scenario.minutes}m]))"
    checks.append({"expr": silence, "eval_time": f"{scenario.minutes}m", "exp_samples": []})
    samples = series(scenario.a, "a", scenario.job, labels)
    if scenario.has_neighbour:
        samples += series(BUSY, "b", "cyberark", labels)
    return {"name": scenario.name, "interval": "1m", "input_series": samples, "promql_expr_test": checks}


def promtool(folder: Path, rules: str, scenarios: Iterable[Scenario], labels: str) -> str:
    """Run `promtool test rules`; return its output where a test fails, otherwise nothing. JSON is YAML."""
    (folder / "alerts.yml").write_text(rules, encoding="utf-8")
    tests = [unit_test(scenario, labels) for scenario in scenarios]
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yml").write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", folder / "tests.yml"],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "GOGC": "400"},
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_exactly_these_alerts_fire(tmp_path: Path) -> None:
    assert promtool(tmp_path, ALERTS, SCENARIOS, OPERATOR) == ""


def test_the_same_alerts_fire_without_the_labels_of_an_operator(tmp_path: Path) -> None:
    critical = [each for each in SCENARIOS if each.name.endswith(("is down", "is gone"))]
    assert promtool(tmp_path, ALERTS, critical, PLAIN) == ""


@pytest.mark.parametrize(
    ("expression", "scenarios"),
    [
        ("vector(0) > 1", {alert: each for each in reversed(SCENARIOS) for alert in each.fires}.values()),
        ("vector(1)", SCENARIOS[:1]),
    ],
    ids=["never fires", "always fires"],
)
def test_a_rule_that_is_broken_fails(tmp_path: Path, expression: str, scenarios: Iterable[Scenario]) -> None:
    """Each check is about one alert: all rules are broken at once."""
    rules, count = re.subn(r"(- alert: .+\n +expr:) (\|-\n( {10}.+\n)+|.+\n)", rf"\1 {expression}\n", ALERTS)
    failures = promtool(tmp_path, rules, scenarios, OPERATOR)
    assert count == len(NAMES)
    assert set(re.findall(r'[:,] \{alertname="(\w+)"\} 1', failures)) == set(NAMES)


def test_an_outage_pages_within_fifteen_minutes_and_throttling_and_a_backlog_do_not() -> None:
    severity = dict(re.findall(r"- alert: (\w+)\n.+?severity: (\w+)", ALERTS, re.S))
    assert {severity[alert] for alert in NAMES} == {"critical", "warning", "info"}
    assert {alert for scenario in SCENARIOS for alert in scenario.fires} == set(NAMES)
    fires = {scenario.name: scenario.fires for scenario in SCENARIOS}
    for name in ("the API is down", "the intake is down", "a wrong password, tried every ten minutes"):
        assert any(severity[alert] == "critical" and by <= 60 + 15 for alert, (_, by) in fires[name].items())
    for name in ("throttled for hours", "a backlog does not shrink"):
        assert [severity[alert] for alert in fires[name]] == ["warning"]
