"""Inputs that were invented to break the promise, each by itself, over virtual time."""

from typing import Any

import pytest

from cyberark_modules.checkpoint.stream import Use
from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from sandbox.simulation import Latency
from simulation.watched import Watch

HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize("chunk_size", [7, 500])
def test_thousands_of_events_at_one_instant_survive_refused_cursors(watch: Watch, chunk_size: int) -> None:
    watched = watch(chunk_size=chunk_size)
    tenant = watched.tenant
    moment = watched.simulation.now - 100
    for _ in range(4 * chunk_size + 3):
        tenant.add(time=moment, arrival=moment)
    watched.faults.add("cursor-refused", 70, duration=400)
    watched.simulation.start()
    watched.settle()
    assert watched.ledger.snapshot().duplicates == 0


@pytest.mark.parametrize("step_ms", [1, 200, 999])
def test_pages_may_end_in_the_middle_of_a_second(watch: Watch, step_ms: int) -> None:
    """The API's dates are whole seconds, so the query after such a page shows what was delivered already."""
    watched = watch(chunk_size=7, overlap=0)
    for number in range(100):
        watched.tenant.add(time=watched.simulation.now - 200 + number * step_ms / 1000)
    watched.faults.add("cursor-null", 0.3)
    watched.simulation.start()
    watched.settle(within=2 * HOUR)
    assert watched.ledger.snapshot().duplicates == 0


