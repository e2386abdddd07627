"""What every test may use: a tenant and a platform over TLS, trusted by this process."""

from collections.abc import Iterator

import pytest
from faults.table import pytest_terminal_summary
from hypothesis import settings

from sandbox.server import Sandbox

__all__ = ["pytest_terminal_summary", "sandbox"]

# Real files and sockets answer when they answer; a failure prints the example that made it.
settings.register_profile("module", deadline=None, print_blob=True)
settings.load_profile("module")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(1) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca_file))
        yield running
