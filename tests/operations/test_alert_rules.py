"""Each alert rule fires where it should and nowhere else, and its test fails when the rule is broken."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from alert_scenarios import FIRING, SILENT, Scenario
from promtool import NEEDS_PROMTOOL, input_series, run

from operations_files import DOCS, Rule, rules, rules_text, with_expression

pytestmark = NEEDS_PROMTOOL

RULES = {rule.alert: rule for rule in rules()}
SHORT = min(SILENT, key=lambda scenario: int(scenario.silent_until.rstrip("h")))
_FIRING = 'ALERTS{alertstate="firing"}'


def unit_test(scenario: Scenario, only: str = "") -> dict[str, Any]:
    """The scenario as promtool takes it: the series ALERTS holds every alert that fires, or `only` that one."""
    checks = [
        {
            "expr": _FIRING,
            "eval_time": time,
            "exp_samples": [
                {"labels": _alert(name, scenario.job), "value": 1} for name in alerts if name == (only or name)
            ],
        }
        for time, alerts in scenario.fires.items()
    ]
    if scenario.silent_until:
        silence = f"count_over_time({_FIRING}[{scenario.silent_until}])"
        checks.append({"expr": silence, "eval_time": scenario.silent_until, "exp_samples": []})
    series = input_series({"a": scenario.a, "b": scenario.b}, scenario.job)
    return {"name": scenario.name, "interval": "1m", "input_series": series, "promql_expr_test": checks}


def _alert(name: str, job: str) -> str:
    instance = "" if name == "CyberArkNoConnector" else f',instance="a:8020",job="{job}"'
    return f'ALERTS{{alertname="{name}",alertstate="firing",severity="{RULES[name].severity}"{instance}}}'


def assert_noticed(done: subprocess.CompletedProcess[str], alert: str) -> None:
    """The unit tests have run and have failed by this alert; broken rules that cannot be read would prove nothing."""
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "got:" in output
    assert alert in output


def test_the_rules_are_valid() -> None:
    subprocess.run(["promtool", "check", "rules", DOCS / "alerts.yml"], check=True, capture_output=True)


@pytest.mark.parametrize("scenario", [*SILENT, *FIRING], ids=lambda scenario: scenario.name)
def test_exactly_these_alerts_fire_when(tmp_path: Path, scenario: Scenario) -> None:
    done = run(tmp_path, rules_text(), [unit_test(scenario)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_in_a_scenario() -> None:
    assert {alert for each in FIRING for alerts in each.fires.values() for alert in alerts} == set(RULES)


def test_a_throttled_connector_pages_nobody_before_events_are_about_to_be_lost() -> None:
    pages = {name for name, rule in RULES.items() if rule.severity == "page"}
    for scenario in (each for each in FIRING if "a throttled connector" in each.name):
        assert pages & {alert for alerts in scenario.fires.values() for alert in alerts} <= {"CyberArkDataLossNear"}


@pytest.mark.parametrize("alert", RULES)
def test_the_unit_tests_fail_where_a_rule_never_fires(tmp_path: Path, alert: str) -> None:
    scenarios = [each for each in FIRING if any(alert in alerts for alerts in each.fires.values())]
    done = run(tmp_path, with_expression(alert, "vector(0) > 1"), [unit_test(each, alert) for each in scenarios])
    assert_noticed(done, alert)


@pytest.mark.parametrize("alert", RULES)
def test_the_unit_tests_fail_where_a_rule_always_fires(tmp_path: Path, alert: str) -> None:
    done = run(tmp_path, with_expression(alert, "up >= 0"), [unit_test(SHORT, alert)])
    assert_noticed(done, alert)


# A part of a rule, what it becomes, and the scenario that notices it.
BROKEN = [
    ("CyberArkConnectorDown", "avg_over_time(up[10m]) < 0.5\n", "avg_over_time(up[10m]) < 0\n", "one minute in four"),
    (
        "CyberArkConnectorDown",
        'avg_over_time(up{job=~"(?i).*cyberark.*"}[10m]) < 0.5',
        "vector(0) > 1",
        "never answered",
    ),
    ("CyberArkConnectorDown", "unless on", "and on", "no longer a target"),
    ("CyberArkCrashLoop", "[15m]) > 2", "[15m]) > 100", "two minutes in five"),
    ("CyberArkCrashLoop", "[2h]) > 5", "[2h]) > 100", "nineteen minutes"),
    ("CyberArkNotFresh", "[5m])", "[30s])", "two minutes in five"),
    ("CyberArkNotFresh", "> 0.5 *", "> 2 *", "is hours late"),
    ("CyberArkNotFresh", "> 0.5 *", "> 0.01 *", "goes down while it throttles"),
    ("CyberArkNotFresh", "seconds[15m]) > 600", "seconds[15m]) > 60000", "Retry-After"),
    ("CyberArkCollectionFailing", "200|204|429", "200|204", "Retry-After"),
    ("CyberArkCollectionFailing", '=~"200|204"', '="never"', "down for ten minutes"),
    ("CyberArkCollectionFailing", '=~"200|204"', '="200"', "answered with 204"),
    ("CyberArkDeliveryFailing", "forwarded_events_total", "discarded_events_total", "one event of many"),
    ("CyberArkNoRequests", 'service="delivery"', 'service="never"', "intake accepts nothing"),
    ("CyberArkNoRequests", "> 600", "> 60000", "Retry-After"),
    ("CyberArkThrottled", "> 3600\n            or max", "> 360000\n            or max", "is hours late"),
    ("CyberArkThrottled", "> 21600", "> 2160000", "looked for late events in six hours"),
    ("CyberArkThrottled", "0.99 * max", "2 * max", "nothing of its backlog"),
    ("CyberArkThrottled", "> 0.5 *", "> 0 *", "goes down while it throttles"),
    ("CyberArkDataLossNear", "* clamp_min(-deriv", "* 0 * clamp_min(-deriv", "five days is read"),
    ("CyberArkDataLossNear", "lag_seconds[5m]) > 432000", "lag_seconds[5m]) > 4320000", "nothing for five days"),
    (
        "CyberArkEventTimeLost",
        "increase(symphony_module_cyberark_lost_seconds_total[1h]) > 0",
        "vector(0) > 1",
        "overtakes",
    ),
    ("CyberArkEventTimeLost", "< 3600", "< 0", "off for eight days"),
    ("CyberArkBacklogNotShrinking", "0.99 * max", "2 * max", "backlog grows"),
    ("CyberArkBacklogNotShrinking", "0.99 * max", "0.5 * max", "backlog of a day"),
    ("CyberArkBacklogNotShrinking", "> 0.5 *", "> 2 *", "nothing of its backlog"),
    ("CyberArkFailingGap", "[5m]", "[30s]", "two minutes in five"),
    ("CyberArkLookbackOverdue", "> 0.5 *", "> 2 *", "looked for late events in six hours"),
    ("CyberArkStateUnwritable", 'outcome="written"', 'outcome="never"', "half of the writes"),
]


@pytest.mark.parametrize(("alert", "part", "broken", "scenario"), BROKEN)
def test_the_unit_tests_fail_where_a_part_of_a_rule_is_broken(
    tmp_path: Path, alert: str, part: str, broken: str, scenario: str
) -> None:
    [noticing] = [each for each in (*SILENT, *FIRING) if scenario in each.name]
    assert part in RULES[alert].expression
    document = with_expression(alert, RULES[alert].expression.replace(part, broken))
    done = run(tmp_path, document, [unit_test(noticing, alert)])
    assert_noticed(done, alert)


def annotated(rule: Rule, scenario: Scenario) -> dict[str, Any]:
    """A test that expects nothing of an alert that fires: promtool prints what it got, with the annotations."""
    time = next(time for time, alerts in scenario.fires.items() if rule.alert in alerts)
    series = input_series({"a": scenario.a, "b": scenario.b}, scenario.job)
    expected = [{"eval_time": time, "alertname": rule.alert, "exp_alerts": []}]
    return {"interval": "1m", "input_series": series, "alert_rule_test": expected}


def test_what_a_person_is_told_names_the_instance_and_can_be_read(tmp_path: Path) -> None:
    by_alert = {alert: each for each in FIRING for alerts in each.fires.values() for alert in alerts}
    done = run(tmp_path, rules_text(), [annotated(RULES[alert], each) for alert, each in by_alert.items()])
    got = re.findall(r"Annotations:\{.*\}", done.stdout + done.stderr)
    assert len(got) >= len(RULES), done.stdout + done.stderr
    for told in got:
        assert "<no value>" not in told
        assert "error" not in told.lower().replace("error line", ""), told
        assert 'summary="a:8020: ' in told or 'summary="No instance: ' in told, told
