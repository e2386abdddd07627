"""What is learned of the API, and must not be believed for ever: its ends, its holes, its limits."""

import json

import pytest

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from sandbox.tenant.query import decode_cursor
from simulation.watched import Watch

HOUR, DAY = 3600.0, 86_400.0


class ThrottledOnce(Fault):
    """A single page is refused with 429, and a `Retry-After` of a minute."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        if endpoint != "results" or self._acted:
            return None
        self._acted += 1
        return json_response({"message": "Too Many Requests"}, 429, {"Retry-After": "60"})


class ClosedEndsInNull(Fault):
    """A drained query with a `dateTo` says so with a null cursor: nothing can follow. An open one has a new cursor."""

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        if endpoint != "results" or decode_cursor(request.body).query.date_to is None:
            return response
        is_empty = response.status == 200 and not json.loads(response.body)["data"]
        return json_response({"data": [], "paging": {"cursor": {"cursorRef": None}}}) if is_empty else response


@pytest.mark.long
def test_where_an_open_query_ends_otherwise_than_a_closed_one_the_api_is_not_asked_without_a_pause(
    watch: Watch,
) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.page_latency = 0.2
    watched.faults.hold(ClosedEndsInNull(), duration=DAY)
    watched.follow(0.05, seconds=1.2 * HOUR)  # the first reconciliation is over
    asked = ledger.requests["results", "200"]
    simulation.run_for(600)
    assert ledger.requests["results", "200"] - asked < 10 * 60


@pytest.mark.long
def test_what_arrives_very_late_at_the_live_edge_is_no_hole(watch: Watch) -> None:
    """One source delivers five hours late, the others are quiet, and nothing is asked for more and more often."""
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.order, tenant.settings.date_field = "arrival", "arrival"
    tenant.settings.page_latency = 0.2
    for number in range(900):
        arrival = simulation.now + 11.3 * number
        tenant.add(time=arrival - 5 * HOUR, arrival=arrival)
    watched.follow(0.02, seconds=1.5 * HOUR)
    asked = ledger.requests["results", "200"]
    simulation.run_for(600)
    assert ledger.requests["results", "200"] - asked < 10 * 60


def test_after_a_single_refusal_with_a_retry_after_events_are_prompt_again_within_minutes(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=600)
    watched.faults.hold(ThrottledOnce(), duration=DAY)
    simulation.run_for(600)
    ledger.forget_delays()
    simulation.run_for(300)
    assert ledger.snapshot().lag["p95"] < 20


@pytest.mark.long
def test_a_limit_that_becomes_stricter_is_found_out(watch: Watch) -> None:
    watched = watch(start_time=24)
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.results_spacing, tenant.settings.retry_after = 2.0, "absent"
    tenant.settings.page_latency = 0.2
    tenant.add_backlog(100_000, 80_000)
    watched.follow(1, seconds=600)
    tenant.settings.results_spacing = 8.0
    simulation.run_for(1200)
    accepted, refused = ledger.requests["results", "200"], ledger.requests["results", "429"]
    simulation.run_for(1200)
    assert ledger.requests["results", "429"] - refused < 0.5 * (ledger.requests["results", "200"] - accepted)
