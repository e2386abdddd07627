"""`./dev`: help that runs nothing, exact errors, and a set-up whose progress adds up."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import MODULE, TOP, environment


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    # -S: nothing that is installed can be imported.
    command = [sys.executable, "-S", str(TOP / "dev"), *arguments]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("command", ["lint", "test", "check", "release"])
def test_help_of_a_command_runs_nothing(command: str) -> None:
    ran = dev(command, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: ./dev {command}")
    assert "exit codes:" in ran.stdout.lower()


def test_an_unknown_command_is_answered_with_the_list() -> None:
    ran = dev("tset")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "./dev: there is no command tset. Commands: demo, test, lint, check, bench, release, help.\n"
    )


def test_every_package_is_installed_by_its_hash() -> None:
    lock = tomllib.loads((MODULE / "poetry.lock").read_text())
    lines = environment.requirements(lock)
    assert len(lines) == len(lock["package"])
    assert all("==" in line and " --hash=sha256:" in line for line in lines)


def test_a_lock_of_poetry_1_leaves_out_what_is_for_older_pythons() -> None:
    package = {"name": "old", "version": "1.0", "python-versions": ">=3.8,<3.11", "files": [{"hash": "sha256:0"}]}
    assert environment.requirements({"package": [package]}) == [
        'old==1.0 ; python_full_version < "3.11" --hash=sha256:0'
    ]


@pytest.mark.parametrize(
    ("output", "installed", "state"),
    [
        ([], 1, "0 of 3 packages fetched"),
        (["Ignoring a: markers do not match", "Collecting b==1"], 1, "2 of 3 packages fetched"),
        (
            ["Ignoring a:", "Collecting b", "Collecting c", "Installing collected packages: b, c"],
            2,
            "2 of 3 packages installed",
        ),
        (
            ["Ignoring a:", "Collecting b", "Collecting c", "Installing collected packages: b, c"],
            3,
            "3 of 3 packages installed",
        ),
    ],
)
def test_progress_reaches_its_total(output: list[str], installed: int, state: str, tmp_path: Path) -> None:
    for number in range(installed):
        (tmp_path / "lib" / "python3" / "site-packages" / f"{number}.dist-info").mkdir(parents=True)
    assert environment._state_of_pip(output, 3, tmp_path) == state
