"""The account validator as the platform starts it: what the person is told, how soon, and what never shows."""

import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diagnosis_cases import ACCOUNT_MISTAKES, EXPECTED, Secrets, log_everything, says, some_now
from sentry_server import SentryServer

from cyberark_modules import CyberArkModule
from cyberark_modules.account_validator import CyberArkAccountValidator
from sandbox.check.rehearsal import BREAKS
from sandbox.demo.process import ConnectorProcess
from sandbox.faults.fault import Fault
from sandbox.http import Request, Response
from sandbox.server.impostor import Authority, dripping, listen
from sandbox.server.server import Sandbox

WITHIN_S = 20.0


class Validation:
    """One run of `main.py validate_module_configuration`, at debug level."""

    def __init__(
        self, sandbox: Sandbox, directory: Path, variables: dict[str, str] | None = None, **fields: Any
    ) -> None:
        with ConnectorProcess(
            sandbox,
            directory / "state",
            command="validate_module_configuration",
            variables={**log_everything(directory / "site"), **(variables or {})},
            **fields,
        ) as process:
            self.status = process.wait(60)
        # From the first word to the platform to the last: how soon Python starts is the machine's affair.
        times = [exchange.time for exchange in sandbox.ledger.journal if exchange.endpoint == "callback"]
        self.seconds = times[-1] - times[0]
        self.output = "\n".join(process.lines)
        self.callbacks = list(sandbox.sekoia.callbacks)

    @property
    def error(self) -> str:
        """What the person sees, empty when the account is accepted."""
        last = self.callbacks[-1]
        assert last["status"] == "finished"
        assert last["results"]["success"] == ("error" not in last)
        return str(last.get("error", ""))


@pytest.mark.parametrize("name", some_now(ACCOUNT_MISTAKES, "password", "identity-silent"))
def test_a_mistake_in_the_account_is_told_in_time_and_without_a_secret(
    name: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    mistake = BREAKS[name].make(sandbox)
    with SentryServer() as sentry:
        ran = Validation(sandbox, tmp_path, {**mistake.variables, "SENTRY_DSN": sentry.dsn}, **mistake.fields)
    # A clock that is off is no fault of the account: it is said in the log only.
    assert says(EXPECTED[name], ran.output if name == "clock" else ran.error)
    assert (ran.error == "") == (name == "clock")
    assert ran.seconds < WITHIN_S
    assert ran.status == 0
    assert "Traceback" not in ran.output
    assert not Secrets.of(sandbox).seen_in([ran.output, ran.error, *sentry.received])
    # Wherever a redirection leads to, nobody goes there.
    assert not any(endpoint == "platform-other" for endpoint, _ in sandbox.ledger.requests)


class _Gone(Fault):
    """The platform knows nothing of the task."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        return Response(404) if endpoint == "callback" else None


def test_an_unexpected_end_is_told_to_sentry_without_a_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    with SentryServer() as sentry:
        sandbox.faults.hold(_Gone())
        environment = {**log_everything(tmp_path / "site"), "SENTRY_DSN": sentry.dsn}
        command = "validate_module_configuration"
        with ConnectorProcess(sandbox, tmp_path / "state", command=command, variables=environment) as process:
            assert process.wait(60)
    assert any("HTTPError" in event for event in sentry.received)
    assert not Secrets.of(sandbox).seen_in(sentry.received)


def test_an_account_without_a_mistake_is_accepted(sandbox: Sandbox, tmp_path: Path) -> None:
    ran = Validation(sandbox, tmp_path)
    assert ran.error == ""
    assert [callback["status"] for callback in ran.callbacks] == ["running", "finished"]
    assert sandbox.tenant.id in ran.output
    assert not Secrets.of(sandbox).seen_in([ran.output])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"auth_base_url": "http://abc1234.id.cyberark.cloud"},
            "Field “CyberArk Identity address”: The address must begin with https://",
        ),
        pytest.param(
            {"application_id": "https://abc1234.id.cyberark.cloud/app"},
            "Field “Application ID”: ",
            marks=pytest.mark.long,
        ),
        pytest.param(
            {"login_name": None}, "Field “Login name of the service user”: It is missing.", marks=pytest.mark.long
        ),
        ({"login_name": None, "application_id": None}, "Field “Application ID”: It is missing."),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    fields: dict[str, Any], said: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    ran = Validation(sandbox, tmp_path, **fields)
    assert said in ran.error
    assert "Traceback" not in ran.output
    assert ran.seconds < WITHIN_S
    assert not Secrets.of(sandbox).seen_in([ran.output, ran.error])


def test_a_host_that_answers_in_drops_is_given_up_in_time(sandbox: Sandbox, tmp_path: Path) -> None:
    authority = Authority()
    address = listen(authority.host(then=dripping))
    bundle = {"REQUESTS_CA_BUNDLE": str(authority.bundle(sandbox))}
    ran = Validation(sandbox, tmp_path, bundle, auth_base_url=f"https://{address}")
    assert (
        "CyberArk Identity does not answer in time. Field “CyberArk Identity address”, step 5 of the guide"
        in ran.error
    )
    assert ran.seconds < WITHIN_S


class _Slow(Fault):
    """The platform takes its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        return replace(response, delay=self._seconds) if endpoint == "callback" else response


def test_a_slow_platform_and_a_silent_host_together_stay_within_the_time(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.hold(_Slow(4))
    mistake = BREAKS["identity-silent"].make(sandbox)
    ran = Validation(sandbox, tmp_path, **mistake.fields)
    assert "CyberArk Identity does not answer in time." in ran.error
    assert ran.seconds < WITHIN_S


class _Broken(Fault):
    """The platform's answer to the beginning of a task is not what the SDK expects."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        is_first = endpoint == "callback" and json.loads(request.body)["status"] == "running"
        return Response(200, {}, b"{}") if is_first else None


def test_without_the_platforms_secrets_the_password_is_what_is_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.hold(_Broken())
    ran = Validation(sandbox, tmp_path, password=None)
    assert says(EXPECTED["no-password"], ran.error)
    assert "Traceback" not in ran.output


@pytest.fixture
def module(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CyberArkModule:
    for name, value in sandbox.environment_variables(tmp_path).items():
        monkeypatch.setenv(name, value)
    return CyberArkModule()


def test_a_name_that_is_never_resolved_is_given_up_in_time(
    module: CyberArkModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(60))
    monkeypatch.setattr(CyberArkAccountValidator, "WITHIN_S", 1.0)
    monkeypatch.setattr(CyberArkAccountValidator, "AT_LEAST_S", 0.5)
    validator = CyberArkAccountValidator(module)
    started = time.monotonic()
    assert not validator.validate()
    assert time.monotonic() - started < 3
    assert validator._error
    assert "CyberArk Identity does not answer in time." in validator._error


def test_a_defect_of_ours_still_gives_an_answer(module: CyberArkModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODULE_CONFIGURATION", "not JSON")
    validator = CyberArkAccountValidator(module)
    assert not validator.validate()
    assert validator._error
    assert "The account could not be checked" in validator._error
