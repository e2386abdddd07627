"""A check run in this process, and a sandbox whose values it is given."""

import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.check.__main__ import main
from sandbox.check.rehearsal import right_values
from sandbox.check.values import VARIABLES
from sandbox.server.server import Sandbox

__all__ = ["COMMAND", "check", "forget", "given", "remembered"]

COMMAND = [sys.executable, "-m", "sandbox.check"]


def check(*arguments: str) -> tuple[int, str]:
    """Run it in this process, where nothing is a terminal; returns the exit status and what was printed."""
    printed = io.StringIO()
    status = main(["--watch", "0", *arguments], Console(file=printed))
    return status, printed.getvalue()


def forget() -> None:
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
