"""A connector between a tenant and an intake on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

from fakes.scene import Scene, scene_in


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as scene:
        yield scene


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """For what takes hours of the scene's time: twice as fast, and other tests reach the coverage that is asked for.

    In a worker of xdist there may be two that measure; the marker `no_cover` of pytest-cov stops one of them.
    """
    measuring = []
    while (one := Coverage.current()) is not None:
        one.stop()
        measuring.append(one)
    yield
    for one in reversed(measuring):
        one.start()
