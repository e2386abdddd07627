"""What a person is told when the platform has not given the connector all that it needs."""

import base64
import json
import os
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sekoia_automation.connector import DefaultConnectorConfiguration
from sekoia_automation.module import Module

from cyberark_modules.platform.connector import PlatformConnector
from cyberark_modules.platform.start import can_log, configuration_faults
from fakes.platform_server import platform_logs, platform_status, platform_url, signals

__all__ = ["platform_logs", "platform_status", "platform_url", "signals"]

SECRET = "s3cret-value"


def https(value: object) -> object:
    if not str(value).startswith("https://"):
        raise PydanticCustomError("address", "The address must begin with https://.")
    return value


class Account(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)
    auth_base_url: Annotated[str, BeforeValidator(https)] = Field(title="CyberArk Identity address")
    login_name: str = Field(title="Login name")


class AccountModule(Module):
    configuration: Account  # type: ignore[override]


class Form(DefaultConnectorConfiguration):
    intake_key: str = Field(title="Intake key")
    frequency: int = Field(60, ge=60, le=86_400, title="Frequency")


class FormConnector(PlatformConnector):
    configuration: Form  # type: ignore[override]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the platform gives: complete, unless a test changes it."""
    variables = {
        "MODULE_CONFIGURATION": json.dumps({"auth_base_url": "https://a", "login_name": "svc"}),
        "CONNECTOR_CONFIGURATION": json.dumps({"intake_key": SECRET}),
        "TOKEN": "token",
        "URL_CALLBACK": "http://127.0.0.1:9/callback",
        "INTAKE_URL": "http://127.0.0.1:9",
    }
    for name in (*variables, "URL_LOGS", "URL_SECRETS"):
        monkeypatch.delenv(name, raising=False)
    given = dict(os.environ) | variables
    monkeypatch.setattr(os, "environ", given)
    return given


def faults() -> str:
    return configuration_faults(AccountModule(), FormConnector)  # type: ignore[no-untyped-call]


def test_a_complete_configuration_has_no_faults(given: dict[str, str]) -> None:
    assert faults() == ""
    given["CONNECTOR_CONFIGURATION"] = base64.b64encode(given["CONNECTOR_CONFIGURATION"].encode()).decode()
    assert faults() == ""


@pytest.mark.parametrize("name", ["MODULE_CONFIGURATION", "CONNECTOR_CONFIGURATION", "TOKEN", "INTAKE_URL"])
def test_what_is_missing_is_named_and_nothing_else(given: dict[str, str], name: str) -> None:
    del given[name]
    text = faults()
    assert f"{name}: " in text
    assert "missing" in text
    assert "environment variable" in text
    assert not any(f"{other}: " in text for other in given if other != name)


def test_what_the_sdk_can_do_without_is_not_missing(given: dict[str, str]) -> None:
    del given["URL_CALLBACK"], given["INTAKE_URL"]
    assert "URL_CALLBACK: " in faults()
    given.update(URL_LOGS="http://127.0.0.1:9/logs", URL_SECRETS="http://127.0.0.1:9/secrets")
    given["CONNECTOR_CONFIGURATION"] = json.dumps({"intake_key": SECRET, "intake_server": "https://intake"})
    assert faults() == ""


@pytest.mark.parametrize("content", ["{", SECRET, '["a"]', "3"])
def test_a_form_that_is_no_json_object_is_said_to_be_none(given: dict[str, str], content: str) -> None:
    given["MODULE_CONFIGURATION"] = content
    assert "MODULE_CONFIGURATION: the fields of the account's form are not" in faults()
    assert SECRET not in faults()


def test_everything_that_is_wrong_is_said_at_once_by_the_titles_of_the_forms(given: dict[str, str]) -> None:
    given["MODULE_CONFIGURATION"] = json.dumps({"auth_base_url": f"http://{SECRET}"})
    given["CONNECTOR_CONFIGURATION"] = json.dumps({"intake_server": 3, "frequency": SECRET})
    del given["INTAKE_URL"]
    assert faults().splitlines() == [
        "The connector cannot start.",
        "Account:",
        "  “CyberArk Identity address”: The address must begin with https://.",
        "  “Login name”: It is missing.",
        "Connector:",
        "  “intake_server”: The value has the wrong type.",
        "  “Intake key”: It is missing.",
        "  “Frequency”: It must be a whole number.",
    ]


@pytest.mark.parametrize(
    ("frequency", "sentence"), [(5, "It must be at least 60."), (90_000, "It must be at most 86400.")]
)
def test_a_number_beyond_its_limits_is_told_the_limit(given: dict[str, str], frequency: int, sentence: str) -> None:
    given["CONNECTOR_CONFIGURATION"] = json.dumps({"intake_key": "key", "frequency": frequency})
    assert faults().splitlines()[2:] == [f"  “Frequency”: {sentence}"]


def start(folder: Path) -> Any:
    connector = FormConnector(AccountModule(), folder)  # type: ignore[no-untyped-call]
    with pytest.raises(SystemExit) as ended:
        connector.start_monitoring()
    return ended.value.code


def test_without_a_platform_to_tell_it_is_printed(given: dict[str, str], tmp_path: Path, signals: None) -> None:
    del given["TOKEN"]
    given["CONNECTOR_CONFIGURATION"] = "{}"
    assert not can_log(AccountModule())  # type: ignore[no-untyped-call]
    said = start(tmp_path)
    assert "TOKEN: " in said
    assert "“Intake key”: It is missing." in said


def test_the_platform_is_told_in_one_critical_line(
    given: dict[str, str], tmp_path: Path, platform_logs: list[dict[str, str]], platform_url: str, signals: None
) -> None:
    given["URL_LOGS"] = f"{platform_url}/logs"
    given["MODULE_CONFIGURATION"] = "{}"
    given["CONNECTOR_CONFIGURATION"] = "{}"
    assert start(tmp_path) == 1
    [line] = platform_logs
    assert line["level"] == "critical"
    assert "“Login name”: It is missing." in line["message"]
    assert "“Intake key”: It is missing." in line["message"]
