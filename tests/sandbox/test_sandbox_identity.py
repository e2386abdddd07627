"""The token endpoint refuses what CyberArk Identity refuses, and the Audit API takes only well-made tokens."""

import base64
import json
from typing import Any

import pytest
from sandbox_client import START, Client, FakeClock

from sandbox.environment import Environment


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(clock: FakeClock) -> Client:
    return Client.of(Environment(clock))


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return content


def test_a_well_made_request_gets_a_signed_token_with_every_claim(client: Client) -> None:
    answer = client.token()
    content = answer.json()
    claims = claims_of(content["access_token"])
    assert (answer.status, content["token_type"], content["expires_in"]) == (200, "Bearer", 18000)
    assert claims["scope"] == "isp.audit.events:read"
    assert claims["aud"] == "cyberark.isp.audit"
    assert claims["tenant_id"] == client.environment.tenant.id
    assert (claims["iat"], claims["exp"]) == (START, START + 18000)


@pytest.mark.parametrize(
    "path", ["/OAuth2/Token/sekoia-siem", "/oauth2/token/sekoia-siem", "/oauth2/token/sekoia%2Dsiem"]
)
def test_the_path_is_not_case_sensitive(client: Client, path: str) -> None:
    assert client.token(path).status == 200


def test_credentials_may_stand_in_the_form(client: Client) -> None:
    form = (
        "grant_type=client_credentials&scope=isp.audit.events%3Aread"
        "&client_id=siem-svc%40cyberark.cloud.1234&client_secret=correct+horse%2Fbattery%2Bstaple"
    )
    client.send = lambda service, request: client.environment.answer(
        service, type(request)(request.method, request.path, {}, request.body)
    )
    assert client.token(form=form).status == 200


@pytest.mark.parametrize(
    ("settings", "request_changes", "status", "error", "description"),
    [
        ({}, {"path": "/oauth2/token/Sekoia-SIEM"}, 400, "invalid_request", "unknown app Sekoia-SIEM"),
        ({"client_credentials_ticked": False}, {}, 400, "invalid_grant", "invalid grant type"),
        ({"scope_declared": False}, {}, 400, "invalid_scope", ""),
        ({}, {"form": "grant_type=client_credentials&scope=isp.audit.events:write"}, 400, "invalid_scope", ""),
        ({}, {"form": "grant_type=password&scope=isp.audit.events:read"}, 400, "unsupported_grant_type", ""),
        ({}, {"login_name": "siem-svc"}, 400, "invalid_client", ""),
        ({"confidential_client": False}, {}, 400, "invalid_client", ""),
        ({}, {"password": "wrong"}, 401, "access_denied", ""),
        ({}, {"login_name": "other@cyberark.cloud.1234"}, 401, "access_denied", ""),
        ({"permission": False}, {}, 403, "access_denied", ""),
    ],
)
def test_each_mistake_gets_its_answer(
    client: Client,
    settings: dict[str, Any],
    request_changes: dict[str, str],
    status: int,
    error: str,
    description: str,
) -> None:
    for name, value in settings.items():
        setattr(client.environment.tenant.identity_settings, name, value)
    answer = client.token(**request_changes)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert description in answer.json()["error_description"]


def test_any_other_path_is_html(client: Client) -> None:
    answer = client.token("/api/audits/stream/createQuery")
    assert answer.status == 404
    assert b"<html>" in answer.body


@pytest.mark.parametrize("claim", ["scope", "aud", "tenant_id"])
def test_a_token_without_a_claim_is_issued_and_then_refused(client: Client, claim: str) -> None:
    client.environment.tenant.identity_settings.claims.discard(claim)
    assert claim not in claims_of(client.token().json()["access_token"])
    assert client.log_in().query().status == 401


def test_an_opaque_token_is_issued_and_then_refused(client: Client) -> None:
    client.environment.tenant.identity_settings.token_type = "opaque"
    assert "." not in client.token().json()["access_token"].strip(".")
    assert client.log_in().query().status == 401


def test_a_token_is_refused_once_it_has_expired(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.identity_settings.token_lifetime = 90
    cursor = client.log_in().open()
    clock.sleep(89)
    assert client.results(cursor).status == 200
    clock.sleep(1)
    assert client.results(cursor).status == 401
    assert client.log_in().results(cursor).status == 200


def test_a_revoked_token_is_refused_and_a_new_one_taken(client: Client) -> None:
    cursor = client.log_in().open()
    client.environment.tenant.revoke_tokens()
    assert client.results(cursor).status == 401
    assert client.log_in().results(cursor).status == 200
