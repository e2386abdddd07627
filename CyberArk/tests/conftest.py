"""How every test of the module runs, and the two places where a connector's state can be."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cyberark_modules import files
from fakes import s3
from fakes.http_server import FakeTenant

# Everything is on loopback. Without this, a request looks for a proxy in every variable of the environment first.
os.environ["NO_PROXY"] = "127.0.0.1,localhost"

# Real files answer when they answer; a failure prints the example that made it.
settings.register_profile("module", deadline=None, print_blob=True)
settings.load_profile("module")


@pytest.fixture(autouse=True)
def module_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever pytest is started: the SDK reads the manifest of the folder that it is in, as in the library's CI."""
    monkeypatch.chdir(Path(__file__).parents[1])


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTenant]:
    """A tenant on loopback, over TLS that is trusted."""
    with FakeTenant(tmp_path) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """A server's address; it may be as slow as a busy machine makes it."""
    with s3.s3_server() as address, pytest.MonkeyPatch.context() as patch:
        for limit in ("READ_TIMEOUT_S", "CONNECT_TIMEOUT_S"):
            patch.setattr(files, limit, 60.0)
        yield address


@pytest.fixture(params=["disk", "S3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A connector's folder, on disk and in S3."""
    return tmp_path / "connector" if request.param == "disk" else s3.bucket(request.getfixturevalue("s3_address"))
