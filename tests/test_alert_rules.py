"""Each alert rule fires when it should, and is quiet while all is well."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from operations import DOCS, OURS, rules

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def test_the_rules_are_valid(tmp_path: Path) -> None:
    subprocess.run(["promtool", "check", "rules", DOCS / "alerts.yml"], check=True, capture_output=True)


FIRING: dict[str, tuple[dict[str, str], str]] = {
    "CyberArkBehind": ({f"{OURS}lag_seconds": "1000x60"}, "40m"),
    "CyberArkFailing": ({f'{OURS}retries_total{{service="delivery"}}': "0+1x60"}, "40m"),
    "CyberArkStuck": (
        {f'{OURS}api_request_duration_seconds_count{{endpoint="results",outcome="200"}}': "5x60"},
        "40m",
    ),
    "CyberArkAbsent": ({}, "20m"),
    "CyberArkSilent": ({f'{OURS}events_total{{outcome="collected"}}': "7x600"}, "8h"),
    "CyberArkMalformed": ({f'{OURS}events_total{{outcome="malformed"}}': "0x10 3x30"}, "20m"),
    "CyberArkTooLarge": ({f'{OURS}events_total{{outcome="too_large"}}': "0x10 1x30"}, "20m"),
    "CyberArkLateBeyondOverlap": ({f'{OURS}events_total{{outcome="late_beyond_overlap"}}': "0x10 2x30"}, "20m"),
    "CyberArkOverlapUnread": ({f"{OURS}settled_lag_seconds": "9000x60", f"{OURS}overlap_seconds": "300x60"}, "50m"),
    "CyberArkStateUnwritable": (
        {f'{OURS}state_write_duration_seconds_count{{outcome="error"}}': "0+1x60"},
        "40m",
    ),
}
WELL: dict[str, str] = {
    f"{OURS}lag_seconds": "8x600",
    f'{OURS}retries_total{{service="collection"}}': "0x300 1x300",
    f'{OURS}api_request_duration_seconds_count{{endpoint="results",outcome="200"}}': "0+8x600",
    f'{OURS}api_request_duration_seconds_count{{endpoint="results",outcome="429"}}': "0x600",
    f'{OURS}events_total{{outcome="collected"}}': "0+60x600",
    f'{OURS}events_total{{outcome="malformed"}}': "0x600",
    f'{OURS}events_total{{outcome="too_large"}}': "0x600",
    f'{OURS}events_total{{outcome="late_beyond_overlap"}}': "0x600",
    f"{OURS}settled_lag_seconds": "400x600",
    f"{OURS}overlap_seconds": "300x600",
    f'{OURS}state_write_duration_seconds_count{{outcome="error"}}': "0x600",
}


def alerts_test(series: dict[str, str], alert: str, at: str, fires: bool) -> dict[str, Any]:
    labels = dict(re.findall(r'(\w+)="(\w+)"', next(iter(series), "")))
    if alert == "CyberArkStuck":
        labels = {}
    severity = re.search(rf"- alert: {alert}\n(?:.*\n)*?.*severity: (\w+)", rules())
    assert severity
    expected = [{"exp_labels": {"severity": severity[1], **labels}}] if fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }


@pytest.mark.parametrize("alert", FIRING)
def test_an_alert_fires_when_it_should_and_only_then(tmp_path: Path, alert: str) -> None:
    assert set(FIRING) == set(re.findall(r"- alert: (\w+)", rules()))
    # What the annotations say is not compared, so they are taken out.
    (tmp_path / "alerts.yml").write_text(re.sub(r"\n        annotations:\n(?:          .*\n)+", "\n", rules()))
    series, at = FIRING[alert]
    tests = [alerts_test(series, alert, at, True), alerts_test(WELL, alert, "9h", False)]
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
