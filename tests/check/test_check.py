"""`./dev check` against a tenant over TLS: outcomes, diagnoses, exit codes, and that no secret is seen."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from terminal import Terminal

from cyberark_modules import masking as known
from sandbox.server import Sandbox
from sandbox.world.settings import Settings
from tools import TOP
from tools.check import checks, profile
from tools.check.__main__ import main
from tools.check.options import SECRETS, VARIABLES
from tools.check.values import gather

Change: TypeAlias = Callable[[Settings], object]
COMMAND = [sys.executable, "-m", "tools.check"]
CODES = {"OK": 0, "FAILED": 1, "SKIPPED": 3}


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    # What other tests in this process have masked is no secret here.
    monkeypatch.setattr(known, "_secrets", [])
    monkeypatch.setattr(known, "_pattern", known._pattern)
    with Sandbox(1) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        monkeypatch.setenv("NO_PROXY", "localhost")
        running.world.add_backlog(700, 3000)
        yield running


def variables(tenant: Sandbox, **changed: str) -> dict[str, str]:
    settings = tenant.world.settings
    values = {
        "auth_base_url": tenant.urls["identity"],
        "application_id": settings.identity.application_id,
        "login_name": settings.identity.login_name,
        "password": settings.identity.password,
        "api_base_url": tenant.urls["audit"],
        "api_key": settings.audit.api_key,
        "intake_key": settings.sekoia.intake_key,
        "intake_server": tenant.urls["intake"],
    }
    return {VARIABLES[name]: value for name, value in {**values, **changed}.items()}


def secrets(tenant: Sandbox, given: dict[str, str]) -> set[str]:
    """Return everything that must not be seen, as it is and as it travels."""
    sent = {
        request.headers.get(name, "").rpartition(" ")[2]
        for _, request in tenant.world.ledger.journal
        for name in ("authorization", "x-api-key")
    }
    return (sent | {given[VARIABLES[name]] for name in SECRETS}) - {""}


def outcomes(printed: str) -> dict[str, str]:
    lines = (line.split(maxsplit=1) for line in printed.splitlines() if line.split(" ")[0] in CODES)
    return {name: outcome for outcome, name in lines}


def test_everything_is_ok_and_one_marked_event_is_sent(tenant: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--send"], variables(tenant)) == 0
    printed = capsys.readouterr().out
    assert set(outcomes(printed).values()) == {"OK"}
    assert "500 events, up to 20" in printed
    pushed = [request for endpoint, request in tenant.world.ledger.journal if endpoint == "push" and request.body]
    assert [json.loads(event)["applicationCode"] for event in pushed[0].json()["jsons"]] == ["TEST"]
    assert len(pushed) == 1


@pytest.mark.parametrize(
    ("changed", "how"), [({}, "add --send"), ({"intake_key": ""}, "Enter it, or set SEKOIA_INTAKE_KEY")]
)
def test_what_is_skipped_says_how_to_have_it_checked(
    changed: dict[str, str], how: str, tenant: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], variables(tenant, **changed)) == 3
    printed = capsys.readouterr().out
    assert how in printed
    assert outcomes(printed)["Intake key"] == "SKIPPED"


@pytest.mark.parametrize(
    ("change", "changed", "failed", "code"),
    [
        (lambda s: setattr(s.identity, "client_credentials_ticked", False), {}, "Token", "client-credentials-off"),
        (lambda s: None, {"application_id": "Sekoia-SIEM"}, "Token", "application-unknown"),
        (lambda s: None, {"password": "wrong \u20ac:pass=word"}, "Token", "credentials-refused"),
        (lambda s: setattr(s.identity, "claims", frozenset({"scope", "tenant_id"})), {}, "Query", "token-aud"),
        (lambda s: None, {"api_key": "of-another-integration"}, "Query", "audit-key"),
        (lambda s: setattr(s.audit, "page_limit", 100), {}, "Query", "query-refused"),
        (lambda s: None, {"auth_base_url": "https://nowhere.invalid"}, "CyberArk Identity address", "identity-name"),
        (lambda s: None, {"intake_key": "of-another-intake"}, "Intake key", "intake-key"),
    ],
)
def test_a_mistake_is_named_with_its_code_and_no_secret_is_seen(
    change: Change,
    changed: dict[str, str],
    failed: str,
    code: str,
    tenant: Sandbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(tenant.world.settings)
    given = variables(tenant, **changed)
    assert main(["--send"], given) == 1
    printed = capsys.readouterr().out
    assert [name for name, outcome in outcomes(printed).items() if outcome == "FAILED"] == [failed]
    assert f"[{code}]" in printed
    assert [value for value in secrets(tenant, given) if value in printed] == []


def test_a_service_that_repeats_credentials_has_them_masked(
    tenant: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant.world.settings.network.echoes_secrets = True
    given = variables(tenant, password="wrong €:pass=word", intake_key="of-another-intake")
    assert main(["--send"], given) == 1
    printed = capsys.readouterr().out
    assert outcomes(printed)["Token"] == outcomes(printed)["Intake key"] == "FAILED"
    assert [value for value in secrets(tenant, given) if value in printed] == []


def test_a_throttled_query_waits_for_its_minute(
    tenant: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "LONG_WAIT_S", 0.5)
    assert main([], variables(tenant)) == 3
    tenant.world.settings.audit.query_spacing_s = 2.0
    capsys.readouterr()
    assert main([], variables(tenant)) == 3
    printed = capsys.readouterr().out
    assert "next try in " in printed
    assert outcomes(printed)["Page"] == "OK"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": None}, "CYBERARK_PASSWORD is missing"),
        ({"auth_base_url": "two words"}, "CYBERARK_AUTH_BASE_URL cannot be used"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    changed: dict[str, str | None], said: str, tenant: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    given = variables(tenant) | {VARIABLES[name]: value or "" for name, value in changed.items()}
    given = {name: value for name, value in given.items() if value}
    assert main([], given) == 2
    printed = capsys.readouterr().out
    assert said in printed
    assert "two words" not in printed
    assert not tenant.world.ledger.journal


def test_in_a_terminal_values_are_asked_for_and_secrets_are_not_echoed(tenant: Sandbox) -> None:
    given = variables(tenant)
    hidden = {name: given.pop(VARIABLES[name]) for name in ("password", "api_key", "intake_key")}
    address, _ = given.pop(VARIABLES["auth_base_url"]), given.pop(VARIABLES["login_name"])
    with Terminal(COMMAND, {**os.environ, **given, "PYTHONPATH": str(TOP)}) as terminal:
        terminal.answer("CyberArk Identity address: ", "two words")
        terminal.answer("“CyberArk Identity address”: It does not name a host.", None)
        terminal.answer("CyberArk Identity address: ", address)
        terminal.answer("Login name of the service user: ", tenant.world.settings.identity.login_name)
        terminal.answer("Password of the service user: ", hidden["password"])
        terminal.answer("CyberArk Audit API key: ", hidden["api_key"])
        terminal.answer("Intake key (empty: the intake is not checked): ", hidden["intake_key"])
        assert terminal.wait() == 3
    assert tenant.world.settings.identity.login_name in terminal.shown
    assert [value for value in hidden.values() if value in terminal.shown] == []


def test_an_interrupt_ends_it_with_its_own_code(tenant: Sandbox) -> None:
    tenant.world.settings.audit.query_latency_s = 30.0
    with Terminal(COMMAND, {**os.environ, **variables(tenant), "PYTHONPATH": str(TOP)}) as terminal:
        terminal.answer("CyberArk Audit address", None)
        terminal.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
    assert "Traceback" not in terminal.shown


def test_a_profile_observes_and_prints_nothing_of_the_tenant(
    tenant: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profile, "MINUTE_S", 3.0)
    monkeypatch.setattr(profile, "FOLLOW_EVERY_S", 0.3)
    tenant.world.settings.audit.query_spacing_s = 2.8
    tenant.world.produce(10.0)
    given = variables(tenant)
    values = gather({name: given[variable] for name, variable in VARIABLES.items()}, None, print)
    observed = profile.Profile(values, checks.Screen(), 7.0)
    observed.run()
    report = observed.report()
    rows = json.loads(report.partition("tenant:\n")[2])["observations"]
    assert rows["a second query within a minute"] == "HTTP 429"
    assert rows["Retry-After"].startswith("sent with 1 of 1 HTTP 429 answers: median ")
    assert rows["largest page, of 500 requested"] == "500"
    assert rows["order by event time"] == "0 events after a newer one"
    assert "an empty page with a new cursor: " in rows["end of a query"]
    assert int(rows["later events at a cursor"].split(",")[0]) > 10
    assert rows["delay between event and API"].startswith("median ")
    settings, printed = tenant.world.settings, report + capsys.readouterr().out
    of_the_tenant = {tenant.world.factory.tenant_id, settings.identity.login_name, "localhost", "IDP", "siem"}
    assert [value for value in of_the_tenant | secrets(tenant, given) if value in printed] == []
