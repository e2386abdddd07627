"""A scene for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from processes.scene import Scene


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    with Scene(tmp_path, seed=len(request.node.name)) as scene:
        yield scene
