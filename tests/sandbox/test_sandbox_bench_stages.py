"""The stages that the benchmark measures are functions of the module."""

import pytest

from sandbox.bench.measured import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_measured_where_the_module_does_it(stage: str) -> None:
    assert all(callable(getattr(owner, name)) for owner, name in STAGES[stage])
