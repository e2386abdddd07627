"""A platform and its connector."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdk.scene import PlainConnector, Platform, connector_of


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as running:
        yield running


@pytest.fixture
def connector(platform: Platform, tmp_path: Path) -> Iterator[PlainConnector]:
    with connector_of(platform, tmp_path) as connector:
        yield connector
