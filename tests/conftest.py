"""What every test may use: a tenant and a platform over TLS, trusted by this process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import settings

from faults.table import pytest_terminal_summary
from sandbox import MODULE
from sandbox.server.server import Sandbox

__all__ = ["pytest_terminal_summary", "sandbox"]

TESTS = Path(__file__).parent
# What takes longest, or waits, comes first: the others fill the time, and none is left to run alone at the end.
FIRST = (
    "test_volume",
    "test_late",
    "test_malformed",
    "test_kill",
    "test_intake",
    "test_sandbox_demo",
    "test_instances",
    "test_account_validator",
    "test_rows",
    "test_refused",
    "test_page_failures",
    "test_adversities",
    "test_adversary",
    "test_steady_state",
)

# Everything is on loopback. Without this, a request looks for a proxy in every variable of the environment first.
os.environ["NO_PROXY"] = "127.0.0.1,localhost"

# Real files and sockets answer when they answer; a failure prints the example that made it.
settings.register_profile("module", deadline=None, print_blob=True)
settings.load_profile("module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    """The module's own tests reach the coverage that is asked for; a simulation takes half its time unmeasured.

    In a worker of xdist there may be two that measure; the marker `no_cover` of pytest-cov stops one of them.
    """
    measuring = []
    while (one := Coverage.current()) is not None:
        one.stop()
        measuring.append(one)
    yield
    for one in reversed(measuring):
        one.start()


@pytest.fixture(autouse=True)
def module_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the manifest of the folder that it is started in, as in the image."""
    monkeypatch.chdir(MODULE)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(1) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running
