"""Inputs that were invented to break the promise, each by itself, over virtual time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Protocol

import pytest
from watched import EmptyPages, Watched

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from sandbox.simulation import Latency, Simulation
from sandbox.tenant.query import decode_cursor

HOUR, DAY = 3600.0, 86_400.0


class Watch(Protocol):
    def __call__(self, latency: Latency | None = None, **configuration: Any) -> Watched: ...


class Refused(Fault):
    """Pages that are asked for so are answered with an error."""

    def __init__(self, refuses: Callable[[Request], bool], status: int = 503) -> None:
        self._refuses, self._status = refuses, status

    def before(self, endpoint: str, request: Request) -> Response | None:
        refused = endpoint == "results" and self._refuses(request)
        return json_response({"message": "no"}, self._status) if refused else None


class TooLarge(Fault):
    """Something on the way refuses pages of more than so many bytes."""

    def __init__(self, most: int, status: int = 502) -> None:
        self._most, self._status = most, status

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        is_hit = endpoint == "results" and len(response.body) > self._most
        return json_response({"message": "too large"}, self._status) if is_hit else response


def _add_large_events(watched: Watched, count: int) -> None:
    simulation = watched.simulation
    for number in range(count):
        text = f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":%d,"more":"{"x" * 4000}"}}'
        simulation.environment.tenant.add(
            text % (1000 * simulation.now - 1000), time=simulation.now - 1, arrival=simulation.now
        )


@pytest.fixture
def watch() -> Iterator[Watch]:
    with ExitStack() as stack:

        def enter(latency: Latency | None = None, **configuration: Any) -> Watched:
            return stack.enter_context(Watched(1, latency, **configuration))

        yield enter


@pytest.mark.parametrize("chunk_size", [7, 500])
def test_thousands_of_events_at_one_instant_survive_refused_cursors(watch: Watch, chunk_size: int) -> None:
    watched = watch(chunk_size=chunk_size)
    tenant = watched.simulation.environment.tenant
    moment = watched.simulation.now - 100
    for _ in range(4 * chunk_size + 3):
        tenant.add(time=moment, arrival=moment)
    watched.simulation.environment.faults.add("cursor-refused", 70, duration=400)
    watched.simulation.start()
    watched.settle()
    assert watched.simulation.environment.ledger.snapshot().doubled == 0


@pytest.mark.parametrize("step_ms", [1, 200, 999])
def test_pages_may_end_in_the_middle_of_a_second(watch: Watch, step_ms: int) -> None:
    """The API's dates are whole seconds, so the query behind such a page shows what was delivered already."""
    watched = watch(chunk_size=7, overlap=0)
    for number in range(100):
        watched.simulation.environment.tenant.add(time=watched.simulation.now - 200 + number * step_ms / 1000)
    watched.simulation.environment.faults.add("cursor-null", 0.3)
    watched.simulation.start()
    watched.settle(within=2 * HOUR)
    assert watched.simulation.environment.ledger.snapshot().doubled == 0


