"""What every test around the module runs in."""

import os
from collections.abc import Generator

import pytest
from coverage import Coverage
from hypothesis import settings

from sandbox import MODULE

# Everything is on loopback. Without this, a request looks for a proxy in every variable of the environment first.
os.environ["NO_PROXY"] = "127.0.0.1,localhost"

# Real files and sockets answer when they answer; a failure prints the example that made it.
settings.register_profile("around", deadline=None, print_blob=True)
settings.load_profile("around")


# The folders whose tests wait for real processes.
WAITING = ("processes", "sandbox")
# Hours of virtual time in the module's own tests, for lines that its other tests reach too.
UNMEASURED = ("test_nothing_is_lost_and_nothing_innocent_is_left", "test_an_outage_of_an_hour_is_bounded_and_heals")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread what waits for real processes over the run: the others fill that time, and none is left to wait alone."""
    waiting = [item for item in items if item.path.parent.name in WAITING]
    others = [item for item in items if item.path.parent.name not in WAITING]
    places = {item: 0.8 * number / len(waiting) for number, item in enumerate(waiting)}
    places |= {item: number / len(others) for number, item in enumerate(others)}
    items.sort(key=places.__getitem__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Stop measuring where it shows nothing: the module's own tests reach the coverage that is required.

    A simulation takes half its time unmeasured. In a worker of xdist there may be two that measure; the marker
    `no_cover` of pytest-cov stops one of them.
    """
    is_measured = item.path.is_relative_to(MODULE) and item.name.partition("[")[0] not in UNMEASURED
    measuring = []
    while not is_measured and (one := Coverage.current()) is not None:
        one.stop()
        measuring.append(one)
    try:
        return (yield)
    finally:
        for one in reversed(measuring):
            one.start()


@pytest.fixture(autouse=True)
def module_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the manifest of the folder that it is started in, as in the image."""
    monkeypatch.chdir(MODULE)
