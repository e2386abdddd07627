"""The scene of each test, and the seed that its fault is drawn from."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.scene import FIGURES, Scene

DEFAULT_SEED = 20_260_131
# These run every time; the others, which wait for minutes of the API's rate together, with the long ones.
EVERY_TIME = {"test_kill", "test_malformed", "test_intake", "test_refused", "test_instances", "test_rate"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `./dev test --long` what would make every run take minutes more."""
    for item in items:
        if item.path.parent.name == "faults" and item.path.stem not in EVERY_TIME:
            item.add_marker(pytest.mark.long)


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """FAULT_SEED in the environment gives another seed."""
    scene = Scene(tmp_path, int(os.environ.get("FAULT_SEED", DEFAULT_SEED)))
    with scene.sandbox:
        try:
            yield scene
        finally:
            scene.close()
            request.node.user_properties.append((FIGURES, scene.figures))