def test_an_intake_that_is_down_for_longer_than_a_day_loses_nothing(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.follow(0.05, seconds=100)
    watched.faults.add("intake-down", 60, duration=26 * HOUR)
    simulation.run_for(26 * HOUR)
    watched.settle()
    assert watched.ledger.snapshot().duplicates == 0
    assert watched.ledger.requests["intake", "503"] < 26 * 70


@pytest.mark.long
def test_one_event_a_page(watch: Watch) -> None:
    watched = watch(chunk_size=1)
    watched.tenant.add_backlog(150, 3000)
    watched.follow(0.05, seconds=HOUR)
    watched.settle()
    assert watched.ledger.snapshot().duplicates == 0


def test_no_overlap_loses_nothing_that_is_in_time(watch: Watch) -> None:
    watched = watch(overlap=0, chunk_size=30)
    tenant = watched.tenant
    tenant.delays.least = tenant.delays.most = 0.0
    tenant.produce(3.7)
    watched.simulation.start()
    for _ in range(20):
        watched.simulation.run_for(61)
        tenant.refuse_cursors()
        watched.check()
    watched.settle()


@pytest.mark.long
def test_after_a_lookback_of_minutes_new_events_do_not_wait_for_it(watch: Watch) -> None:
    watched = watch(overlap=10, chunk_size=100)
    simulation = watched.simulation
    watched.tenant.settings.page_latency = 2.0
    watched.follow(10, seconds=1500)
    watched.ledger.forget_delays()
    simulation.run_for(600)
    assert watched.ledger.snapshot().lag["p95"] < 15
    checkpoint = simulation.connector.checkpoint
    tail = checkpoint.stream(Use.TAIL) if checkpoint else None
    assert tail is not None
    assert tail.start_ms > (simulation.now - 1200) * 1000


@pytest.mark.long
def test_after_long_lookbacks_a_cursor_that_expires_leaves_no_hole(watch: Watch) -> None:
    watched = watch(overlap=10, chunk_size=100)
    watched.tenant.settings.page_latency = 2.0
    watched.tenant.settings.cursor_lifetime = 600.0
    watched.follow(10, seconds=1200)
    watched.ledger.forget_delays()
    watched.simulation.run_for(1200)
    assert watched.ledger.snapshot().lag["p95"] < 15


def test_a_day_of_overlap_finds_what_comes_a_day_late(watch: Watch) -> None:
    watched = watch(overlap=1440)
    simulation, tenant = watched.simulation, watched.tenant
    watched.follow(0.01, seconds=HOUR)
    for hours in (1, 5, 12, 24):
        for number in range(20):
            tenant.add(time=simulation.now + number, arrival=simulation.now + number + hours * HOUR)
    for _ in range(4):
        simulation.run_for(600)
        simulation.kill()
        simulation.run_for(6 * HOUR)
        simulation.start()
        watched.check()
    watched.settle()


@pytest.mark.long
def test_events_of_the_future_at_the_end_of_the_stream_hide_no_others(watch: Watch) -> None:
    """A cursor after an event that is dated an hour ahead shows nothing until then."""
    watched = watch(chunk_size=50)
    simulation, tenant = watched.simulation, watched.tenant
    watched.follow(2, seconds=200)
    for number in range(120):
        ahead = simulation.now + HOUR + number
        text = f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":{int(ahead * 1000)}}}'
        tenant.add(text, time=ahead, arrival=simulation.now + number / 10)
    simulation.run_for(120)
    watched.ledger.forget_delays()
    simulation.run_for(0.5 * HOUR)
    lag = watched.ledger.snapshot().lag
    assert lag["p95"] < 20, lag
    tenant.produce(0.1)
    simulation.run_for(HOUR)
    watched.settle()
    assert watched.ledger.snapshot().duplicates == 0


def test_a_filter_leaves_nothing_else_out(watch: Watch) -> None:
    watched = watch(chunk_size=20, application_codes=["PAM"])
    simulation = watched.simulation
    watched.tenant.add_backlog(400, 3000)
    watched.tenant.produce(2)
    simulation.start()
    for _ in range(5):
        simulation.run_for(130, restart=True)
        simulation.kill()
        watched.tenant.refuse_cursors()
    watched.settle()
    index = watched.ledger.index
    assert watched.accepted
    assert all(b'"applicationCode":"PAM"' in index.text(number) for number in watched.accepted)


@pytest.mark.parametrize("after", [False, True], ids=["before it is opened", "once it is opened"])
def test_a_kill_between_a_query_s_intent_and_its_cursor_keeps_the_minute(watch: Watch, after: bool) -> None:
    watched = watch(Latency(0.5, 0.5))
    simulation = watched.simulation
    watched.tenant.produce(1)
    simulation.network.kill_at_request(1, "audit", after=after)
    simulation.start()
    for _ in range(20):
        simulation.run_for(7, restart=True)
        if simulation.kills % 2:
            simulation.network.kill_at_request(2, "audit", after=after)
        watched.check()
    simulation.network.forget_kill()
    watched.settle()


@pytest.mark.parametrize(
    "point", ["unfinished", *(pytest.param(point, marks=pytest.mark.long) for point in ("before", "after"))]
)
def test_a_kill_at_any_write_of_the_state_costs_a_page_at_most(watch: Watch, point: Any) -> None:
    watched = watch(chunk_size=40)
    simulation = watched.simulation
    watched.tenant.add_backlog(300, 3000)
    watched.tenant.produce(1)
    for number in range(1, 12):
        simulation.folder.kill_at_write(number, point)
        simulation.run_for(65, restart=True)
        watched.check()
    simulation.folder.forget_kill()
    watched.settle()
    assert simulation.kills >= 5


def test_nine_days_off_cost_what_the_api_no_longer_shows_and_it_is_said(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.follow(0.005, seconds=HOUR)
    simulation.stop()
    simulation.run_for(9 * DAY)
    simulation.start()
    simulation.run_for(300)
    assert any(message.startswith("Lost: the events from ") for message in simulation.said("error"))
    watched.settle()
    assert watched.ledger.snapshot().duplicates == 0


def test_a_tenant_that_sorts_by_arrival_shows_late_events_once(watch: Watch) -> None:
    watched = watch()
    simulation, tenant = watched.simulation, watched.tenant
    simulation.start()
    for number in range(600):
        late = number * 37 % 240 if number % 10 == 0 else 1
        text = f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":{int((simulation.now - late) * 1000)}}}'
        tenant.add(text, time=simulation.now, arrival=simulation.now)
        simulation.run_for(2)
    tenant.refuse_cursors()
    simulation.run_for(400)
    snapshot = watched.ledger.snapshot()
    assert snapshot.accepted == 600
    assert snapshot.duplicates == 0


def test_a_rare_query_is_not_waited_for_while_nothing_is_read(watch: Watch) -> None:
    watched = watch(frequency=3600)
    simulation, tenant = watched.simulation, watched.tenant
    tenant.produce(0.1)
    watched.faults.add("api-5xx", 1, duration=5)
    simulation.start()
    simulation.run_for(300)
    assert watched.ledger.snapshot().lag["p100"] < 200
    watched.ledger.forget_delays()
    tenant.refuse_cursors()
    simulation.run_for(300)
    assert watched.ledger.snapshot().lag["p100"] < 90


def test_a_query_that_was_refused_before_a_kill_delays_the_next_by_a_minute_only(watch: Watch) -> None:
    watched = watch()
    simulation, tenant = watched.simulation, watched.tenant
    tenant.produce(0.1)
    watched.faults.add("api-429-absent", 1, duration=5)
    simulation.start()
    simulation.run_for(30)
    simulation.kill()
    simulation.start()
    simulation.run_for(45)
    assert watched.ledger.snapshot().accepted > 0


def test_a_stop_without_a_state_says_what_is_sent_again(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.follow(1, seconds=300)
    simulation.folder.writable = False
    simulation.run_for(60)
    simulation.stop()
    assert "are sent again" in [line.message for line in simulation.lines][-1]


class IntakeDown(Fault):
    """The intake asks for a quarter of an hour between two attempts."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        return json_response({}, 503, {"Retry-After": "900"}) if endpoint == "intake" else None


def test_an_outage_longer_than_the_api_remembers_is_not_said_to_cost_nothing(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.follow(0.001, seconds=300)
    watched.faults.hold(IntakeDown(), duration=8 * DAY)
    simulation.run_for(8 * DAY + HOUR)
    assert any("7 days" in message for message in simulation.said("error"))
    assert not any("nothing was lost" in line.message for line in simulation.lines)


@pytest.mark.parametrize(
    ("chunk_size", "rate"),
    [
        pytest.param(2, 0.0, marks=pytest.mark.long),
        (2, 0.02),
        (500, 0.0),
        pytest.param(500, 0.02, marks=pytest.mark.long),
    ],
)
def test_an_end_that_shows_its_last_second_again_is_an_end(watch: Watch, chunk_size: int, rate: float) -> None:
    """Under ever new cursors: of a quiet tenant it is not read without a pause, and what is late is looked for."""
    watched = watch(chunk_size=chunk_size)
    simulation = watched.simulation
    tenant, ledger = watched.tenant, watched.ledger
    tenant.settings.drained = "last-second"
    for number in range(7):
        tenant.add(time=simulation.now - 200.5 + number / 1000)
    watched.follow(rate, seconds=300)
    tenant.add(time=simulation.now - 250, arrival=simulation.now)
    simulation.run_for(300)
    assert ledger.snapshot().waiting <= 1
    assert ledger.requests["query", "200"] == 10
    assert ledger.requests["results", "200"] < 600
    watched.settle()
    assert ledger.snapshot().duplicates == 0
