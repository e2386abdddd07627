"""A person at a form: JSON commands to `browser.mjs`, which moves a real browser."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FORMS = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
INSTALL = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
INSTALL += ["--fetch-retries", "1", "--fetch-timeout", "20000"]
BUNDLE = ["page.jsx", "--bundle", "--minify", "--jsx=automatic", "--outfile=page.js", "--log-level=warning"]
BUNDLE += ['--define:process.env.NODE_ENV="production"']
NO_ANSWER = re.compile(
    r"code (E(NOTFOUND|AI_AGAIN|TIMEDOUT|NETUNREACH|HOSTUNREACH|CONN\w+|40[137]|5\d\d)|ERR_SOCKET\w*|FETCH_ERROR)"
)


class MissingToolError(Exception):
    """What the form cannot be shown without is not on this machine, or cannot be had."""


@dataclass(frozen=True)
class Field:
    """What is seen of one field: `kinds` and `read` are the types and the readable texts of its boxes."""

    title: str
    description: str
    refusal: str
    kinds: list[str]
    read: list[str]


class Person:
    """Opens a form, reads it, types in it and saves it. `folder` is one that `build_page` filled."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [_found("node"), "browser.mjs", _found(*BROWSERS), "page.html"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # It closes its browser when nothing more comes to it.
        self._process.communicate(timeout=30)

    def _do(self, command: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **options}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the browser is gone"}')
        assert "error" not in answer, f"{command}: {answer['error']}"
        return answer["value"]

    def opens(self, schema: dict[str, Any]) -> None:
        self._do("open", schema=schema)

    def types(self, title: str, text: str) -> None:
        self._do("type", title=title, text=text)

    def adds(self, title: str, text: str) -> None:
        self._do("add", title=title, text=text)

    def saves(self) -> dict[str, Any] | None:
        """What the form hands over, or None if it refuses."""
        saved: dict[str, Any] | None = self._do("save")
        return saved

    def sees(self) -> dict[str, Field]:
        """The fields by title, in the order of the page; the star of a required one is part of `Field.title` only."""
        fields = [Field(**seen) for seen in self._do("look")]
        return {field.title.removesuffix("*"): field for field in fields}

    def reads(self) -> str:
        """All that can be read on the page."""
        text: str = self._do("text")
        return text

    def finds_fault_with_the_page(self) -> list[str]:
        """Errors and warnings in the browser's console."""
        complaints: list[str] = self._do("complaints")
        return complaints

    def takes_a_picture(self, file: Path) -> None:
        self._do("picture", path=str(file.resolve()))


def build_page(folder: Path) -> None:
    """Put the page, its libraries and `browser.mjs` in `folder`; raises `MissingToolError`."""
    _found(*BROWSERS)
    _found("node")
    for name in ("package.json", "package-lock.json", "page.html", "page.jsx", "browser.mjs"):
        shutil.copy(FORMS / name, folder)
    try:
        npm = subprocess.run([_found("npm"), *INSTALL], cwd=folder, capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired as error:
        raise MissingToolError("the npm registry does not answer in time") from error
    if npm.returncode and (reason := NO_ANSWER.search(npm.stderr)):
        raise MissingToolError(f"the npm registry does not answer ({reason[1]})")
    assert npm.returncode == 0, npm.stderr
    subprocess.run([folder / "node_modules" / ".bin" / "esbuild", *BUNDLE], cwd=folder, timeout=60, check=True)


def _found(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise MissingToolError(f"{names[0]} is not installed")
