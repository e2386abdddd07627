"""Copy the module into a checkout of the public automation library, and run what its CI runs there.

CyberArk/ in LIBRARY is replaced and staged: what is not ours goes, the published logo stays. With --documentation, a
checkout of the Sekoia documentation gets the set-up page, and its site is built. Nothing is committed or pushed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import MODULE, PAGE
from tools.environment import SetupFailed, make

EXIT_CODES = "Exit codes: 0 no check failed; 1 a check failed; 2 the command line cannot be used; 130 interrupted."
# What of this environment would change what a check finds.
OURS = ("PYTHON", "PYTEST", "COV", "MYPY", "RUFF", "BLACK", "VIRTUAL_ENV")
PLACE_OF_PAGE = Path("docs", "integration", "categories", "iam")


class Unusable(Exception):
    """A folder is not what the command line says it is, or not ready for a release."""


@dataclass(frozen=True)
class Check:
    """A command of their CI, and the folder that it runs in; `skipped` says how to have it run where it cannot."""

    name: str
    folder: Path
    command: Sequence[str]
    skipped: str = ""

    def run(self, scratch: Path) -> str:
        """Run the command, print its outcome, and return that: OK, FAILED or SKIPPED."""
        if self.skipped:
            print(f"SKIPPED  {self.name}: {self.skipped}", flush=True)
            return "SKIPPED"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "COVERAGE_FILE": str(scratch / "coverage")}
        ran = subprocess.run(
            self.command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"FAILED   {self.name}\n{ran.stdout}" if ran.returncode else f"OK       {self.name}", flush=True)
        return "FAILED" if ran.returncode else "OK"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("./dev release", description=__doc__, epilog=EXIT_CODES)
    parser.add_argument("checkout", type=Path, metavar="LIBRARY", help="a checkout of the automation library")
    parser.add_argument("--documentation", type=Path, help="a checkout of the documentation")
    options = parser.parse_args(arguments)
    checkout = options.checkout.resolve()
    try:
        site = [] if options.documentation is None else [copy_page(options.documentation.resolve())]
        print(f"Copied {replace(checkout)} files into {checkout / MODULE.name}")
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            scratch = Path(folder)
            return int("FAILED" in [check.run(scratch) for check in [*library_checks(checkout, scratch), *site]])
    except (Unusable, SetupFailed) as error:
        print(f"./dev release: {error}", file=sys.stderr)
        return 2


def replace(checkout: Path) -> int:
    """Replace the module's folder in the checkout, except its logo, and return how many files are ours."""
    folder = checkout / MODULE.name
    if not (checkout / "_utils" / "compliance").is_dir() or not folder.is_dir():
        raise Unusable(f"{checkout} is not a checkout of the automation library with a folder {MODULE.name}")
    if uncommitted := _git(MODULE, "status", "--porcelain", "--", "."):
        raise Unusable(f"commit the changes in {MODULE.name}/ first:\n{uncommitted}")
    names = _git(MODULE, "ls-files", "-z", "--", ".").rstrip("\0").split("\0")
    logos = {logo: logo.read_bytes() for logo in folder.glob("logo.*")}
    shutil.rmtree(folder)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MODULE / name, folder / name)
    for logo, content in logos.items():
        logo.write_bytes(content)
    _git(checkout, "add", "--all", "--", MODULE.name)  # the library's linter looks at what git knows
    return len(names)


def copy_page(documentation: Path) -> Check:
    """Copy the set-up page into a checkout of the documentation, and return the check of its CI."""
    folder = documentation / PLACE_OF_PAGE
    if not (documentation / "mkdocs.yml").is_file() or not folder.is_dir():
        raise Unusable(f"{documentation} is not a checkout of the documentation with a folder {PLACE_OF_PAGE}")
    shutil.copy(PAGE, folder)
    _git(documentation, "add", "--", str(folder / PAGE.name))
    build = ["uv", "run", "python", "-m", "mkdocs", "build", "--strict"]
    return Check("documentation", documentation, build, "" if shutil.which("uv") else "install uv with pip")


def library_checks(checkout: Path, scratch: Path) -> Iterator[Check]:
    """Yield what the library's CI runs: in its own folders, then in the module's, whose lock is ours."""
    module, python, utils = checkout / MODULE.name, sys.executable, checkout / "_utils"
    compliance, skipped = ["compliance", "check", "--module", MODULE.name], ""
    if sys.version_info < (3, 12):  # as _utils/pyproject.toml has it
        compliance.insert(0, str(make(scratch / "compliance", utils / "poetry.lock")))
    else:
        skipped = "it needs Python 3.10 or 3.11; start ./dev with Python 3.11"
    yield Check("compliance", utils, compliance, skipped)
    has_main = subprocess.run(["git", "rev-parse", "--verify", "-q", "origin/main"], cwd=checkout, capture_output=True)
    lint = [python, "linter.py", "check", "--changes"]
    yield Check("JSON format", checkout, lint, "run `git fetch origin main` there" if has_main.returncode else "")
    yield Check("black", module, [python, "-P", "-m", "black", "--check", "."])
    mypy = [python, "-P", "-m", "mypy", "--ignore-missing-imports", "--cache-dir", str(scratch / "mypy"), "."]
    yield Check("mypy", module, mypy)
    pytest = [python, "-m", "pytest", "-p", "no:cacheprovider", "--cov", ".", "--cov-config", "pyproject.toml"]
    yield Check("pytest", module, pytest)


def _git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Unusable(f"{folder} must be in a git clone ({ran.stderr.strip()})")
    return ran.stdout


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
