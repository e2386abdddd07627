"""A connector between a tenant and an intake on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.scene import Scene, scene_in


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as scene:
        yield scene
