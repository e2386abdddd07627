"""Each mistake of a set-up, as a client over sockets meets it."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.check.mistakes import MISTAKES, Mistake
from sandbox.check.rehearsal import right_values
from sandbox.server.server import Sandbox
from sandbox.tenant.settings import SCOPE

EXPECTED = {
    "identity-audit": "token 403 Missing Authentication Token",
    "identity-other": "token 404",
    "identity-closed": "token ConnectionError",
    "identity-html": "token 200 <!DOCTYPE html>",
    "application-id": "token 400 unknown app Sekoia-SIEM",
    "client-credentials": "token 400 invalid grant type",
    "scope": "token 400 invalid_scope",
    "login-suffix": "token 400 invalid_client",
    "login-name": "token 401 access_denied",
    "password": "token 401 access_denied",
    "confidential-client": "token 400 invalid_client",
    "permission": "token 403 access_denied",
    "token-type": "query 401",
    "claim-tenant-id": "query 401",
    "claim-aud": "query 401",
    "claim-scope": "query 401",
    "audit-identity": "query 404 <!DOCTYPE html>",
    "audit-closed": "query ConnectionError",
    "api-key": "query 403 Forbidden",
    "certificate": "token SSLError",
    "proxy": "token ProxyError",
    "minute-used": "query 429",
    "redirect": "token 302",
    "intake-key": "intake 403",
    "intake-server": "intake ConnectionError",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def walk(sandbox: Sandbox, mistake: Mistake) -> str:
    """The first link of the chain that fails, and how."""
    values = right_values(sandbox) | mistake.fields
    session = requests.Session()
    session.trust_env = False
    session.verify = mistake.variables.get("REQUESTS_CA_BUNDLE", str(sandbox.ca_file)) or True
    session.proxies = {"https": mistake.variables["HTTPS_PROXY"]} if "HTTPS_PROXY" in mistake.variables else {}
    headers = {"x-api-key": values["api_key"]}
    query = {"query": {"pageSize": 1, "filterModel": {"date": {"dateFrom": "2026-01-01T00:00:00Z"}}}}
    steps: dict[str, tuple[str, dict[str, Any]]] = {
        "token": (
            f"{values['auth_base_url']}/oauth2/token/{values['application_id']}",
            {
                "data": {"grant_type": "client_credentials", "scope": SCOPE},
                "auth": (values["login_name"], values["password"]),
            },
        ),
        "query": (f"{values['api_base_url']}/api/audits/stream/createQuery", {"json": query, "headers": headers}),
        "intake": (
            f"{values['intake_server']}/batch",
            {"json": {"intake_key": values["intake_key"], "jsons": []}},
        ),
    }
    for step, (url, content) in steps.items():
        try:
            answer = session.post(url, timeout=5, allow_redirects=False, **content)
        except requests.exceptions.RequestException as failure:
            return f"{step} {type(failure).__name__}"
        if answer.status_code != 200 or "html" in answer.headers["Content-Type"]:
            return f"{step} {answer.status_code} {answer.text}"
        if step == "token":
            headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return "all is well"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_mistake_is_met_where_it_was_made(sandbox: Sandbox, name: str) -> None:
    met = walk(sandbox, MISTAKES[name].make(sandbox))
    step, outcome, *words = EXPECTED[name].split(" ", 2)
    assert met.startswith(f"{step} {outcome}")
    assert not words or words[0] in met


def test_without_a_mistake_all_is_well(sandbox: Sandbox) -> None:
    assert walk(sandbox, Mistake()) == "all is well"


def test_a_wrong_password_is_what_the_platform_hands_out(sandbox: Sandbox) -> None:
    mistake = MISTAKES["password"].make(sandbox)
    assert sandbox.sekoia.password == mistake.fields["password"] != sandbox.tenant.identity_settings.password


def test_a_clock_that_is_off_shows_in_the_dates_of_answers(sandbox: Sandbox) -> None:
    before = sandbox.clock()
    MISTAKES["clock"].make(sandbox)
    assert sandbox.clock() - before > 600


@pytest.mark.parametrize(("name", "field"), [("identity-name", "auth_base_url"), ("audit-name", "api_base_url")])
def test_a_name_that_is_none_does_not_resolve(sandbox: Sandbox, name: str, field: str) -> None:
    host = urlsplit(MISTAKES[name].make(sandbox).fields[field]).hostname
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, 443)


def test_no_mistake_goes_untested() -> None:
    assert set(MISTAKES) == {*EXPECTED, "clock", "identity-name", "audit-name"}
