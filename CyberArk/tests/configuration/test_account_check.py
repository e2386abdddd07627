"""The account validator against a tenant on loopback: what the person is told."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules import CyberArkModule
from cyberark_modules.account_validator import CyberArkAccountValidator
from fakes.http_server import CLAIMS, Answer, FakeTenant

PASSWORD = "s3cret-password"


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTenant]:
    with FakeTenant(tmp_path) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


class Check:
    """One validation of an account; `error` is what the person sees."""

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
        self.logs: list[str] = []
        monkeypatch.setattr(CyberArkAccountValidator, "log", lambda _, message, **__: self.logs.append(message))
        validator = CyberArkAccountValidator(CyberArkModule())
        self.accepted = validator.validate()
        self.error = validator._error or ""
        assert PASSWORD not in self.error + "".join(self.logs)


def test_an_account_without_a_mistake_is_accepted(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check(tenant, monkeypatch)
    assert check.accepted
    assert check.logs == ["CyberArk Identity issues tokens for tenant t-1"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(400, {"error": "invalid_scope"}), "Step 13 of the guide"),
        (Answer(401, {"error": "access_denied"}), "steps 22 and 23 of the guide"),
        (Answer(403, {"error": "access_denied"}), "Steps 30 to 35 of the guide"),
        (Answer(403, {"error": "access_denied"}), "Run and Automatically Deploy where the console offers them"),
        (Answer(404, b"<html>"), "Field “CyberArk Identity address”, step 5 of the guide"),
        (Answer(503), "CyberArk Identity is temporarily unavailable (HTTP 503)."),
        (Answer(200, {"access_token": "opaque", "expires_in": 1800}), "Step 15 of the guide"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_is_told_with_its_step(
    tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch, answer: Answer, said: str
) -> None:
    tenant.script["token"] = [answer]
    check = Check(tenant, monkeypatch)
    assert not check.accepted
    assert said in check.error


def test_every_claim_that_is_missing_is_told_at_once(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.script["token"] = lambda _: tenant.token_answer(claims={"tenant_id": "t-1", "scope": "other"})
    error = Check(tenant, monkeypatch).error
    assert "Step 13 of the guide" in error
    assert "Step 18 of the guide" in error
    assert "The claim aud of the token" in error


def test_every_field_that_is_wrong_is_told_at_once(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    error = Check(tenant, monkeypatch, auth_base_url="http://x", application_id="a/b", login_name=None).error
    assert "Field “CyberArk Identity address”: The address must begin with https://" in error
    assert "Field “Application ID”: It contains a character that is not allowed." in error
    assert "Field “Login name of the service user”: It is missing." in error
    assert not tenant.received


def test_clocks_that_differ_are_no_mistake_of_the_account(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    body = tenant.token_answer(claims=CLAIMS).body
    tenant.script["token"] = [Answer(200, body, {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"})]
    check = Check(tenant, monkeypatch)
    assert check.accepted
    assert "either may be wrong" in check.logs[0]


def test_a_name_that_is_never_resolved_is_given_up_in_time(
    tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(60))
    monkeypatch.setattr(CyberArkAccountValidator, "WITHIN_S", 0.2)
    monkeypatch.setattr(CyberArkAccountValidator, "AT_LEAST_S", 0.2)
    started = time.monotonic()
    assert "CyberArk Identity does not answer in time." in Check(tenant, monkeypatch).error
    assert time.monotonic() - started < 2


def test_a_defect_of_ours_still_gives_an_answer(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> list[str]:
        raise RuntimeError("defect")

    monkeypatch.setattr(CyberArkAccountValidator, "_problems", broken)
    assert "The account could not be checked" in Check(tenant, monkeypatch).error
