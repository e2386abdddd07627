"""`./dev release` into a checkout that holds what version 1.0.0 published, and into one of the documentation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import MODULE, PAGE, TOP, release

PUBLISHED = (
    "CHANGELOG.md",
    "connector_audit_logs.json",
    "cyberark_modules/__init__.py",
    "cyberark_modules/client/__init__.py",
    "cyberark_modules/client/auth.py",
    "cyberark_modules/connector_audit_logs.py",
    "cyberark_modules/logging.py",
    "cyberark_modules/metrics.py",
    "cyberark_modules/models.py",
    "logo.png",
    "main.py",
    "manifest.json",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/test_connector_audit_logs.py",
    "trigger_audit_logs.json",
)
LOGO = b"\x89PNG the vendor's mark"


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of ours in which everything of the module is committed, as it is on disk now."""
    listed = git(TOP, "ls-files", "-co", "--exclude-standard", "-z", "--", MODULE.name).split("\0")
    for name in filter(None, listed):
        if (TOP / name).is_file():
            (tmp_path / "ours" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, tmp_path / "ours" / name)
    commit(tmp_path / "ours")
    module = tmp_path / "ours" / MODULE.name
    monkeypatch.setattr(release, "MODULE", module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    for name in PUBLISHED:
        write(folder / "CyberArk" / name, b"{}" if name.endswith(".json") else b"published = 1\n")
    write(folder / "CyberArk" / "logo.png", LOGO)
    write(folder / "Okta" / "manifest.json", b"{}")
    write(folder / "_utils" / "compliance" / "__main__.py", b"")
    write(folder / "_utils" / "poetry.lock", b"package = []\n")
    write(folder / "linter.py", b"")
    commit(folder)
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    return folder


def test_what_is_not_ours_goes_and_the_published_logo_stays(ours: Path, checkout: Path) -> None:
    write(checkout / "CyberArk" / "cyberark_modules" / "__pycache__" / "models.pyc", b"")
    count = release.replace(checkout)
    names = files(ours)
    assert count == len(names)
    assert files(checkout / "CyberArk") == names | {"logo.png"}
    assert (checkout / "CyberArk" / "logo.png").read_bytes() == LOGO
    assert all((checkout / "CyberArk" / name).read_bytes() == (ours / name).read_bytes() for name in names)
    staged = git(checkout, "diff", "--cached", "--name-only").splitlines()
    assert "CyberArk/cyberark_modules/models.py" in staged
    assert all(name.startswith("CyberArk/") for name in staged)


def test_uncommitted_changes_are_not_released(ours: Path, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ours / "main.py", b"changed = 1\n")
    assert release.main([str(checkout)]) == 2
    assert "commit the changes in CyberArk/ first:\n M CyberArk/main.py" in capsys.readouterr().err
    assert files(checkout / "CyberArk") == set(PUBLISHED)


def test_another_folder_is_left_alone(ours: Path, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([str(checkout / "CyberArk")]) == 2
    assert "is not a checkout of the automation library" in capsys.readouterr().err
    assert release.main([str(checkout), "--documentation", str(checkout)]) == 2
    assert "is not a checkout of the documentation" in capsys.readouterr().err
    assert files(checkout / "CyberArk") == set(PUBLISHED)


@pytest.mark.parametrize("has_uv", [False, True])
def test_the_set_up_page_is_copied_into_the_documentation_and_the_site_is_built(
    has_uv: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if has_uv else None)
    site, name = tmp_path / "site", str(release.PLACE_OF_PAGE / PAGE.name)
    write(site / name, b"published")
    write(site / "mkdocs.yml", b"")
    commit(site)
    check = release.copy_page(site)
    assert (site / name).read_bytes() == PAGE.read_bytes()
    assert git(site, "diff", "--cached", "--name-only").split() == [name]
    assert (check.folder, check.command[-2:]) == (site, ["build", "--strict"])
    assert check.skipped == ("" if has_uv else "install uv with pip")


@pytest.mark.parametrize(
    ("code", "skipped", "outcome", "printed"),
    [
        ("print('fine')", "", "OK", "OK       it\n"),
        ("print('why'); raise SystemExit(1)", "", "FAILED", "FAILED   it\nwhy\n\n"),
        ("", "install it", "SKIPPED", "SKIPPED  it: install it\n"),
        ("import os; raise SystemExit('MYPY_CACHE_DIR' in os.environ)", "", "OK", "OK       it\n"),
    ],
)
def test_a_check_prints_its_outcome(
    code: str,
    skipped: str,
    outcome: str,
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MYPY_CACHE_DIR", "ours")
    check = release.Check("it", tmp_path, [sys.executable, "-c", code], skipped)
    assert check.run(tmp_path) == outcome
    assert capsys.readouterr().out == printed


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_module_passes_there(ours: Path, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([str(checkout)]) == 0
    found = [line for line in capsys.readouterr().out.splitlines() if line[:9].strip() in ("OK", "FAILED")]
    assert found == [f"OK       {name}" for name in ("compliance", "JSON format", "black", "mypy", "pytest")]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def commit(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "all")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout
