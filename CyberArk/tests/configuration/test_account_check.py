"""The account validator against a tenant on loopback: what the person is told."""

import json
import socket
import time
from typing import Any

import pytest
from sekoia_automation.account_validator import AccountValidator

from cyberark_modules import CyberArkModule, account_validator
from cyberark_modules.account_validator import CyberArkAccountValidator
from fakes.http_server import CLAIMS, Answer, FakeTenant

PASSWORD = "s3cret-password"
PAGE = "https://docs.sekoia.io/integration/categories/iam/cyberark_identity_audit_logs/"


class Check:
    """One validation of an account; `error` is what the person sees, `lines` what the log says."""

    def __init__(self, tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        account = {
            "auth_base_url": tenant.url,
            "login_name": "siem-svc@cyberark.cloud.1",
            "password": PASSWORD,
            "application_id": "SekoiaAudit",
            **changes,
        }
        kept = {name: value for name, value in account.items() if value is not None}
        monkeypatch.setenv("MODULE_CONFIGURATION", json.dumps(kept))
        self.lines: list[str] = []
        monkeypatch.setattr(CyberArkAccountValidator, "log", lambda _, message, level: self.lines.append(message))
        validator = CyberArkAccountValidator(CyberArkModule())
        self.accepted = validator.validate()
        self.error = validator._error or ""
        assert PASSWORD not in self.error + "".join(self.lines)


@pytest.mark.parametrize(("claims", "tenant_id"), [(CLAIMS, "t-1"), ({}, "unknown")])
def test_an_account_is_accepted_whatever_its_token_lacks(
    tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any], tenant_id: str
) -> None:
    """That is for the Audit API to judge."""
    tenant.script["token"] = lambda _: tenant.token_answer(claims=claims)
    check = Check(tenant, monkeypatch)
    assert check.accepted
    assert check.lines == [f"CyberArk Identity issues tokens for tenant {tenant_id}"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(400, {"error": "invalid_scope"}), f"See step 13 of {PAGE} [scope-undeclared]"),
        (Answer(401, {"error": "access_denied"}), f"See steps 22 and 23 of {PAGE} [credentials-refused]"),
        (Answer(403, {"error": "access_denied"}), f"See steps 30 to 35 of {PAGE} [permission-missing]"),
        (Answer(404, b"<html>"), f"See step 5 of {PAGE} [identity-address]"),
        (Answer(503), "CyberArk Identity is temporarily unavailable (HTTP 503)."),
        (Answer(200, {"access_token": "opaque", "expires_in": 1800}), f"See step 15 of {PAGE} [token-opaque]"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_rejection_is_told_with_its_step(
    tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch, answer: Answer, said: str
) -> None:
    tenant.script["token"] = [answer]
    check = Check(tenant, monkeypatch)
    assert not check.accepted
    assert said in check.error


def test_every_field_that_is_wrong_is_told_at_once(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    error = Check(tenant, monkeypatch, auth_base_url="ftp://x", application_id=["a"], login_name=None).error
    assert "Field “CyberArk Identity address”: It does not name a host." in error
    assert "Field “Application ID”: Enter text." in error
    assert "Field “Login name of the service user”: It is missing." in error
    error = Check(tenant, monkeypatch, auth_base_url=f"{tenant.url}/login").error  # which the connector puts up with
    assert error.startswith(f"Field “CyberArk Identity address”: {tenant.url} is used. Enter: Address up to the host")
    assert not tenant.received


def test_a_name_that_is_never_resolved_is_given_up_in_time(
    tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(60))
    monkeypatch.setattr(account_validator, "WITHIN_S", 0.2)
    started = time.monotonic()
    assert "CyberArk Identity does not answer completely in time." in Check(tenant, monkeypatch).error
    assert time.monotonic() - started < 2


def broken(_: object) -> str:
    raise KeyError("module_configuration")


def test_a_defect_of_ours_still_gives_an_answer(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CyberArkAccountValidator, "_problem", broken)
    assert "The account could not be checked" in Check(tenant, monkeypatch).error


def test_a_platform_that_cannot_be_told_does_not_end_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountValidator, "set_task_as_running", broken)
    lines: list[str] = []
    monkeypatch.setattr(CyberArkAccountValidator, "log", lambda _, message, level: lines.append(message))
    CyberArkAccountValidator(CyberArkModule()).set_task_as_running()
    assert lines == ["The platform's answer could not be used (KeyError)"]
