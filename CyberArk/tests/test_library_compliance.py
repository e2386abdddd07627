"""What the public automation library asks of a module folder, and what existing accounts and intakes refer to."""

import ast
import json
import re
import sys
import tomllib
from hashlib import sha256
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

MODULE = Path(__file__).resolve().parent.parent
VERSION = r"\d+\.\d+\.\d+"


def text(name: str) -> str:
    return (MODULE / name).read_text(encoding="utf-8")


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads(text(name))


def loaded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text(name))
    return content


@pytest.mark.parametrize("name", ["manifest.json", "connector_audit_logs.json", "trigger_audit_logs.json"])
def test_json_is_in_the_form_of_the_linter(name: str) -> None:
    assert text(name) == json.dumps(json.loads(text(name)), indent=2)


def test_module_keeps_the_identity_that_existing_accounts_refer_to() -> None:
    manifest = loaded("manifest.json")
    assert UUID(manifest["uuid"]) == UUID("14e19ab0-0335-4310-9e46-6cab9f870e99")
    assert manifest["slug"] == "cyberark"
    assert manifest["name"]
    assert manifest["description"]
    assert "IAM" in manifest["categories"]
    assert manifest["supports_validation"] is True


@pytest.mark.parametrize("name", ["connector_audit_logs.json", "trigger_audit_logs.json"])
def test_connector_keeps_the_identity_that_existing_intakes_refer_to(name: str) -> None:
    connector = loaded(name)
    assert UUID(connector["uuid"]) == UUID("2f12d7ec-4ba9-532f-95ec-6fe7b31832f1")
    assert connector["docker_parameters"] == "connector_audit_logs"
    assert connector["name"]
    assert connector["description"]


def test_connector_is_registered_under_the_name_that_starts_it() -> None:
    assert 'module.register(CyberArkAuditLogsConnector, "connector_audit_logs")' in text("main.py")
    assert "module.register_account_validator(CyberArkAccountValidator)" in text("main.py")


def test_changelog_is_in_the_form_of_keep_a_changelog() -> None:
    changelog = text("CHANGELOG.md")
    assert changelog.startswith(
        "# Changelog\n\nAll notable changes to this project will be documented in this file.\n"
    )
    assert (
        "The format is based on [Keep a Changelog](https://keepachangelog.com/en/1.0.0/),\n"
        "and this project adheres to [Semantic Versioning](https://semver.org/spec/v2.0.0.html).\n"
    ) in changelog
    releases = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert all(re.fullmatch(rf"\[Unreleased\]|\d{{4}}-\d\d-\d\d - {VERSION}", release) for release in releases)
    assert changelog.endswith("## 2026-01-07 - 1.0.0\n\n### Changed\n\n- Release of the module\n")  # as published
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", changelog, re.MULTILINE)) <= kinds
    bodies = re.split(r"^## .*$", changelog, flags=re.MULTILINE)[1:]
    assert all(not body.strip() or body.strip().startswith("### ") for body in bodies)  # no text outside a section


def test_one_version_everywhere() -> None:
    releases = re.findall(rf"^## [0-9-]+ - ({VERSION})$", text("CHANGELOG.md"), re.MULTILINE)
    assert releases[0] == loaded("manifest.json")["version"] == toml("pyproject.toml")["project"]["version"]


def test_lock_is_in_step_with_the_project() -> None:
    """The hash as Poetry 2 computes it: over what was asked for, not over the file."""
    project = toml("pyproject.toml")
    asked = {
        "project": {key: project["project"][key] for key in ("requires-python", "dependencies")},
        "dependency-groups": project["dependency-groups"],
        "tool": {"poetry": {}},
    }
    expected = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    assert toml("poetry.lock")["metadata"]["content-hash"] == expected, "pyproject.toml changed: run `poetry lock`"


def test_poetry_and_uv_read_the_same_project() -> None:
    project = toml("pyproject.toml")
    assert project["tool"]["poetry"] == {"package-mode": False}
    assert project["tool"]["uv"] == {"package": False}
    assert project["tool"]["black"] == {"line-length": project["tool"]["ruff"]["line-length"]}


def test_lock_names_no_host() -> None:
    assert not re.search(r"\burl = |\[package\.source\]|_mirror|\bindex = ", text("poetry.lock"))
    assert all("source" not in package for package in toml("poetry.lock")["package"])
    assert "source" not in toml("pyproject.toml")["tool"]["poetry"]


def test_every_locked_package_can_be_checked_and_needs_no_build() -> None:
    for package in toml("poetry.lock")["package"]:
        files = package["files"]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
        assert any(file["file"].endswith(".whl") for file in files), package["name"]


def test_dependencies_are_what_the_module_imports() -> None:
    dependencies = toml("pyproject.toml")["project"]["dependencies"]
    declared = {re.split(r"[^\w.-]", dependency, maxsplit=1)[0] for dependency in dependencies}
    sources = [MODULE / "main.py", *(MODULE / "cyberark_modules").rglob("*.py")]
    names = set().union(*map(imported, sources)) - sys.stdlib_module_names - {"cyberark_modules"}
    distributions = packages_distributions()
    assert {distributions[name][0].lower().replace("_", "-") for name in names} == declared


def imported(path: Path) -> set[str]:
    """The top-level packages that a source file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_image_is_built_by_convention() -> None:
    dockerfile = text("Dockerfile")
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "FROM python:3.11"
    assert lines[-1] == 'ENTRYPOINT ["python", "./main.py"]'
    users = [line.removeprefix("USER ") for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("root", "0")

    pinned = re.search(rf"pip install .*\bpoetry==({VERSION})", dockerfile)
    generator = re.search(rf"by Poetry ({VERSION})", text("poetry.lock"))
    assert pinned
    assert generator
    assert pinned[1] == generator[1]
    assert "poetry config virtualenvs.create false" in dockerfile
    assert "poetry install --only main" in dockerfile


def test_image_holds_what_runs_and_nothing_else() -> None:
    copies = re.findall(r"^COPY (.+) \S+$", text("Dockerfile"), re.MULTILINE)
    copied = {name for names in copies for name in names.split()}
    assert copied == {
        "main.py",
        "manifest.json",
        "connector_audit_logs.json",
        "cyberark_modules",
        "pyproject.toml",
        "poetry.lock",
    }
    sent = {line.removeprefix("!") for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert text(".dockerignore").startswith("*\n")
    assert sent == copied
