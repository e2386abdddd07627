"""What a person is told when the platform has not given the connector all that it needs."""

import json
from pathlib import Path
from typing import Any

import pytest
from sekoia_automation.module import Module

from cyberark_modules import CyberArkModule
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration
from cyberark_modules.sdk.forms import can_log, faults_of_forms
from sdk.scene import PlainConnector, Platform, connector_of

SECRET = "s3cret-value"
ACCOUNT = {"auth_base_url": "https://a.id.cyberark.cloud", "login_name": "svc@a", "application_id": "App"}
FORM = {"api_base_url": "https://a.audit.cyberark.cloud", "api_key": SECRET, "intake_key": SECRET}


class FormConnector(PlainConnector):
    configuration: CyberArkAuditLogsConfiguration


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the platform gives: complete, unless a test changes it."""
    variables = {
        "MODULE_CONFIGURATION": json.dumps(ACCOUNT),
        "CONNECTOR_CONFIGURATION": json.dumps(FORM),
        "TOKEN": "token",
        "URL_CALLBACK": "http://127.0.0.1:9/callback",
        "INTAKE_URL": "http://127.0.0.1:9",
    }
    for name in ("URL_LOGS", "URL_SECRETS", "TRIGGER_CONFIGURATION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.environ", variables)
    return variables


def faults() -> str:
    return faults_of_forms(CyberArkModule(), FormConnector)


def test_what_is_complete_has_no_fault(given: dict[str, str]) -> None:
    assert faults() == ""
    assert can_log(CyberArkModule())


@pytest.mark.parametrize("name", ["MODULE_CONFIGURATION", "CONNECTOR_CONFIGURATION", "TOKEN", "INTAKE_URL"])
def test_what_is_missing_is_named_and_nothing_else(given: dict[str, str], name: str) -> None:
    del given[name]
    text = faults()
    assert f"{name}: the platform did not provide this environment variable." in text
    assert not any(f"{other}: " in text for other in given if other != name)


def test_what_the_sdk_can_do_without_is_not_missing(given: dict[str, str]) -> None:
    del given["URL_CALLBACK"], given["INTAKE_URL"]
    assert "URL_CALLBACK: " in faults()
    assert not can_log(CyberArkModule())
    given.update(URL_LOGS="http://127.0.0.1:9/logs", URL_SECRETS="http://127.0.0.1:9/secrets")
    given["CONNECTOR_CONFIGURATION"] = json.dumps({**FORM, "intake_server": "https://intake.test"})
    assert faults() == ""


def test_a_connector_that_was_created_as_a_trigger_starts(given: dict[str, str]) -> None:
    given["TRIGGER_CONFIGURATION"] = given.pop("CONNECTOR_CONFIGURATION")
    assert faults() == ""
    assert FormConnector(CyberArkModule(), Path()).configuration.intake_key == SECRET
    given["TRIGGER_CONFIGURATION"] = "[]"
    assert "TRIGGER_CONFIGURATION: " in faults()


@pytest.mark.parametrize("content", ["{", SECRET, '["a"]', "3"])
def test_a_form_that_is_no_json_object_is_said_to_be_none(given: dict[str, str], content: str) -> None:
    given["MODULE_CONFIGURATION"] = content
    assert "MODULE_CONFIGURATION: the" in faults()
    assert SECRET not in faults()


def test_everything_that_is_wrong_is_said_at_once_by_the_titles_of_the_forms(given: dict[str, str]) -> None:
    given["MODULE_CONFIGURATION"] = json.dumps({**ACCOUNT, "login_name": {"a": SECRET}})
    given["CONNECTOR_CONFIGURATION"] = json.dumps({"intake_server": 3, "frequency": SECRET})
    del given["INTAKE_URL"]
    first, *lines = faults().splitlines()
    assert first == "The connector cannot start."
    assert [line.partition(",")[0] for line in lines] == ["Account"] + ["Connector"] * (len(lines) - 1)
    assert len(lines) >= 5
    assert SECRET not in faults()


def start(connector: PlainConnector) -> Any:
    with pytest.raises(SystemExit) as ended:
        connector.start_monitoring()
    return ended.value.code


def test_the_platform_is_told_in_one_critical_line(
    connector: PlainConnector, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainConnector, "_STOP_EVENT_WAIT", 0.5)
    monkeypatch.setenv("CONNECTOR_CONFIGURATION", "{}")
    assert start(connector) == 1
    [line] = platform.lines
    assert line["level"] == "critical"
    assert "It is missing." in line["message"]


def test_without_a_platform_to_tell_it_is_printed(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connector_of(platform, tmp_path) as connector:
        monkeypatch.delenv("TOKEN")
        assert "TOKEN: " in start(connector)
        monkeypatch.setenv("TOKEN", "token")


def test_a_module_without_a_form_has_none_to_check(given: dict[str, str]) -> None:
    assert faults_of_forms(Module(), FormConnector) == ""
