"""Make a virtual environment from a Poetry lock file, with the standard library alone.

Every file is checked against its hash; pip resolves no dependency, and builds and runs nothing.
"""

import fcntl
import hashlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EVERY_S = 8.0


class SetupFailed(Exception):
    """pip could not install the packages; the text is the end of its output."""


def make(folder: Path, lock_file: Path) -> Path:
    """Make `folder` the environment of that lock unless it is already, and return its Python. Raise SetupFailed.

    A second call at the same time, from another process too, waits for the first.
    """
    python, stamp = folder / "bin" / "python", folder / "stamp"
    with lock_file.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = lock.read()
        wanted = hashlib.sha256(content + sys.version.encode()).hexdigest()
        if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
            lines = requirements(tomllib.loads(content.decode()))
            say(f"Setting up {folder.name} with {len(lines)} locked packages: once, in one to two minutes.")
            started = time.monotonic()
            with progress(lambda: "creating the environment"):
                venv.create(folder, clear=True, with_pip=True)
            _install(python, lines)
            stamp.write_text(wanted)
            say(f"Set up in {time.monotonic() - started:.0f} s.\n")
    return python


def requirements(lock: dict[str, Any]) -> list[str]:
    """Return one pip requirement for each locked package: its version, where it is wanted, the hashes of its files."""
    lines = []
    for package in lock["package"]:
        markers = package.get("markers", "")
        if isinstance(markers, dict):  # one for each group; a group without one wants the package everywhere
            everywhere = set(package["groups"]) - set(markers)
            markers = "" if everywhere else " or ".join(f"({marker})" for marker in markers.values())
        if "groups" not in package and (bound := re.search(r"<\s*([\d.]+)", package["python-versions"])):
            markers = f'python_full_version < "{bound[1]}"'  # Poetry 1 says nothing else of who needs a package
        hashes = " ".join(f"--hash={file['hash']}" for file in package["files"])
        lines.append(f"{package['name']}=={package['version']}{' ; ' if markers else ''}{markers} {hashes}")
    return lines


def _install(python: Path, lines: list[str]) -> None:
    # -I, --no-user: an environment that bends Python or pip elsewhere (PYTHONPATH, PIP_USER) stays out of it.
    pip = [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "install", "--no-user", "--no-deps"]
    pip += ["--require-hashes", "--only-binary", ":all:", "--progress-bar", "off", "-r"]
    output: list[str] = []
    with (
        tempfile.NamedTemporaryFile("w", suffix=".txt") as file,
        progress(lambda: _state_of_pip(output, len(lines), python.parent.parent)),
    ):
        file.write("\n".join(lines))
        file.flush()
        with subprocess.Popen(
            [*pip, file.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            output.extend(process.stdout)
    if process.returncode:
        raise SetupFailed("".join(output[-15:]))


def _state_of_pip(output: list[str], total: int, folder: Path) -> str:
    """Return what pip is doing now, e.g. "57 of 111 packages fetched". A package of other platforms counts as done."""
    ignored = sum(line.startswith("Ignoring") for line in output)
    if any(line.startswith("Installing collected packages") for line in output):
        # pip names what it installs only at the end; what it has written is there to be counted. pip itself is one.
        installed = len(list(folder.glob("lib/*/site-packages/*.dist-info"))) - 1
        return f"{min(total, ignored + max(0, installed))} of {total} packages installed"
    return f"{ignored + sum(line.startswith('Collecting') for line in output)} of {total} packages fetched"


@contextmanager
def progress(state: Callable[[], str]) -> Iterator[None]:
    """Show the state and the seconds that have passed, in one line each time."""
    done, started = threading.Event(), time.monotonic()

    def show() -> None:
        while not done.wait(EVERY_S):
            say(f"  {state()} ({time.monotonic() - started:.0f} s)")

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        say(f"  {state()}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
