"""`./dev check`, as a person runs it: on a tenant that is played here, with every mistake, and on given values."""

import io
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from diagnosis_cases import EXPECTED, Secrets, says, some_now
from rich.console import Console

from sandbox import TOP
from sandbox.check.__main__ import main
from sandbox.check.rehearsal import BREAKS, rehearse, right_values
from sandbox.check.values import VARIABLES, Values
from sandbox.server.server import Sandbox

COMMAND = [sys.executable, "-m", "sandbox.check"]


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
    "Events of the last hour": ["pace", "cursor"],
    "Intake server": ["intake-name", "intake-server", *_EVERY_HOST],
    "Intake key": ["intake-key", "intake-other", "intake-refusal"],
}
LINKS["Token"] = sorted(EXPECTED.keys() - {name for names in LINKS.values() for name in names})


def check(*arguments: str) -> tuple[int, str]:
    """Run it in this process, where nothing is a terminal; returns the exit status and what was printed."""
    printed = io.StringIO()
    status = main(["--watch", "0", *arguments], Console(file=printed))
    return status, printed.getvalue()


def _forget() -> None:
    (Path(os.environ["XDG_STATE_HOME"]) / "cyberark-for-sekoia" / "queries.json").unlink()


def variables(sandbox: Sandbox, **changed: str) -> dict[str, str]:
    values = {**right_values(sandbox), **changed}
    return {VARIABLES[name]: value for name, value in values.items()}


@pytest.fixture(autouse=True)
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which checks remember when they opened a query."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "cyberark-for-sekoia" / "queries.json"


@pytest.fixture
def given(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose values stand in the environment, as those of a real tenant would."""
    sandbox.tenant.add_backlog(700, 3000)
    for name, value in variables(sandbox).items():
        monkeypatch.setenv(name, value)
    return sandbox


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mistake_is_told_with_what_fixes_it_and_stops_what_depends_on_it(name: str) -> None:
    status, printed = check("--sandbox", "--break", name, "--watch", "0.1")
    assert says(EXPECTED[name], printed)
    assert "Everything holds" not in printed
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
    ):
        assert re.search(figure, printed), figure


def test_a_dry_run_sends_nothing_and_says_that_the_key_was_not_tried(given: Sandbox) -> None:
    status, printed = check("--watch", "0.1")
    assert status == 3
    assert re.search("– Intake key: not tried, since nothing was sent. To try it, add --send", printed)
    assert "Not tried: Intake key" in printed
    assert "Everything holds" not in printed
    assert ("intake", "200") not in given.ledger.requests


def test_send_sends_one_marked_event_once_it_may(given: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    status, printed = check("--send")
    assert (status, "add --yes" in printed) == (2, True)
    assert not given.ledger.requests
    status, printed = check("--send", "--yes", "--watch", "0.1")
    assert status == 0
    assert "Everything holds" in printed
    assert given.ledger.requests["intake", "200"] == 1
    assert "Nothing happened in CyberArk" in given.ledger.altered[0]


def test_a_wrong_intake_key_is_never_everything_holds(given: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKOIA_INTAKE_KEY", "another-intake")
    assert "Everything holds" not in check("--watch", "0.1")[1]
    given.tenant.settings.query_spacing = 0
    _forget()
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
    assert "waited for 2 s: the last check had opened the query of that minute" in printed
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
    assert re.search("– Query: not tried, since the connector of that state opened the query of this minute", printed)
    state.write_text("cut")
    assert "✗ Query" in check("--state", str(state))[1]


@pytest.mark.parametrize(
    ("server", "pasted"),
    [
        ("", "(leave it empty)"),
        ("https://intake.sekoia.io", "(leave it empty)"),
        ("https://intake.fra2.sekoia.io", "(leave it empty)"),
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
        [*COMMAND, "--watch", "0.1", "--send"],
        cwd=TOP,
        env=environment,
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
    ) as process:
        os.close(keyboard)
        answers = ["http://not-this-one", *asked.values(), "y"]
        shown = ""
        while chunk := _read(screen):
            shown += chunk
            if answers and re.search(r"(: |] )$", shown.replace("\r", "")):
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
    options = ["--sandbox", "--break", name] if name else ["--send", "--yes"]
    ran = subprocess.run([*COMMAND, "--watch", "0.1", *options], cwd=TOP, capture_output=True, text=True, check=False)
    assert ran.returncode == (1 if name else 0)
    assert not ran.stderr
    secrets = Secrets.of(given)
    assert not secrets.seen_in([ran.stdout])


@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupt_and_a_second_one_end_it_without_a_traceback(interrupts: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "--sandbox", "--watch", "60"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        shown = "".join(itertools.takewhile(lambda line: "Events of the last hour" not in line, lines))
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
        shown += process.stdout.read()
        status = process.wait(30)
    assert status in (130, -signal.SIGINT)
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--foo"], "dev check: Unrecognized arguments: --foo. See dev check --help.\n"),
        (["--watch", "-3"], "dev check: Argument --watch: -3 is no number of seconds. See dev check --help.\n"),
        (["--state", "/no/file"], "dev check: Argument --state: /no/file is no file. See dev check --help.\n"),
        (["--break", "password"], "dev check: --break goes with --sandbox. See dev check --help.\n"),
        (["--break", "x"], "dev check: Argument --break: no mistake is called x. See dev check --help.\n"),
        (["--yes"], "dev check: --yes goes with --send. See dev check --help.\n"),
    ],
)
def test_a_mistake_in_the_command_line_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, Console())
    assert ended.value.code == 2
    assert capsys.readouterr().err == said


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
