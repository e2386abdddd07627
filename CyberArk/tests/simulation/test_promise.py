"""The promise under any order of faults: a Hypothesis state machine over virtual time, hours in seconds."""

import pytest
from adversary import Adversary
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

# An example that makes a page of events or an outage of an hour is large and slow by nature.
COMMON = settings(deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


def test_whatever_happens_every_event_is_delivered_once() -> None:
    run_state_machine_as_test(
        Adversary, settings=settings(COMMON, max_examples=60, stateful_step_count=15, derandomize=True)
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_whatever_happens_in_another_order_every_event_is_delivered_once() -> None:
    run_state_machine_as_test(Adversary, settings=settings(COMMON, max_examples=400, stateful_step_count=30))
