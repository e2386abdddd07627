"""`./dev check`, as a person runs it: on a tenant that is played here, with every mistake, and on given values."""

import io
import os
import pty
import re
import subprocess
import sys
import time

import pytest
from diagnosis_cases import EXPECTED, Secrets, says, some_now
from rich.console import Console

from sandbox import TOP
from sandbox.check.__main__ import main
from sandbox.check.rehearsal import BREAKS, rehearse, right_values
from sandbox.check.values import VARIABLES
from sandbox.server.server import Sandbox

COMMAND = [sys.executable, "-m", "sandbox.check"]


def check(*arguments: str) -> tuple[int, str]:
    """Run it in this process, where nothing is a terminal; returns the exit status and what was printed."""
    printed = io.StringIO()
    status = main(["--watch", "0", *arguments], Console(file=printed))
    return status, printed.getvalue()


def variables(sandbox: Sandbox, **changed: str) -> dict[str, str]:
    values = {**right_values(sandbox), **changed}
    return {VARIABLES[name]: value for name, value in values.items()}


@pytest.fixture
def given(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose values stand in the environment, as those of a real tenant would."""
    sandbox.tenant.add_backlog(700, 3000)
    for name, value in variables(sandbox).items():
        monkeypatch.setenv(name, value)
    return sandbox


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mistake_is_told_with_what_mends_it_and_stops_what_depends_on_it(name: str) -> None:
    status, printed = check("--sandbox", "--break", name)
    assert says(EXPECTED[name], printed)
    assert status == (0 if name == "clock" else 1)
    assert ("\n✗" in printed) == (name != "clock")
    if EXPECTED[name].name.startswith(("token", "identity", "application", "credentials")):
        assert re.search(r"– Query.*not tried", printed)
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
        "12[0-9][0-9] events in 4 pages, to the end",
        "newest: ",
        r"\d+ events within 3 s, half of them within \d+ s, the latest \d+ s after it happened",
        "one test event was accepted",
        "Application ID +sekoia-siem",
        r"Password of the service user +\*{10}\n",
    ):
        assert re.search(figure, printed), figure


def test_a_dry_run_sends_nothing_and_send_sends_one_marked_event(given: Sandbox) -> None:
    status, printed = check()
    assert status == 0
    assert "nothing was sent" in printed
    assert ("intake", "200") not in given.ledger.requests
    given.tenant.settings.query_spacing = 0
    assert check("--send")[0] == 0
    assert given.ledger.requests["intake", "200"] == 1
    assert "Nothing happened in CyberArk" in given.ledger.altered[0]


def test_a_tenant_that_wants_a_pause_between_calls_is_given_it(given: Sandbox) -> None:
    given.tenant.settings.call_spacing = 2
    status, printed = check()
    assert status == 0
    assert "waited for 2 s" in printed
    assert "first page: 500 events" in printed
    assert "not watched" in printed


def test_only_one_query_is_opened(given: Sandbox) -> None:
    check()
    assert len(given.ledger.query_times) == 1


def test_without_an_intake_key_the_intake_is_left_out(given: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEKOIA_INTAKE_KEY")
    status, printed = check()
    assert status == 0
    assert "Intake" not in printed


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CYBERARK_API_KEY", None, "CYBERARK_API_KEY is missing"),
        ("CYBERARK_AUTH_BASE_URL", "http://abc.example", "must begin with https://"),
        ("CYBERARK_PASSWORD", "", "It is empty"),
    ],
)
def test_a_script_is_told_which_variable_it_lacks(
    given: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, said: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.delenv(variable)
    if value is not None:
        monkeypatch.setenv(variable, value)
    status, printed = check()
    assert status == 2
    assert said in printed
    assert not given.ledger.requests


def test_in_a_terminal_values_are_asked_for_and_secrets_are_not_echoed(given: Sandbox) -> None:
    asked = {name: os.environ[name] for name in VARIABLES.values()}
    environment = {name: value for name, value in os.environ.items() if name not in asked}
    screen, keyboard = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "--watch", "0"], cwd=TOP, env=environment, stdin=keyboard, stdout=keyboard, stderr=keyboard
    ) as process:
        os.close(keyboard)
        answers = ["http://not-this-one", *asked.values()]
        shown = ""
        while chunk := _read(screen):
            shown += chunk
            if answers and re.search(r": $", shown.replace("\r", "")):
                os.write(screen, answers.pop(0).encode() + b"\n")
                time.sleep(0.1)
        status = process.wait(30)
    os.close(screen)
    assert "must begin with https://" in shown
    assert status == 0, shown
    assert "Everything holds" in shown
    for secret in ("CYBERARK_PASSWORD", "CYBERARK_API_KEY", "SEKOIA_INTAKE_KEY"):
        assert asked[secret] not in shown


def _read(screen: int) -> str:
    try:
        return os.read(screen, 4096).decode()
    except OSError:  # Linux's way of saying that the other end is closed
        return ""


@pytest.mark.parametrize("name", some_now([None, "password", "intake-key", "token-type", "redirect"], "password"))
def test_the_process_shows_no_secret(name: str | None, given: Sandbox) -> None:
    options = ["--sandbox", "--break", name] if name else ["--send"]
    ran = subprocess.run([*COMMAND, "--watch", "0", *options], cwd=TOP, capture_output=True, text=True, check=False)
    assert ran.returncode == (1 if name else 0)
    assert not ran.stderr
    secrets = Secrets.of(given)
    assert not secrets.seen_in([ran.stdout])


def test_help_names_every_mistake_and_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check("--help")
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*BREAKS, *VARIABLES.values()))


def test_the_environment_is_as_before_after_a_rehearsal() -> None:
    before = dict(os.environ)
    with rehearse("certificate"):
        pass
    assert dict(os.environ) == before
