"""What the platform gives and sees: both forms, ports, the account's check, metrics."""

import json
import re
import shutil
import subprocess
import urllib.request
from typing import Any

import pytest

from processes.scene import STOPS_WITHIN_S, Scene
from repository import DOCS, text


def test_a_connector_of_the_published_version_runs_with_a_warning_for_each_field(scene: Scene) -> None:
    """It was created as a trigger, with an address of a page and one without TLS."""
    scene.world.add_backlog(700, 600)
    urls = scene.sandbox.urls
    scene.start(
        as_trigger=True,
        auth_base_url=urls["identity"].replace("https:", "http:"),
        api_base_url=f"{urls['audit']}/admin#/users",
    )
    scene.until_delivered()
    scene.until(lambda: scene.platform_lines("warning"), "a warning")
    assert [line.partition("”")[0] for line in scene.platform_lines("warning", "error", "critical")] == [
        "Field “CyberArk Identity address",
        "Field “CyberArk Audit API base URL",
    ]
    scene.judge()


def test_the_metrics_of_a_running_connector_are_those_of_the_page_and_well_formed(scene: Scene) -> None:
    scene.world.add_backlog(700, 600)
    scene.start()
    scene.until_delivered()
    found = scene.metrics()
    [pushing_s] = re.findall(r"^symphony_module_common_forward_events_duration_sum\{.*\} (\S+)$", found, re.M)
    assert 0 < float(pushing_s) < 60
    page = text(DOCS / "operations.md").partition("\n## Metrics")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)(\{[\w,]+\})?`", page, re.MULTILINE)
    assert len(named) == page.count("\n| `") == 18
    for name, labels in named:
        full = name if name.startswith("symphony_module_") else f"symphony_module_cyberark_{name}"
        series = re.findall(rf"^{full}(?:_bucket|_sum|_count)?(\{{.*\}})? \S+$", found, re.MULTILINE)
        assert series, f"{full} is not there"
        for label in labels.strip("{}").split(",") if labels else ():
            assert f'{label}="' in series[0], f"{full} without {label}"
    with urllib.request.urlopen(scene.connector.liveness_url) as answer:
        assert json.load(answer)["last_heartbeat_threshold"] == 900
    if promtool := shutil.which("promtool"):
        checked = subprocess.run([promtool, "check", "metrics"], input=found, text=True, capture_output=True)
        assert not checked.stdout + checked.stderr


def test_everything_that_is_wrong_in_both_forms_is_one_line_and_the_platform_ends_it(scene: Scene) -> None:
    scene.start(auth_base_url="not an address", login_name="", frequency="two words", start_time=0)
    scene.until(lambda: scene.platform_lines("critical"), "the platform is told")
    scene.wait(1.0)
    assert scene.connector.is_running  # the SDK's wait for the platform
    assert scene.stop(status=1) < STOPS_WITHIN_S
    (line,) = scene.platform_lines("warning", "error", "critical")
    assert line.startswith("The connector cannot start")
    for title in ("CyberArk Identity address", "Login name", "Polling interval", "Initial lookback"):
        assert f"“{title}" in line
    assert "two words" not in line


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("password_expired", True, "credentials-refused"),
        ("password", "12345678", ""),
    ],
)
def test_the_account_is_checked_by_a_process_of_its_own(scene: Scene, setting: str, value: Any, code: str) -> None:
    setattr(scene.world.settings.identity, setting, value)
    if setting == "password":
        scene.world.sekoia.password = int(value)  # type: ignore[assignment] # as the form's JSON has it
    check = scene.start(command="validate_module_configuration")
    assert check.wait(timeout=60) == 0
    result = scene.world.sekoia.callbacks[-1]
    assert result["results"] == {"success": not code}
    said = result.get("error", "")
    assert ("cyberark_identity_audit_logs" in said and f"[{code}]" in said) == bool(code)
    assert scene.world.settings.identity.password not in json.dumps([*scene.world.sekoia.callbacks, *check.lines])