def test_an_intake_that_is_down_for_longer_than_a_day_loses_nothing(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(0.05)
    simulation.start()
    simulation.run_for(100)
    simulation.environment.faults.add("intake-down", 60, duration=26 * HOUR)
    simulation.run_for(26 * HOUR)
    simulation.environment.tenant.stop_production()
    watched.settle()
    assert simulation.environment.ledger.snapshot().doubled == 0
    assert simulation.environment.ledger.requests["intake", "503"] < 26 * 70


def test_pages_that_come_empty_now_and_then_hide_nothing(watch: Watch) -> None:
    """Nobody says that the API never answers so; an empty page settles nothing."""
    watched = watch(chunk_size=20)
    simulation = watched.simulation
    simulation.environment.tenant.add_backlog(700, 3000)
    simulation.environment.tenant.produce(1)
    simulation.environment.faults.hold(EmptyPages(0.2), duration=900)
    simulation.start()
    simulation.run_for(1000)
    simulation.environment.tenant.stop_production()
    watched.settle()
    assert simulation.environment.ledger.snapshot().doubled == 0


@pytest.mark.usefixtures("unmeasured")
def test_one_event_a_page(watch: Watch) -> None:
    watched = watch(chunk_size=1)
    watched.simulation.environment.tenant.add_backlog(150, 3000)
    watched.simulation.environment.tenant.produce(0.05)
    watched.simulation.start()
    watched.simulation.run_for(HOUR)
    watched.simulation.environment.tenant.stop_production()
    watched.settle()
    assert watched.simulation.environment.ledger.snapshot().doubled == 0


def test_no_overlap_loses_nothing_that_is_in_time(watch: Watch) -> None:
    watched = watch(overlap=0, chunk_size=30)
    tenant = watched.simulation.environment.tenant
    tenant.delays.least = tenant.delays.most = 0.0
    tenant.produce(3.7)
    watched.simulation.start()
    for _ in range(20):
        watched.simulation.run_for(61)
        tenant.refuse_cursors()
        watched.check()
    tenant.stop_production()
    watched.settle()


def test_a_day_of_overlap_finds_what_comes_a_day_late(watch: Watch) -> None:
    watched = watch(overlap=1440)
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    tenant.produce(0.01)
    simulation.start()
    simulation.run_for(HOUR)
    for hours in (1, 5, 12, 24):
        for number in range(20):
            tenant.add(time=simulation.now + number, arrival=simulation.now + number + hours * HOUR)
    for _ in range(4):
        simulation.run_for(600)
        simulation.kill()
        simulation.run_for(6 * HOUR)
        simulation.start()
        watched.check()
    tenant.stop_production()
    watched.settle()


@pytest.mark.long
def test_events_of_the_future_at_the_end_of_the_stream_hide_no_others(watch: Watch) -> None:
    """A cursor behind an event that is dated an hour ahead shows nothing until then."""
    watched = watch(chunk_size=50)
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    tenant.produce(2)
    simulation.start()
    simulation.run_for(200)
    for number in range(120):
        ahead = simulation.now + HOUR + number
        text = f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":{int(ahead * 1000)}}}'
        tenant.add(text, time=ahead, arrival=simulation.now + number / 10)
    simulation.run_for(120)
    simulation.environment.ledger.forget_delays()
    simulation.run_for(0.5 * HOUR)
    lag = simulation.environment.ledger.snapshot().lag
    assert lag["p95"] < 20, lag
    tenant.produce(0.1)
    simulation.run_for(HOUR)
    tenant.stop_production()
    watched.settle()
    assert simulation.environment.ledger.snapshot().doubled == 0


def test_a_filter_leaves_nothing_else_out(watch: Watch) -> None:
    watched = watch(chunk_size=20, application_codes=["PAM"])
    simulation = watched.simulation
    simulation.environment.tenant.add_backlog(400, 3000)
    simulation.environment.tenant.produce(2)
    simulation.start()
    for _ in range(5):
        simulation.run_for(130, restart=True)
        simulation.kill()
        simulation.environment.tenant.refuse_cursors()
    simulation.environment.tenant.stop_production()
    watched.settle()
    index = simulation.environment.ledger.index
    assert watched.accepted
    assert all(b'"applicationCode":"PAM"' in index.text(number) for number in watched.accepted)


@pytest.mark.parametrize("after", [False, True], ids=["before it is opened", "once it is opened"])
def test_a_kill_between_a_query_s_intent_and_its_cursor_keeps_the_minute(watch: Watch, after: bool) -> None:
    watched = watch(Latency(0.5, 0.5))
    simulation = watched.simulation
    simulation.environment.tenant.produce(1)
    simulation.network.kill_at_request(1, "audit", after=after)
    simulation.start()
    for _ in range(20):
        simulation.run_for(7, restart=True)
        if simulation.kills % 2:
            simulation.network.kill_at_request(2, "audit", after=after)
        watched.check()
    simulation.network.forget_kill()
    simulation.environment.tenant.stop_production()
    watched.settle()


@pytest.mark.parametrize("point", ["before", "unfinished", "after"])
def test_a_kill_at_any_write_of_the_state_costs_a_page_at_most(watch: Watch, point: Any) -> None:
    watched = watch(chunk_size=40)
    simulation = watched.simulation
    simulation.environment.tenant.add_backlog(300, 3000)
    simulation.environment.tenant.produce(1)
    for number in range(1, 12):
        simulation.folder.kill_at_write(number, point)
        simulation.run_for(65, restart=True)
        watched.check()
    simulation.folder.forget_kill()
    simulation.environment.tenant.stop_production()
    watched.settle()
    assert simulation.kills >= 5


def test_nine_days_off_cost_what_the_api_no_longer_shows_and_it_is_said(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(0.005)
    simulation.start()
    simulation.run_for(HOUR)
    simulation.stop()
    simulation.run_for(9 * DAY)
    simulation.start()
    simulation.run_for(300)
    assert any(message.startswith("Lost: the events from ") for message in simulation.said("error"))
    simulation.environment.tenant.stop_production()
    watched.settle()
    assert simulation.environment.ledger.snapshot().doubled == 0


def test_a_wall_clock_that_jumps_changes_nothing(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(1)
    simulation.start()
    for jump in (HOUR, -HOUR, 0.0, 30 * DAY, -30 * DAY, 0.0):
        simulation.wall_offset = jump
        simulation.run_for(100)
        watched.check()
        simulation.kill()
        simulation.run_for(100, restart=True)
    simulation.environment.tenant.stop_production()
    watched.settle()


class DateOff(Fault):
    """The `Date` of those endpoints is so many seconds off."""

    def __init__(self, simulation: Simulation, seconds: float, *endpoints: str) -> None:
        self._simulation, self._seconds, self._endpoints = simulation, seconds, endpoints

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        if endpoint not in self._endpoints or response.status != 200:
            return response
        date = formatdate(self._simulation.now + self._seconds, usegmt=True)
        return replace(response, headers={**response.headers, "Date": date})


def test_one_answer_with_a_wrong_date_settles_nothing_too_early(watch: Watch) -> None:
    watched = watch()
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    tenant.produce(1)
    simulation.start()
    simulation.run_for(200)
    simulation.environment.faults.hold(DateOff(simulation, 600, "query"), duration=62)
    simulation.run_for(110)
    for number in range(20):
        tenant.add(time=simulation.now - 170 + number, arrival=simulation.now + 5)
    simulation.run_for(600)
    tenant.stop_production()
    simulation.run_for(100)
    assert len(watched.accepted) == len(simulation.environment.ledger.index)


def test_a_clock_of_identity_that_is_behind_repeats_nothing_at_a_restart(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(1)
    simulation.start()
    simulation.run_for(1500)
    simulation.environment.faults.hold(DateOff(simulation, -HOUR, "token"), duration=DAY)
    simulation.stop()
    simulation.start()
    simulation.run_for(300)
    assert simulation.environment.ledger.snapshot().doubled == 0


def test_a_clock_of_the_api_that_is_behind_brings_no_query_too_soon(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(1)
    simulation.environment.faults.hold(DateOff(simulation, -120, "query", "results"), duration=DAY)
    simulation.start()
    simulation.run_for(605)
    for _ in range(3):
        simulation.stop()
        simulation.start()
        simulation.run_for(15)
    assert not watched.too_soon


def test_a_tenant_that_sorts_by_arrival_shows_late_events_once(watch: Watch) -> None:
    watched = watch()
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    simulation.start()
    for number in range(600):
        late = number * 37 % 240 if number % 10 == 0 else 1
        text = f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":{int((simulation.now - late) * 1000)}}}'
        tenant.add(text, time=simulation.now, arrival=simulation.now)
        simulation.run_for(2)
    tenant.refuse_cursors()
    simulation.run_for(400)
    snapshot = simulation.environment.ledger.snapshot()
    assert snapshot.accepted == 600
    assert snapshot.doubled == 0


def test_a_rare_query_is_not_waited_for_while_nothing_is_read(watch: Watch) -> None:
    watched = watch(frequency=3600)
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    tenant.produce(0.1)
    simulation.environment.faults.add("api-5xx", 1, duration=5)
    simulation.start()
    simulation.run_for(300)
    assert simulation.environment.ledger.snapshot().lag["p100"] < 200
    simulation.environment.ledger.forget_delays()
    tenant.refuse_cursors()
    simulation.run_for(300)
    assert simulation.environment.ledger.snapshot().lag["p100"] < 90


def test_a_query_that_was_refused_before_a_kill_delays_the_next_by_a_minute_only(watch: Watch) -> None:
    watched = watch()
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    tenant.produce(0.1)
    simulation.environment.faults.add("api-429-absent", 1, duration=5)
    simulation.start()
    simulation.run_for(30)
    simulation.kill()
    simulation.start()
    simulation.run_for(45)
    assert simulation.environment.ledger.snapshot().accepted > 0


@pytest.mark.parametrize("status", [502, 413])
def test_a_page_that_is_too_large_for_a_gateway_is_read_in_smaller_ones(watch: Watch, status: int) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.faults.hold(TooLarge(200_000, status), duration=DAY)
    _add_large_events(watched, 400)
    simulation.start()
    simulation.run_for(2 * HOUR)
    assert simulation.environment.ledger.snapshot().accepted == 400


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("restarts", [False, pytest.param(True, marks=pytest.mark.long)])
def test_after_an_outage_of_pages_they_are_read_at_full_size_again(watch: Watch, restarts: bool) -> None:
    """Nobody can tell that the pages were not too large, so they are small when they are read again."""
    watched = watch()
    simulation, tenant = watched.simulation, watched.simulation.environment.tenant
    tenant.settings.page_latency = 0.2
    tenant.produce(5)
    simulation.start()
    simulation.run_for(300)
    simulation.environment.faults.hold(Refused(lambda _: True), duration=HOUR)
    simulation.run_for(HOUR)
    if restarts:
        simulation.kill()
        simulation.start()
    simulation.run_for(360)
    assert simulation.environment.ledger.snapshot().waiting < 200
    tenant.stop_production()
    watched.settle()


@pytest.mark.usefixtures("unmeasured")
def test_while_a_query_cannot_be_read_the_head_is_read_on(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.simulation.environment.ledger
    simulation.environment.tenant.produce(1)
    simulation.start()
    simulation.run_for(600)
    opened = ledger.requests["query", "200"]

    def is_of_a_later_query(request: Request) -> bool:
        return decode_cursor(request.body).number > opened

    simulation.environment.faults.hold(Refused(is_of_a_later_query), duration=1200)
    ledger.forget_delays()
    simulation.run_for(1200)
    assert ledger.snapshot().lag["p100"] < 20
    simulation.environment.tenant.stop_production()
    watched.settle()
    assert ledger.snapshot().doubled == 0


@pytest.mark.usefixtures("unmeasured")
def test_while_the_head_cannot_be_read_queries_are(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.simulation.environment.ledger
    simulation.environment.tenant.produce(1)
    simulation.start()
    simulation.run_for(635)
    opened = ledger.requests["query", "200"]
    simulation.environment.faults.hold(
        Refused(lambda request: decode_cursor(request.body).number <= opened), duration=HOUR
    )
    ledger.forget_delays()
    simulation.run_for(600)
    assert ledger.snapshot().lag["p100"] < 70


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("status", [403, pytest.param(429, marks=pytest.mark.long)])
def test_a_cursor_that_is_refused_for_any_reason_is_given_up_at_last(watch: Watch, status: int) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.simulation.environment.ledger
    simulation.environment.tenant.produce(0.2)
    simulation.start()
    simulation.run_for(600)
    bad = ledger.requests["query", "200"] + 1
    simulation.environment.faults.hold(Refused(lambda request: decode_cursor(request.body).number == bad, status))
    simulation.run_for(3 * HOUR)
    assert ledger.snapshot().waiting < 10
    assert ledger.requests["results", str(status)] < 30


# 503 is long for now: where one query is answered so for ever, and the tail is served, it is not given up in time.
@pytest.mark.parametrize("status", [pytest.param(503, marks=pytest.mark.long), 400])
def test_a_rare_query_that_is_lost_is_opened_again_after_a_minute(watch: Watch, status: int) -> None:
    """And although the head is well, for what came late is shown by a query only."""
    watched = watch(frequency=3600, overlap=30)
    simulation, ledger = watched.simulation, watched.simulation.environment.ledger
    simulation.environment.tenant.produce(0.2)
    simulation.start()
    simulation.run_for(3500)  # the next query is a lookback
    simulation.environment.tenant.add(time=simulation.now - 1000, arrival=simulation.now)
    opened = ledger.requests["query", "200"]
    bad = Refused(lambda request: decode_cursor(request.body).number == opened + 1, status)
    simulation.environment.faults.hold(bad)
    simulation.run_until(lambda: ledger.requests["query", "200"] == opened + 1, within=2 * HOUR)
    simulation.run_for(600)
    simulation.environment.tenant.stop_production()
    simulation.run_for(30)
    assert ledger.snapshot().waiting == 0


def test_an_api_that_wants_no_small_pages_is_asked_for_larger_ones(watch: Watch) -> None:
    class Least(Fault):
        def before(self, endpoint: str, request: Request) -> Response | None:
            is_small = endpoint == "query" and request.json()["query"]["pageSize"] < 10
            return json_response({"message": "pageSize"}, 400) if is_small else None

    watched = watch()
    simulation, ledger = watched.simulation, watched.simulation.environment.ledger
    simulation.environment.tenant.produce(1)
    simulation.environment.faults.hold(Least())
    simulation.start()
    simulation.run_for(300)
    simulation.environment.faults.hold(Refused(lambda _: True), duration=HOUR / 2)
    simulation.run_for(HOUR)
    assert ledger.snapshot().waiting < 20


def test_restarts_do_not_forget_that_pages_have_to_be_small(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.faults.hold(TooLarge(30_000))
    _add_large_events(watched, 400)
    simulation.start()
    for _ in range(18):
        simulation.run_for(600)
        simulation.kill()
        simulation.start()
    assert simulation.environment.ledger.snapshot().accepted == 400


@pytest.mark.usefixtures("unmeasured")
def test_a_page_that_the_api_cannot_serve_holds_nothing_else_until_it_can(watch: Watch) -> None:
    class Poisonous(Fault):
        def after(self, endpoint: str, request: Request, response: Response) -> Response:
            is_hit = endpoint == "results" and b"poison" in response.body
            return json_response({"message": "Internal Server Error"}, 500) if is_hit else response

    watched = watch()
    simulation, tenant, ledger = (
        watched.simulation,
        watched.simulation.environment.tenant,
        watched.simulation.environment.ledger,
    )
    tenant.produce(1)
    simulation.start()
    simulation.run_for(300)
    simulation.environment.faults.hold(Poisonous(), duration=HOUR)
    tenant.add(f'{{"uuid":"poison","timestamp":{int(simulation.now * 1000)}}}')
    simulation.run_for(HOUR)
    assert ledger.snapshot().waiting < 50
    assert ledger.requests["results", "500"] < 180
    tenant.stop_production()
    watched.settle()
    assert ledger.snapshot().doubled == 0


def test_a_stop_without_a_state_says_what_is_sent_again(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(1)
    simulation.start()
    simulation.run_for(300)
    simulation.folder.writable = False
    simulation.run_for(60)
    simulation.stop()
    assert "is sent again" in [line.message for line in simulation.lines][-1]


@pytest.mark.usefixtures("unmeasured")
def test_an_outage_longer_than_the_api_remembers_is_not_said_to_cost_nothing(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    simulation.environment.tenant.produce(0.001)
    simulation.start()
    simulation.run_for(300)
    simulation.environment.faults.add("intake-down", 60, duration=8 * DAY)
    simulation.run_for(8 * DAY + HOUR)
    assert any("7 days" in message for message in simulation.said("error"))
    assert not any("nothing was lost" in line.message for line in simulation.lines)


@pytest.mark.parametrize(
    ("chunk_size", "rate"),
    [
        (2, 0.0),
        (2, 0.02),
        (500, 0.0),
        (500, 0.02),
    ],
)
def test_an_end_that_shows_its_last_second_again_is_an_end(watch: Watch, chunk_size: int, rate: float) -> None:
    """Under ever new cursors: of a quiet tenant it is not read without a pause, and what is late is looked for."""
    watched = watch(chunk_size=chunk_size)
    simulation = watched.simulation
    tenant, ledger = simulation.environment.tenant, simulation.environment.ledger
    tenant.settings.drained = "last-second"
    for number in range(7):
        tenant.add(time=simulation.now - 200.5 + number / 1000)
    tenant.produce(rate)
    simulation.start()
    simulation.run_for(300)
    tenant.add(time=simulation.now - 250, arrival=simulation.now)
    simulation.run_for(300)
    assert ledger.snapshot().waiting <= 1
    assert ledger.requests["query", "200"] == 10
    assert ledger.requests["results", "200"] < 600
    watched.settle()
    assert ledger.snapshot().doubled == 0
