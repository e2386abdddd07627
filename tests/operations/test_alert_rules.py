"""Each alert rule fires where it should and nowhere else, and its test fails when the rule is broken."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from alert_scenarios import FIRING, SILENT, Scenario
from promtool import NEEDS_PROMTOOL, input_series, run

from operations_files import DOCS, rules, rules_text, with_expression

pytestmark = NEEDS_PROMTOOL

RULES = {rule.alert: rule for rule in rules()}
SHORT = min(SILENT, key=lambda scenario: int(scenario.silent_until.rstrip("h")))
_FIRING = 'alertstate="firing"'
_MINUTES = {"m": 1, "h": 60}
# Connectors beside one another, each with a problem of its own, are evaluated at once: the rules tell them apart by
# their instance. A group lasts as long as its longest scenario, and one without any connector cannot have neighbours.
GROUPS = {"an hour": 60, "two hours": 120, "five hours": 300, "eight hours": 480}


def minutes(time: str) -> int:
    return int(time[:-1]) * _MINUTES[time[-1]]


def lasting(scenario: Scenario) -> int:
    """How long (min) the scenario is looked at."""
    return max(minutes(time) for time in (*scenario.fires, scenario.silent_until) if time)


def grouped(name: str) -> list[Scenario]:
    """The scenarios that fit into that group and into no shorter one."""
    shorter = max((least for least in GROUPS.values() if least < GROUPS[name]), default=0)
    return [each for each in (*SILENT, *FIRING) if each.b and shorter < lasting(each) <= GROUPS[name]]


def unit_test(*scenarios: Scenario, only: str = "") -> dict[str, Any]:
    """The scenarios as promtool takes them: the series ALERTS holds every alert that fires, or `only` that one."""
    checks: list[dict[str, Any]] = []
    series: list[dict[str, str]] = []
    for scenario in scenarios:
        name = instance(scenario)
        # Of this instance and its neighbour, and of none: an alert that names no instance is nobody else's.
        firing = f'ALERTS{{{_FIRING},instance=~"|{name}( b)?:8020"}}'
        checks += [
            {
                "expr": firing,
                "eval_time": time,
                "exp_samples": [
                    {"labels": _alert(alert, name, scenario.job), "value": 1}
                    for alert in alerts
                    if alert == (only or alert)
                ],
            }
            for time, alerts in scenario.fires.items()
        ]
        if scenario.silent_until:
            silence = f"count_over_time({firing}[{scenario.silent_until}])"
            checks.append({"expr": silence, "eval_time": scenario.silent_until, "exp_samples": []})
        series += input_series({name: scenario.a, f"{name} b": scenario.b}, scenario.job)
    return {"interval": "1m", "input_series": series, "promql_expr_test": checks}


def instance(scenario: Scenario) -> str:
    """What tells its connector from those of the other scenarios, in the output of promtool too."""
    return re.sub(r"\W+", " ", scenario.name)


def _alert(name: str, instance: str, job: str) -> str:
    labels = "" if name == "CyberArkNoConnector" else f',instance="{instance}:8020",job="{job}"'
    return f'ALERTS{{alertname="{name}",{_FIRING},severity="{RULES[name].severity}"{labels}}}'


# How the unit tests fail is the same for each rule.
FIRST_NOW = [
    alert if number == 0 else pytest.param(alert, marks=pytest.mark.long) for number, alert in enumerate(RULES)
]


def assert_noticed(done: subprocess.CompletedProcess[str], alert: str) -> None:
    """The unit tests have run and have failed by this alert; broken rules that cannot be read would prove nothing."""
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "got:" in output
    assert alert in output


def test_the_rules_are_valid() -> None:
    subprocess.run(["promtool", "check", "rules", DOCS / "alerts.yml"], check=True, capture_output=True)


# Each rule is noticed where a part of it is broken, and fires where it is told to, in the others' company or not: the
# groups that last for hours show the silence of all others for as long.
@pytest.mark.parametrize(
    "group", [pytest.param(name, marks=pytest.mark.long) if least > 120 else name for name, least in GROUPS.items()]
)
def test_exactly_these_alerts_fire_when(tmp_path: Path, group: str) -> None:
    done = run(tmp_path, rules_text(), [unit_test(*grouped(group))])
    assert done.returncode == 0, done.stdout + done.stderr


def test_exactly_this_alert_fires_when_no_connector_is_scraped(tmp_path: Path) -> None:
    [alone] = [each for each in FIRING if not each.b]
    done = run(tmp_path, rules_text(), [unit_test(alone)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_scenario_is_in_a_group() -> None:
    together = [each for name in GROUPS for each in grouped(name)]
    assert [each.name for each in (*SILENT, *FIRING) if each not in together] == ["no connector is scraped"]
    assert len({instance(each) for each in together}) == len(together)


def test_each_alert_fires_in_a_scenario() -> None:
    assert {alert for each in FIRING for alerts in each.fires.values() for alert in alerts} == set(RULES)


def test_a_throttled_connector_pages_nobody_before_events_are_about_to_be_lost() -> None:
    pages = {name for name, rule in RULES.items() if rule.severity == "page"}
    for scenario in (each for each in FIRING if "a throttled connector" in each.name):
        assert pages & {alert for alerts in scenario.fires.values() for alert in alerts} <= {"CyberArkDataLossNear"}


@pytest.mark.parametrize("alert", FIRST_NOW)
def test_the_unit_tests_fail_where_a_rule_never_fires(tmp_path: Path, alert: str) -> None:
    scenarios = [each for each in FIRING if any(alert in alerts for alerts in each.fires.values())]
    scenario = min(scenarios, key=lasting)
    done = run(tmp_path, with_expression(alert, "vector(0) > 1"), [unit_test(scenario, only=alert)])
    assert_noticed(done, alert)


@pytest.mark.parametrize("alert", FIRST_NOW)
def test_the_unit_tests_fail_where_a_rule_always_fires(tmp_path: Path, alert: str) -> None:
    done = run(tmp_path, with_expression(alert, "up >= 0"), [unit_test(SHORT, only=alert)])
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
    done = run(tmp_path, document, [unit_test(noticing, only=alert)])
    assert_noticed(done, alert)


def fires_first(scenario: Scenario, alert: str) -> str:
    """When (a time of the scenario's) it expects that alert first; empty if it does not."""
    return next((time for time, alerts in scenario.fires.items() if alert in alerts), "")


def annotated(alert: str) -> dict[str, Any]:
    """A test that expects nothing of an alert that fires: promtool prints what it got, with the annotations."""
    scenario = min(
        (each for each in FIRING if fires_first(each, alert)), key=lambda each: minutes(fires_first(each, alert))
    )
    expected = [{"eval_time": fires_first(scenario, alert), "alertname": alert, "exp_alerts": []}]
    return {
        "interval": "1m",
        "input_series": input_series({"a": scenario.a, "b": scenario.b}, scenario.job),
        "alert_rule_test": expected,
    }


@pytest.mark.parametrize("alert", RULES)
def test_what_a_person_is_told_names_the_instance_and_can_be_read(tmp_path: Path, alert: str) -> None:
    done = run(tmp_path, with_expression(alert, RULES[alert].expression), [annotated(alert)])
    got = re.findall(r"Annotations:\{.*\}", done.stdout + done.stderr)
    assert got, done.stdout + done.stderr
    for told in got:
        assert "<no value>" not in told
        assert "error" not in told.lower().replace("error line", ""), told
        assert 'summary="a:8020: ' in told or 'summary="No instance: ' in told, told
