"""`./dev check --profile` as a process, over TLS."""

import itertools
import json
import signal
import subprocess
from typing import Any

import pytest
from check_scene import COMMAND, check, given, remembered
from diagnosis_cases import EXPECTED, Secrets, says
from test_profile import EXPECTED as READINGS

from sandbox import TOP
from sandbox.server.server import Sandbox

__all__ = ["given", "remembered"]


def rows(printed: str) -> dict[str, Any]:
    """The JSON at the end of what was printed, by row."""
    content = json.loads(printed[printed.index('{"profile"') :])
    return {row["row"]: row for row in content["rows"]}


def test_a_short_profile_of_given_values_shows_no_secret_and_nothing_of_the_tenant(given: Sandbox) -> None:
    ran = subprocess.run(
        [*COMMAND, "--profile", "--minutes", "0.1"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    found = rows(ran.stdout)
    assert found["queries"]["reading"] == "one a minute"
    assert found["a pageSize of 1000"] == {
        "row": "a pageSize of 1000",
        "reading": None,
        "not_observed": "no such query was opened",
    }
    assert not Secrets.of(given).seen_in([ran.stdout])
    to_paste = ran.stdout[ran.stdout.index("order of a query's pages") :]
    assert given.tenant.id not in to_paste
    assert "localhost" not in to_paste


@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupt_ends_a_profile_with_what_was_seen(interrupts: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "--sandbox", "--profile"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        shown = "".join(itertools.takewhile(lambda line: "watching" not in line, lines))
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
        shown += process.stdout.read()
        status = process.wait(30)
    assert "Traceback" not in shown
    assert "left: a query of the last ten minutes" in shown
    assert status in (130, -signal.SIGINT)
    if interrupts == 1:
        assert "Interrupted. This is what was seen so far." in shown
        assert rows(shown)["queries"]["reading"] == "one a minute"


def test_a_profile_with_a_wrong_key_says_so() -> None:
    status, printed = check("--sandbox", "--profile", "--break", "api-key")
    assert status == 1
    assert says(EXPECTED["api-key"], printed)


def test_a_profile_with_a_wrong_password_asks_for_nothing() -> None:
    status, printed = check("--sandbox", "--profile", "--break", "password")
    assert status == 1
    assert says(EXPECTED["password"], printed)
    assert "left:" not in printed


@pytest.mark.long
def test_a_whole_profile_over_tls_names_the_readings_of_the_tenant() -> None:
    names = ("order-arrival", "to-out", "end-204", "identity-twins", "middle-short", "retry-date")
    options = [option for name in names for option in ("--reading", name)]
    ran = subprocess.run(
        [*COMMAND, "--sandbox", "--profile", *options],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    found = rows(ran.stdout)
    for name in names:
        row, reading = READINGS[name]
        assert found[row]["reading"] == reading, name
