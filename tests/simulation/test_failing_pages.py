"""A page that cannot be served, beside everything else that goes on: what is around it is delivered."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from simulation.watched import Poisonous, Watch, Watched, add_poison

HOUR, DAY = 3600.0, 86_400.0


class AtLeast(Fault):
    """Queries with pages of fewer than ten events are refused."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        is_small = endpoint == "query" and request.json()["query"]["pageSize"] < 10
        return json_response({"message": "pageSize"}, 400) if is_small else None


class OfTenMinutes(Fault):
    """Queries of a longer window fail."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        dates = request.json()["query"]["filterModel"]["date"] if endpoint == "query" else {}
        start, end = (
            datetime.fromisoformat(dates[name]) if name in dates else None for name in ("dateFrom", "dateTo")
        )
        is_wide = start is not None and end is not None and end - start > timedelta(minutes=10)
        return json_response({"message": "timeout"}, 500) if is_wide else None


@pytest.mark.parametrize(
    "status", [400, *(pytest.param(status, marks=pytest.mark.long) for status in (404, 410, 422))]
)
def test_one_page_that_is_refused_like_an_old_cursor_holds_nothing_else(watch: Watch, status: int) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(status), duration=DAY)
    add_poison(watched, "only", simulation.now)
    simulation.run_for(1800)
    assert ledger.snapshot().waiting < 600


@pytest.mark.long
def test_a_page_that_failed_is_read_once_it_is_served_where_small_pages_are_refused(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.faults.hold(AtLeast(), duration=DAY)
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=HOUR)
    add_poison(watched, "only", simulation.now)
    simulation.run_for(3 * HOUR)
    assert ledger.snapshot().waiting < 10


@pytest.mark.long
def test_a_second_page_that_fails_while_the_first_waits_stops_nothing(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=DAY)
    add_poison(watched, "first", simulation.now)
    simulation.run_for(3360)
    assert ledger.snapshot().waiting < 10
    add_poison(watched, "second", simulation.now)
    simulation.run_for(600)
    assert ledger.snapshot().waiting < 120


@pytest.mark.long
def test_of_one_page_that_fails_four_seconds_at_most_are_said_to_fail(watch: Watch) -> None:
    """A query may show two seconds more than its gap, so that the seconds before that page fail as well."""
    watched = watch()
    simulation = watched.simulation
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=DAY)
    add_poison(watched, "only", simulation.now)
    simulation.run_for(HOUR)
    assert watched.ledger.snapshot().waiting < 10
    assert len([line for line in simulation.said("error") if "cannot serve the events" in line]) <= 4


@pytest.mark.long
def test_what_arrives_after_a_page_that_fails_does_not_wait_for_hours_where_the_filter_goes_by_arrival(
    watch: Watch,
) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.order, tenant.settings.date_field = "arrival", "arrival"
    tenant.delays.least, tenant.delays.most = 30.0, 60.0
    watched.follow(0.3, seconds=600)
    watched.faults.hold(Poisonous(), duration=DAY)
    add_poison(watched, "only", simulation.now - 39, arrival=simulation.now + 1)
    simulation.run_for(2 * HOUR)
    assert ledger.snapshot().waiting < 8


@pytest.mark.long
def test_a_reconciliation_that_is_refused_keeps_no_page_that_failed_waiting(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(0.2, seconds=3 * HOUR)
    watched.faults.hold(OfTenMinutes(), duration=DAY)
    simulation.run_for(1.5 * HOUR)
    watched.faults.hold(Poisonous(), duration=900)
    add_poison(watched, "only", simulation.now)
    simulation.run_for(900 + HOUR)
    assert ledger.snapshot().waiting < 3


@pytest.mark.long
def test_where_cursors_live_for_less_than_a_minute_what_came_late_is_found(watch: Watch) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.cursor_lifetime = 45.0
    watched.follow(0.5, seconds=2 * HOUR)
    late = len(ledger.index)
    tenant.add(time=simulation.now - 1800, arrival=simulation.now)
    simulation.run_for(1.5 * HOUR)
    assert ledger.times_accepted(late) == 1


def live_for_a_dozen_pages(watched: Watched) -> None:
    """A row of empty pages, and the tries that a failing page is given, both outlast such a cursor."""
    watched.tenant.settings.page_latency, watched.tenant.settings.cursor_lifetime = 2.0, 30.0
    watched.tenant.add_backlog(60, 3600)


def test_where_a_cursor_lives_for_a_dozen_pages_every_window_comes_to_its_end(watch: Watch) -> None:
    watched = watch(start_time=2)
    live_for_a_dozen_pages(watched)
    watched.simulation.start()
    watched.simulation.run_for(1.5 * HOUR)
    checkpoint = watched.simulation.connector.checkpoint
    assert watched.ledger.snapshot().waiting == 0
    assert checkpoint is not None
    assert checkpoint.coverage.gaps == ()


@pytest.mark.long
@pytest.mark.parametrize(("around_it", "ago_s"), [(0, 1800), (200, 1200)])
def test_where_a_cursor_lives_for_a_dozen_pages_one_that_fails_holds_the_others_for_hours_only(
    watch: Watch, around_it: int, ago_s: float
) -> None:
    """What follows it is read in pages of one event first, in which no query comes an overlap further."""
    watched = watch(start_time=2)
    live_for_a_dozen_pages(watched)
    watched.tenant.add_backlog(around_it, 1800)
    watched.faults.hold(Poisonous(), duration=DAY)
    add_poison(watched, "only", watched.simulation.now - ago_s)
    watched.simulation.start()
    watched.simulation.run_for(4 * HOUR)
    assert watched.ledger.snapshot().waiting == 1


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_pages_that_fail_keep_no_reconciliation_off_where_date_to_is_ignored(watch: Watch) -> None:
    watched = watch(start_time=3)
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.date_to = "ignored"
    began = simulation.now
    tenant.produce(0.02)
    watched.faults.hold(Poisonous(), duration=DAY)
    add_poison(watched, "first", began - 5000)
    add_poison(watched, "second", began - 4100)
    simulation.start()
    simulation.run_for(10.5 * HOUR)
    late = len(ledger.index)
    tenant.add(time=began + 600, arrival=simulation.now)
    simulation.run_for(2.5 * HOUR)
    assert ledger.times_accepted(late)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_beside_a_page_that_fails_for_days_nothing_is_delivered_twice(watch: Watch) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.date_field = "arrival"
    watched.follow(1, seconds=600)
    watched.faults.hold(Poisonous(), duration=2 * DAY)
    second = float(int(simulation.now) + 1)
    tenant.add(time=second - 5 * HOUR, arrival=second + 0.2)
    add_poison(watched, "only", second + 0.4)
    simulation.run_for(30)
    simulation.stop()
    tenant.stop_production()
    simulation.run_for(600)
    simulation.start()
    simulation.run_for(26.5 * HOUR)
    assert ledger.snapshot().duplicates == 0


@pytest.mark.long
@pytest.mark.parametrize("date_to", ["in", "out", "ignored"])
def test_what_lies_between_pages_that_fail_is_delivered_while_they_do(watch: Watch, date_to: Any) -> None:
    """Where the query meets the first of them at its first page, and the search for its date may pass the others."""
    watched = watch(start_time=3)
    simulation, tenant = watched.simulation, watched.tenant
    tenant.settings.date_to = date_to
    began = simulation.now - 7200
    for after in (0, 10, 300, 900, 920):
        name = f"{'poison' if after in (0, 300) else 'served'}-{after}"
        tenant.add(
            f'{{"uuid":"{name}","timestamp":{int((began + after) * 1000)}}}', time=began + after, arrival=began + after
        )
    tenant.produce(0.02)
    watched.faults.hold(Poisonous(), duration=DAY)
    simulation.start()
    simulation.run_for(5 * HOUR)
    index = watched.ledger.index
    waiting = {
        json.loads(index.text(number))["uuid"] for number in range(5) if not watched.ledger.times_accepted(number)
    }
    unreadable = {"poison-0", "poison-300"}
    if date_to == "ignored":  # nothing tells then where to look between the two
        waiting.discard("served-10")
    assert waiting == unreadable
    assert watched.ledger.snapshot().waiting < 10
