"""Defects that an attack has proven, as tests that are expected to fail: each is the smallest sequence that was found.

Repairing one turns its test green, which `strict` reports; the test then moves to the file of its subject.
"""

import json

import pytest

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from sandbox.tenant.query import decode_cursor
from simulation.watched import Watch, Watched

HOUR, DAY = 3600.0, 86_400.0


class Poisonous(Fault):
    """Pages that hold a certain text cannot be served."""

    def __init__(self, status: int = 500) -> None:
        self._status = status

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        is_hit = endpoint == "results" and b"poison" in response.body
        return json_response({"message": "no"}, self._status) if is_hit else response


class AtLeast(Fault):
    """Queries with pages of fewer than ten events are refused."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        is_small = endpoint == "query" and request.json()["query"]["pageSize"] < 10
        return json_response({"message": "pageSize"}, 400) if is_small else None


class Throttled(Fault):
    """Pages that hold a certain text are refused with 429, and a `Retry-After` of a minute."""

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        is_hit = endpoint == "results" and b"poison" in response.body
        return json_response({"message": "Too Many Requests"}, 429, {"Retry-After": "60"}) if is_hit else response


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


def _add_poison(watched: Watched, name: str, time: float, arrival: float | None = None) -> None:
    watched.tenant.add(f'{{"uuid":"poison-{name}","timestamp":{int(time * 1000)}}}', time=time, arrival=arrival)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("status", [400, 404, 410, 422])
@pytest.mark.xfail(
    strict=True,
    reason="a defect: a page that is refused with the status of an expired cursor is taken for one, however often the "
    "next query meets it at the same place: nothing is delivered any more",
)
def test_one_page_that_is_refused_like_an_old_cursor_holds_nothing_else(watch: Watch, status: int) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(status), duration=DAY)
    _add_poison(watched, "only", simulation.now)
    simulation.run_for(1800)
    assert ledger.snapshot().waiting < 600


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: a gap whose query is refused for its small pages is asked for with even smaller ones for ever",
)
def test_a_page_that_failed_is_read_once_it_is_served_where_small_pages_are_refused(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.faults.hold(AtLeast(), duration=DAY)
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=HOUR)
    _add_poison(watched, "only", simulation.now)
    simulation.run_for(3 * HOUR)
    assert ledger.snapshot().waiting < 10


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: while a gap waits for its retry, a lookback whose first page fails gets no tail beside it, so "
    "that nothing is served that would tell that page from an outage",
)
def test_a_second_page_that_fails_while_the_first_waits_stops_nothing(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=DAY)
    _add_poison(watched, "first", simulation.now)
    simulation.run_for(3360)
    assert ledger.snapshot().waiting < 10
    _add_poison(watched, "second", simulation.now)
    simulation.run_for(600)
    assert ledger.snapshot().waiting < 120


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: a query shows up to two seconds more than its gap, so the seconds before one that cannot be "
    "served fail as well, are said to be undelivered although they were delivered, and are retried for ever",
)
def test_of_one_page_that_fails_one_second_is_said_to_fail(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=DAY)
    _add_poison(watched, "only", simulation.now)
    simulation.run_for(HOUR)
    assert watched.ledger.snapshot().waiting < 10
    assert len([line for line in simulation.said("error") if "cannot serve the events" in line]) == 1


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True, reason="a defect: no reconciliation reads the overlap before a second that cannot be served"
)
def test_what_is_dated_shortly_before_a_page_that_fails_and_comes_late_is_found(watch: Watch) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    watched.follow(0.1, seconds=600)
    watched.faults.hold(Poisonous(), duration=DAY)
    poisoned = simulation.now
    _add_poison(watched, "only", poisoned)
    simulation.run_for(2 * HOUR)
    late = len(ledger.index)
    tenant.add(time=poisoned - 60.5, arrival=simulation.now)
    simulation.run_for(3 * HOUR)
    assert ledger.times_accepted(late)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: where the date filter goes by arrival, what is read before the failing page is dated before the "
    "window, and its place is searched for by one second a query",
)
def test_what_arrives_after_a_page_that_fails_does_not_wait_for_hours_where_the_filter_goes_by_arrival(
    watch: Watch,
) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.order, tenant.settings.date_field = "arrival", "arrival"
    tenant.delays.least, tenant.delays.most = 30.0, 60.0
    watched.follow(0.3, seconds=600)
    watched.faults.hold(Poisonous(), duration=DAY)
    _add_poison(watched, "only", simulation.now - 39, arrival=simulation.now + 1)
    simulation.run_for(2 * HOUR)
    assert ledger.snapshot().waiting < 8


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: what the end of a query with `dateTo` looks like is believed of one without, whose empty pages "
    "are then followed without a pause, five hundred in a row",
)
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


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: a `Retry-After` pauses all streams and queries, although it comes for one page again and again "
    "while others are served",
)
def test_one_page_that_is_throttled_with_a_retry_after_holds_nothing_else(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=600)
    watched.faults.hold(Throttled(), duration=DAY)
    _add_poison(watched, "only", simulation.now)
    simulation.run_for(1800)
    assert ledger.snapshot().waiting < 600


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: what arrives very late while a lookback looks for its end is taken for a hole; the longest row "
    "of empty pages so far is followed twice as far each time, and by the tail every five seconds",
)
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


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: the pause that one `Retry-After` asks for becomes the interval between all calls, and is kept "
    "for twenty of them before less is tried",
)
def test_after_a_single_refusal_with_a_retry_after_events_are_prompt_again_within_minutes(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=600)
    watched.faults.hold(ThrottledOnce(), duration=DAY)
    simulation.run_for(600)
    ledger.forget_delays()
    simulation.run_for(300)
    assert ledger.snapshot().lag["p95"] < 20


@pytest.mark.xfail(
    strict=True,
    reason="a defect: a distance at which calls were accepted once is held to be enough, unless five refusals are in "
    "a row; where the limit becomes up to five times as strict, two of three calls are refused for ever",
)
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


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: where `dateTo` is ignored, the halves of a gap between two pages that fail are searched for "
    "ever, and a gap that is being searched keeps reconciliations off",
)
def test_two_pages_that_fail_keep_no_reconciliation_off_where_date_to_is_ignored(watch: Watch) -> None:
    watched = watch(start_time=3)
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.date_to = "ignored"
    began = simulation.now
    tenant.produce(0.02)
    watched.faults.hold(Poisonous(), duration=DAY)
    _add_poison(watched, "first", began - 5000)
    _add_poison(watched, "second", began - 4100)
    simulation.start()
    simulation.run_for(10.5 * HOUR)
    late = len(ledger.index)
    tenant.add(time=began + 600, arrival=simulation.now)
    simulation.run_for(2.5 * HOUR)
    assert ledger.times_accepted(late)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.xfail(
    strict=True,
    reason="a defect: where the date filter goes by arrival, a gap that fails for more than 25 hours shows an event "
    "that came hours late, the key of which stands at its delivery, outside of what the gap keeps",
)
def test_beside_a_page_that_fails_for_days_nothing_is_delivered_twice(watch: Watch) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    tenant.settings.date_field = "arrival"
    watched.follow(1, seconds=600)
    watched.faults.hold(Poisonous(), duration=2 * DAY)
    second = float(int(simulation.now) + 1)
    tenant.add(time=second - 5 * HOUR, arrival=second + 0.2)
    _add_poison(watched, "only", second + 0.4)
    simulation.run_for(30)
    simulation.stop()
    tenant.stop_production()
    simulation.run_for(600)
    simulation.start()
    simulation.run_for(26.5 * HOUR)
    assert ledger.snapshot().duplicates == 0
