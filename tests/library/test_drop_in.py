"""The module's folder alone, copied elsewhere, passes what the automation library's CI runs there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import MODULE

LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis", ".coverage*", ".venv")
OURS = ("PYTHON", "PYTEST", "COV", "MYPY", "RUFF", "BLACK")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a folder of its own, as in the library: no file lies beside it, none above it."""
    return Path(shutil.copytree(MODULE, tmp_path_factory.mktemp("library") / "CyberArk", ignore=LEFT_BEHIND))


@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check",
        # `./dev lint` runs both on the same files; without what that has left, they take a minute.
        pytest.param("black --check .", marks=pytest.mark.long),
        pytest.param("mypy --ignore-missing-imports .", marks=pytest.mark.long),
        # The module's own tests run by themselves in `./dev test` as well.
        pytest.param("pytest --cov", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_the_module_alone_passes(command: str, folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    # What `./dev lint` has left of the same files saves half a minute; mypy compares their contents.
    environment["MYPY_CACHE_DIR"] = str(MODULE / ".mypy_cache")
    # -P: an installed command does not find the folder that it is started in either.
    ran = subprocess.run(
        [sys.executable, "-P", "-m", *command.split()],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_every_json_file_is_in_the_form_of_the_linter() -> None:
    files = [path for path in MODULE.rglob("*.json") if not {"node_modules", ".mypy_cache"} & set(path.parts)]
    assert {"manifest.json", "connector_audit_logs.json"} <= {path.name for path in files}
    for path in files:
        text = path.read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=2), path
