"""What every test around the module runs in."""

import os
from collections.abc import Iterator

import pytest
from coverage import Coverage
from hypothesis import settings

from sandbox import MODULE

# Everything is on loopback. Without this, a request looks for a proxy in every variable of the environment first.
os.environ["NO_PROXY"] = "127.0.0.1,localhost"

# Real files and sockets answer when they answer; a failure prints the example that made it.
settings.register_profile("around", deadline=None, print_blob=True)
settings.load_profile("around")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start what waits for real processes first: the others fill the time, and none is left to wait alone."""
    items.sort(key=lambda item: item.path.parent.name != "processes")


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    """The module's own tests reach the coverage that is required; a simulation takes half its time unmeasured.

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
