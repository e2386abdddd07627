"""How fast, and how much at most: pages that fail, backlogs, late events, a steady tenant. Times are in seconds."""

from typing import Any

import pytest
from judge import Judged

from sandbox.simulation import START

_HOUR, _DAY = 3600.0, 86_400.0


def _missing_elsewhere(simulation: Judged, failing: list[int]) -> list[int]:
    """Return what has waited for over two minutes, and is not of the second of an event whose pages fail."""
    times_ms = simulation.world.index.times_ms
    seconds = {times_ms[number] // 1000 for number in failing}
    return [each for each in simulation.world.ledger.missing(120) if times_ms[each] // 1000 not in seconds]


def _check_healed(simulation: Judged) -> None:
    """Have an hour pass, heal all pages, and another hour: what failed is delivered, once."""
    simulation.run_for(_HOUR)
    simulation.world.audit.failing.clear()
    simulation.run_for(_HOUR)
    assert simulation.broken(60) == []


def _followed(rate: float) -> Judged:
    """Return a simulation whose live edge has been followed for five minutes, and is measured from then on."""
    simulation = Judged(1)
    simulation.world.produce(rate)
    simulation.start()
    simulation.run_for(300)
    simulation.world.ledger.measure_from_now()
    return simulation


@pytest.mark.parametrize("failing", [20, 3000, 8370, 17_960])
def test_a_page_that_fails_in_a_backlog_keeps_back_itself_alone_after_six_minutes(failing: int) -> None:
    with Judged(1, start_time=6) as simulation:
        simulation.world.add_backlog(20_000, 5.6 * _HOUR)
        simulation.world.produce(5)
        simulation.world.fail_page_of(failing)
        simulation.start()
        simulation.run_for(365)
        assert list(simulation.world.ledger.missing(60)) == [failing]
        assert simulation.world.ledger.snapshot().lag["p95"] <= 75


@pytest.mark.parametrize("heals", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_page_that_fails_at_the_live_edge_keeps_back_itself_alone(heals: bool) -> None:
    with _followed(5) as simulation:
        failing = len(simulation.world.index)
        simulation.world.fail_page_of(failing)
        simulation.run_for(600)
        assert simulation.world.ledger.snapshot().lag["p95"] <= 75
        assert _missing_elsewhere(simulation, [failing]) == []
        if heals:
            _check_healed(simulation)


@pytest.mark.long
@pytest.mark.parametrize(("seconds", "restarts"), [(0.0, 0), (20.0, 0), (20.0, 1)])
def test_after_an_outage_of_hours_new_events_come_first_and_no_event_twice(seconds: float, restarts: int) -> None:
    with _followed(20) as simulation:
        world, ends = simulation.world, simulation.now + 4 * _HOUR + seconds
        for fault in ("token-down", "query-down", "results-down"):
            world.faults.add(fault, 60.0, duration=ends - simulation.now)
        for _ in range(restarts):
            simulation.run_for(2 * _HOUR)
            simulation.stop()
            simulation.start()
        simulation.run_for(ends - simulation.now)
        for _ in range(5):
            simulation.run_for(60)
            assert not [each for each in world.ledger.missing(75) if world.index.times_ms[each] > ends * 1000]
        assert simulation.broken(60) == []


def test_an_intake_that_takes_seconds_for_each_request_keeps_nothing_back() -> None:
    with Judged(1, push_s=4.0) as simulation:
        simulation.world.produce(20)
        simulation.start()
        simulation.run_for(420)
        assert simulation.broken(60) == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_where_a_page_fails_every_minute_live_events_never_stand_still() -> None:
    with _followed(5) as simulation:
        failing = []
        for _ in range(19):
            failing.append(len(simulation.world.index))
            simulation.world.fail_page_of(failing[-1])
            simulation.run_for(60)
        assert simulation.longest_silence_s <= 75
        simulation.run_for(_HOUR)
        assert _missing_elsewhere(simulation, failing) == []
        _check_healed(simulation)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("count", "span", "rate", "audit", "faster", "lag_s"),
    [
        (300_000, 2 * _DAY, 20, {}, 0.0, 10),
        (5_000_000, 7 * _DAY - 600, 1, {}, 2.5, 10),
        (1_000_000, 2 * _DAY, 1, {"pages_at_once": 1}, 0.95, 75),
        (20_000, _DAY, 0.2, {"call_spacing_s": 60.0}, 0.0, 240),
    ],
    ids=["two days", "seven days", "one page at a time", "one call a minute"],
)
def test_a_backlog_is_read_faster_than_one_cursor_could_and_live_events_do_not_wait(
    count: int, span: float, rate: float, audit: dict[str, Any], faster: float, lag_s: float
) -> None:
    with Judged(1, start_time=min(168, int(span / _HOUR) + 1)) as simulation:
        vars(simulation.world.settings.audit).update(audit)
        ledger = simulation.world.ledger
        simulation.world.add_backlog(count, span)
        simulation.world.produce(rate)
        simulation.start()
        simulation.run_for(80)  # the events of the first minute
        if not audit:
            assert ledger.snapshot().lag["p95"] <= 75
            ledger.measure_from_now()
        # What leaves the API's retention meanwhile was the oldest second of a week.
        assert simulation.run_until(lambda: not any(number < count for number in ledger.missing()), 6 * _HOUR)
        one_cursor_s = count / 500 * (simulation.world.settings.audit.page_latency_s + 0.04)
        assert one_cursor_s / (simulation.now - START) >= faster
        assert ledger.snapshot().lag["p95"] <= lag_s
        simulation.run_for(300)
        assert simulation.broken(240 if "call_spacing_s" in audit else 60) == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_steady_tenant_is_followed_within_seconds_by_few_requests() -> None:
    with _followed(20) as simulation:
        simulation.run_for(_HOUR)
        snapshot = simulation.world.ledger.snapshot()
        assert snapshot.lag["p50"] <= 4
        assert snapshot.lag["p95"] <= 7.5
        assert simulation.world.ledger.results_a_minute(_HOUR) <= 40
        assert simulation.broken(60) == []


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("by", [390, 3000, 18_000])
def test_what_arrives_late_is_delivered_within_the_hour_once(by: int) -> None:
    with Judged(1) as simulation:
        simulation.world.faults.add("late-all", by)
        simulation.world.produce(1)
        simulation.start()
        for _ in range(15 + by // 600):
            simulation.run_for(600)
            assert simulation.broken(_HOUR) == []
