"""`./dev check` on a tenant that is played here: with every mistake, and on given values."""

import io
import json
import re
import sys
import time
from pathlib import Path

import pytest
from check_scene import check, forget, given, remembered
from diagnosis_cases import EXPECTED, says

from sandbox.check.rehearsal import right_values
from sandbox.check.values import Values
from sandbox.server.server import Sandbox

__all__ = ["given", "remembered"]

_EVERY_HOST = ["certificate", "proxy", "trust-store"]
_CYBERARKS = ["tls-inspection", "proxy-refusal", *_EVERY_HOST]
_IDENTITYS_HOST = ["identity-name", "identity-audit-name", "identity-closed", "identity-silent", "identity-http"]
_AUDITS_HOST = ["audit-name", "audit-identity-name", "audit-closed"]
# Where each mistake shows; all the others show when a token is requested.
LINKS = {
    "CyberArk Identity": [*_IDENTITYS_HOST, "certificate-host", "certificate-date", *_CYBERARKS],
    "Clock of this machine": ["clock"],
    "CyberArk Audit": [*_AUDITS_HOST, *_CYBERARKS],
    "Query": [
        *("audit-identity", "audit-other", "audit-gateway", "audit-moved", "audit-refusal"),
        *("other-tenant", "api-key", "filter", "minute-used"),
    ],
    "Events of the last hour": ["rate", "cursor"],
    "Intake server": ["intake-name", "intake-server", *_EVERY_HOST],
    "Intake key": ["intake-key", "intake-other", "intake-refusal"],
}
LINKS["Token"] = sorted(EXPECTED.keys() - {name for names in LINKS.values() for name in names})


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mistake_is_told_with_what_fixes_it_and_stops_what_depends_on_it(name: str) -> None:
    status, printed = check("--sandbox", "--break", name, "--watch", "0.1")
    assert says(EXPECTED[name], printed)
    assert "Everything was tried and is right" not in printed
    assert status == (0 if name == "clock" else 1)
    assert re.findall(r"\n[✗!] ([^:]*):", printed) == [title for title, names in LINKS.items() if name in names]
    if EXPECTED[name].name.startswith(("token", "identity", "application", "credentials")):
        assert re.search(r"– Query: not tried", printed)
        assert "✓ CyberArk Audit" in printed


def test_a_set_up_without_a_mistake_shows_its_figures_and_the_values_to_paste() -> None:
    status, printed = check("--sandbox", "--watch", "3")
    assert status == 0
    assert "✗" not in printed
    for figure in (
        "localhost is 127.0.0.1",
        "its certificate, signed by",
        "scope: isp.audit.events:read",
        "aud: cyberark.isp.audit",
        r"tenant_id: [0-9a-f-]{36}",
        "first page: 500 events",
        "12[0-9][0-9] events in 5 pages, to the end",
        "newest: ",
        r"\d+ events within 3 s, half of them within \d+ s, the latest \d+ s after it happened",
        "one test event was accepted",
        "Application ID +sekoia-siem",
        r"Password of the service user +\*{10}\n",
        r"Intake server +\(leave this field empty\)\n",
    ):
        assert re.search(figure, printed), figure
    assert "These values are the sandbox's." in printed
    assert "Paste these values" not in printed


def test_a_dry_run_sends_nothing_and_says_that_the_key_was_not_tried(given: Sandbox) -> None:
    status, printed = check("--watch", "0.1")
    assert status == 3
    assert re.search("– Intake key: not tried, since nothing was sent. To try it, add --send", printed)
    assert "Not tried: Intake key" in printed
    assert "Everything was tried and is right" not in printed
    assert ("intake", "200") not in given.ledger.requests


def test_send_sends_one_marked_event_once_it_may(given: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    status, printed = check("--send")
    assert (status, "add --yes" in printed) == (2, True)
    assert not given.ledger.requests
    status, printed = check("--send", "--yes", "--watch", "0.1")
    assert status == 0
    assert "Everything was tried and is right" in printed
    assert given.ledger.requests["intake", "200"] == 1
    assert "Nothing happened in CyberArk" in given.ledger.altered[0]


def test_a_wrong_intake_key_is_never_everything_holds(given: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKOIA_INTAKE_KEY", "another-intake")
    assert "Everything was tried and is right" not in check("--watch", "0.1")[1]
    given.tenant.settings.query_spacing = 0
    forget()
    status, printed = check("--watch", "0.1", "--send", "--yes")
    assert status == 1
    assert "✗ Intake key: tried and wrong" in printed
    assert says(EXPECTED["intake-key"], printed)


def test_a_check_waits_for_the_minute_of_the_one_before(given: Sandbox, remembered: Path) -> None:
    check()
    (address, opened), *_ = json.loads(remembered.read_text()).items()
    assert abs(opened - time.time()) < 30
    given.tenant.settings.query_spacing = 0
    remembered.write_text(json.dumps({address: time.time() - 59}))
    status, printed = check("--watch", "0.1")
    assert status == 3
    assert "waited for 2 s: the last check had used the query of that minute" in printed
    assert "✓ Query" in printed


def test_the_minute_of_a_running_connector_is_told_from_that_of_another_client(given: Sandbox, tmp_path: Path) -> None:
    given.tenant.use_up_the_minute()
    status, printed = check()
    assert status == 1
    assert "✗ Query" in printed
    assert "no check on this machine opened a query" in printed
    assert says(EXPECTED["minute-used"], printed)
    assert "delete" not in printed
    state = tmp_path / "context.json"
    state.write_text(json.dumps({"collection": {"queried_ms": int((time.time() - 20) * 1000)}}))
    status, printed = check("--state", str(state))
    assert status == 3
    assert re.search("– Query: not tried, since the connector of that state used the query of this minute", printed)
    state.write_text("cut")
    assert "✗ Query" in check("--state", str(state))[1]


@pytest.mark.parametrize(
    ("server", "pasted"),
    [
        ("", "(leave this field empty)"),
        ("https://intake.sekoia.io", "(leave this field empty)"),
        ("https://intake.fra2.sekoia.io", "(leave this field empty)"),
        ("https://relay.example", "https://relay.example"),
        ("https://sekoia.io.example", "https://sekoia.io.example"),
    ],
)
def test_no_address_is_to_be_pasted_where_the_form_wants_the_field_empty(
    given: Sandbox, server: str, pasted: str
) -> None:
    values = Values.of({**right_values(given), "intake_server": server})
    assert values.form()["Connector"]["Intake server"] == pasted


def test_a_tenant_that_wants_a_pause_between_calls_is_given_it(given: Sandbox) -> None:
    given.tenant.settings.call_spacing = 2
    status, printed = check("--watch", "1")
    assert status == 3
    assert "waited for 2 s" in printed
    assert "first page: 500 events" in printed
    assert re.search("– Events that come in now: not tried, since .* --profile", printed)


def test_only_one_query_is_opened(given: Sandbox) -> None:
    check()
    assert len(given.ledger.query_times) == 1


def test_without_an_intake_key_the_intake_is_not_tried(given: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEKOIA_INTAKE_KEY")
    status, printed = check("--watch", "0.1")
    assert status == 3
    assert re.search("– Intake key: not tried, since no intake key was given.* SEKOIA_INTAKE_KEY", printed)
    assert "Intake server " not in printed
