"""What every test may use: a tenant and a platform over TLS, trusted by this process."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

from faults.table import pytest_terminal_summary
from sandbox import MODULE
from sandbox.server.server import Sandbox

__all__ = ["pytest_terminal_summary", "sandbox"]

# What takes longest, or waits, comes first: the others fill the time, and none is left to run alone at the end.
FIRST = (
    "test_promise",
    "test_volume",
    "test_late",
    "test_malformed",
    "test_kill",
    "test_sandbox_demo",
    "test_intake",
    "test_steady_state",
)

# Real files and sockets answer when they answer; a failure prints the example that made it.
settings.register_profile("module", deadline=None, print_blob=True)
settings.load_profile("module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@pytest.fixture(autouse=True)
def module_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the manifest of the folder that it is started in, as in the image."""
    monkeypatch.chdir(MODULE)


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Without coverage in the threads of simulated connectors: measured, they take twice their time."""
    trace = threading.gettrace()
    threading.settrace(None)
    yield
    threading.settrace(trace)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(1) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running
