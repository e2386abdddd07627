"""The promise under any order of faults: a Hypothesis state machine over virtual time, hours in seconds."""

import pytest
from adversary import Adversary
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

pytestmark = pytest.mark.usefixtures("unmeasured")

# An example that makes pages of events or an outage of hours is large and slow by nature.
COMMON = settings(deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


def test_whatever_happens_every_event_is_delivered_once() -> None:
    """The same examples each time; a failing one is shown as it was found, which takes no time."""
    quick = settings(
        COMMON, max_examples=30, stateful_step_count=15, derandomize=True, phases=[Phase.generate], database=None
    )
    run_state_machine_as_test(Adversary, settings=quick)


def test_a_page_asked_for_ahead_at_a_cursor_that_was_left_is_not_read() -> None:
    """Found by the test below: of the head that a query has replaced, after its events were forgotten."""
    state = Adversary()
    state.begins(seed=0, sizes=(100, 0), latency=0.7, page_latency=2.0, requests_per_page=1, backlog=0, rate=1.0)
    try:
        for seconds in (0.3, 0.3, 61.0):
            state.has_malformed_events(then=seconds)
        state.has_a_fault(duration=0.3, name="api", then=31.0)
        state.has_an_event_of_a_clock_that_is_ahead(hours=0.02, in_order=True, then=61.0)
        state.promise_holds()
    finally:
        state.teardown()


@pytest.mark.long
@pytest.mark.timeout(1100)
@pytest.mark.parametrize("run", [1, 2])
def test_whatever_happens_in_another_order_every_event_is_delivered_once(run: int) -> None:
    """Other examples each time; a failing one is made smaller, which takes minutes, and is kept for the next time."""
    deep = settings(COMMON, max_examples=125, stateful_step_count=30)
    run_state_machine_as_test(Adversary, settings=deep)
