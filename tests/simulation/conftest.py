"""Simulations that are judged."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sandbox.simulation import Latency
from simulation.watched import Watch, Watched


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What enters a judged simulation; it is left at the end of the test."""
    with ExitStack() as stack:

        def enter(latency: Latency | None = None, **configuration: Any) -> Watched:
            return stack.enter_context(Watched(1, latency, **configuration))

        yield enter
