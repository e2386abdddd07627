"""What the dashboard's queries return for two connectors of which one is dead, and one that is quiet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alert_scenarios import BUSY, COMMON, QUIET, THROTTLED, Values, ends_at
from promtool import NEEDS_PROMTOOL, input_series, run

from operations_files import expressions, panels

pytestmark = NEEDS_PROMTOOL

_VARIABLES = {"$job": ".*", "$instance": ".*", "$__rate_interval": "5m"}
# What only the dashboard looks at.
_SHOWN: Values = {
    'events_total{outcome="collected"}': "0+60x800",
    'events_total{outcome="already_delivered"}': "0+300x800",
    "queries_total": "0+1x800",
    "token_renewals_total": "1x800",
    "position_timestamp_seconds": "0+60x800",
    "gaps": "0x800",
    'open_streams{use="tail"}': "1x800",
    "seen_keys": "400x800",
    "state_bytes": "60000x800",
    'late_event_delay_seconds_bucket{le="60"}': "0x800",
    'late_event_delay_seconds_bucket{le="+Inf"}': "0x800",
    'api_request_duration_seconds_bucket{endpoint="results",outcome="200",le="0.5"}': "0+20x800",
    'api_request_duration_seconds_bucket{endpoint="results",outcome="200",le="+Inf"}': "0+20x800",
    'state_write_duration_seconds_bucket{outcome="written",le="0.01"}': "0+1x800",
    'state_write_duration_seconds_bucket{outcome="written",le="+Inf"}': "0+1x800",
    f'{COMMON}forward_events_duration_bucket{{intake_key="key",le="0.5"}}': "0+1x800",
    f'{COMMON}forward_events_duration_bucket{{intake_key="key",le="+Inf"}}': "0+1x800",
    f'{COMMON}discarded_events_total{{intake_key="key"}}': "0x800",
    f'{COMMON}events_lags{{intake_key="key"}}': "4x800",
}
Expected = Sequence[tuple[str, Mapping[str, float]]]

DEAD = ends_at(60, {**BUSY, **_SHOWN})
ALIVE = {**BUSY, **_SHOWN}
AFTER_THREE_HOURS = "240m"


def asked(expression: str) -> str:
    """The query as Grafana asks it with all connectors chosen."""
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def query(title: str) -> str:
    [panel] = [panel for panel in panels() if panel["title"] == title]
    [target] = panel["targets"]
    return asked(target["expr"])


def returns(folder: Path, connectors: dict[str, Values], at: str, expected: Expected) -> None:
    """Each query returns those values, by instance, and none for another."""
    checks = [
        {
            "expr": expression,
            "eval_time": at,
            "exp_samples": [
                {"labels": f'{{instance="{instance}:8020",job="siem"}}', "value": value}
                for instance, value in values.items()
            ],
        }
        for expression, values in expected
    ]
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": input_series(connectors, "siem"),
        "promql_expr_test": checks,
    }
    done = run(folder, "groups: []", [test])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("gone", [DEAD, {**DEAD, "up": "1x60 stale"}], ids=["down", "no longer a target"])
def test_the_dead_one_of_two_connectors_is_shown_as_dead(tmp_path: Path, gone: Values) -> None:
    expected = [
        (query("Is it collecting?"), {"a": 0, "b": 1}),
        (query("Is anything wrong?"), {"a": 1, "b": 0}),
        (query("Connectors up"), {"a": 0, "b": 1}),
        (query("How fresh?"), {"b": 4}),
        (query("Newest event"), {"b": 240 * 60 * 1000}),
    ]
    returns(tmp_path, {"a": gone, "b": ALIVE}, AFTER_THREE_HOURS, expected)


def test_it_is_shown_as_dead_at_once(tmp_path: Path) -> None:
    expected = [(query("Is it collecting?"), {"a": 0, "b": 1}), (query("Is anything wrong?"), {"a": 1, "b": 0})]
    returns(tmp_path, {"a": DEAD, "b": ALIVE}, "61m", expected)


@pytest.mark.parametrize("values", [QUIET, THROTTLED], ids=["quiet", "throttled"])
def test_a_quiet_or_throttled_connector_is_collecting_and_nothing_is_wrong(tmp_path: Path, values: Values) -> None:
    expected = [(query("Is it collecting?"), {"a": 1, "b": 1}), (query("Is anything wrong?"), {"a": 0, "b": 0})]
    returns(tmp_path, {"a": {**values, **_SHOWN}, "b": ALIVE}, AFTER_THREE_HOURS, expected)


def test_a_connector_that_runs_and_reads_nothing_is_not_collecting(tmp_path: Path) -> None:
    stuck = {**ALIVE, 'api_request_duration_seconds_count{endpoint="results",outcome="200"}': "600x800"}
    returns(tmp_path, {"a": stuck, "b": ALIVE}, AFTER_THREE_HOURS, [(query("Is it collecting?"), {"a": 0, "b": 1})])


def test_every_query_shows_the_connector_that_runs_under_its_own_name(tmp_path: Path) -> None:
    by_instance = [text for text in expressions() if "sum by (le)" not in text and "last_over_time" not in text]
    assert len(by_instance) > 25
    expected = [(f"group by (job, instance) ({asked(text)})", {"b": 1.0}) for text in by_instance]
    returns(tmp_path, {"a": DEAD, "b": ALIVE}, AFTER_THREE_HOURS, expected)
