"""`./dev check` as a process and a command line: values, terminals, secrets, interrupts."""

import io
import itertools
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from check_scene import COMMAND, check, given, remembered
from diagnosis_cases import Secrets, some_now
from rich.console import Console

from sandbox import TOP
from sandbox.check.__main__ import main
from sandbox.check.rehearsal import BREAKS, rehearse
from sandbox.check.values import VARIABLES
from sandbox.server.server import Sandbox

__all__ = ["given", "remembered"]


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
    assert "Everything was tried and is right" in shown
    assert "Paste these values" in shown
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
        (["--foo"], "./dev check: Unrecognized arguments: --foo. See ./dev check --help.\n"),
        (
            ["--watch", "-3"],
            "./dev check: Argument --watch: -3 is not a number of seconds, 0 or more. See ./dev check --help.\n",
        ),
        (["--state", "/no/file"], "./dev check: Argument --state: /no/file is not a file. See ./dev check --help.\n"),
        (["--break", "password"], "./dev check: --break requires --sandbox. See ./dev check --help.\n"),
        (["--break", "x"], "./dev check: Argument --break: there is no mistake x. See ./dev check --help.\n"),
        (
            ["--sandbox", "--break", "pasword"],
            (
                "./dev check: Argument --break: there is no mistake pasword (did you mean password?)"
                ". See ./dev check --help.\n"
            ),
        ),
        (
            ["--sandbox", "--break", "password", "--break", "scope"],
            "./dev check: --break makes one mistake at a time; choose password or scope. See ./dev check --help.\n",
        ),
        (
            ["--profile", "--minutes", "61"],
            (
                "./dev check: Argument --minutes: 61 is not a number of minutes above 0 and up to 60. "
                "See ./dev check --help.\n"
            ),
        ),
        (["--minutes", "5"], "./dev check: --minutes requires --profile. See ./dev check --help.\n"),
        (["--reading", "to-in"], "./dev check: --reading requires --sandbox. See ./dev check --help.\n"),
        (
            ["--reading", "x"],
            "./dev check: There is no reading x; ./dev demo --list-readings lists them. See ./dev check --help.\n",
        ),
        (
            ["--sandbox", "--reading", "to-in", "--reading", "to-out"],
            "./dev check: Choose only one reading for dateTo. See ./dev check --help.\n",
        ),
        (["--yes"], "./dev check: --yes requires --send. See ./dev check --help.\n"),
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
