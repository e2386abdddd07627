"""What is logged and measured: nothing that was not read is claimed."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from cyberark_modules.errors import ConfigurationError, Failure, FailureKind, Service, TransientError
from cyberark_modules.telemetry import metrics
from cyberark_modules.telemetry.reporter import Reporter, Standing, moment
from fakes.connector import Time

NOW = 1_800_000_000_000
Lines = list[tuple[str, str]]
Counted = Callable[[], float]


@pytest.fixture
def lines() -> Lines:
    return []


@pytest.fixture
def time() -> Time:
    return Time(NOW / 1000)


@pytest.fixture
def reporter(lines: Lines, time: Time) -> Reporter:
    return Reporter(lambda text, level: lines.append((level, text)), time, lambda: int(time() * 1000), lambda: 0.0)


def gauge(name: str, **labels: Any) -> float:
    return REGISTRY.get_sample_value(f"{metrics.NAMESPACE}_{name}", labels) or 0.0


def test_the_lag_is_the_age_of_what_the_tail_has_read_and_grows_while_nothing_is(
    reporter: Reporter, time: Time
) -> None:
    reporter.set_standing(Standing(NOW - 300_000, NOW - 4000))
    assert gauge("lag_seconds") == 4
    assert gauge("watermark_lag_seconds") == 300
    time.now += 600
    assert gauge("lag_seconds") == 604
    assert reporter.lag_s() == 604


def test_without_a_tail_the_lag_is_the_age_of_the_watermark(reporter: Reporter) -> None:
    reporter.set_standing(Standing(NOW - 300_000, 0))
    assert gauge("lag_seconds") == 300


def test_before_anything_is_known_there_is_no_lag(reporter: Reporter) -> None:
    assert (reporter.lag_s(), gauge("oldest_gap_age_seconds")) == (0, 0)


def test_gaps_are_measured_and_their_end_is_logged(reporter: Reporter, lines: Lines) -> None:
    reporter.set_standing(Standing(NOW, NOW, ((NOW - 50_000, NOW - 40_000), (NOW - 20_000, NOW - 15_000))))
    assert (gauge("gaps"), gauge("backlog_seconds"), gauge("oldest_gap_age_seconds")) == (2, 15, 50)
    assert lines == []
    reporter.set_standing(Standing(NOW, NOW))
    reporter.set_standing(Standing(NOW, NOW))
    assert (gauge("gaps"), gauge("backlog_seconds")) == (0, 0)
    assert lines == [("info", f"Caught up: everything up to {moment(NOW)} is delivered; nothing was lost")]


def test_nothing_was_lost_is_never_said_after_a_loss(reporter: Reporter, lines: Lines) -> None:
    before = gauge("lost_seconds_total")
    reporter.set_standing(Standing(NOW, NOW, ((NOW - 50_000, NOW - 40_000),)))
    reporter.lost(NOW - 50_000, NOW - 45_000)
    reporter.set_standing(Standing(NOW, NOW))
    assert lines[0][0] == "error"
    assert f"from {moment(NOW - 50_000)} to {moment(NOW - 45_000)} were not delivered" in lines[0][1]
    assert lines[1] == ("info", f"Caught up: everything up to {moment(NOW)} is delivered")
    assert gauge("lost_seconds_total") - before == 5


FAILING = ((NOW - 50_000, NOW - 40_000),)


def test_a_gap_that_cannot_be_served_is_logged_once_with_its_bounds_and_when_it_is_delivered(
    reporter: Reporter, lines: Lines
) -> None:
    for _ in range(3):
        reporter.set_standing(Standing(NOW, NOW, FAILING, FAILING))
    assert gauge("failing_gaps") == 1
    narrowed = ((NOW - 45_000, NOW - 44_000),)
    reporter.set_standing(Standing(NOW, NOW, narrowed, narrowed))  # a part of the same
    reporter.set_standing(Standing(NOW, NOW, narrowed, ()))  # being retried
    reporter.set_standing(Standing(NOW, NOW))
    assert [level for level, _ in lines] == ["error", "info", "info"]
    for _, line in lines[:2]:
        assert f"from {moment(NOW - 50_000)} to {moment(NOW - 40_000)}" in line


def test_a_gap_that_is_searched_in_parts_is_logged_once(reporter: Reporter, lines: Lines) -> None:
    first, second = (NOW - 50_000, NOW - 45_000), (NOW - 45_000, NOW - 40_000)
    reporter.set_standing(Standing(NOW, NOW, FAILING, FAILING))
    for failing in ((), (first,), (), (second,), (first, second), ()):
        reporter.set_standing(Standing(NOW, NOW, (first, second), failing))
    reporter.set_standing(Standing(NOW, NOW, (second,)))
    reporter.set_standing(Standing(NOW, NOW))
    assert [level for level, _ in lines[:2]] == ["error", "info"]
    assert [line for _, line in lines if "could not serve" in line] == [lines[1][1]]


def test_a_gap_that_grows_backwards_is_logged_again_and_not_while_it_is_read(reporter: Reporter, lines: Lines) -> None:
    reporter.set_standing(Standing(NOW, NOW, FAILING, FAILING))
    for start_ms in range(NOW - 60_000, NOW - 40_000, 5000):  # another one before it waits with it; then it is read
        grown = ((start_ms, NOW - 40_000),)
        reporter.set_standing(Standing(NOW, NOW, grown, grown))
    reporter.set_standing(Standing(NOW, NOW))
    assert [level for level, _ in lines] == ["error", "error", "info", "info"]
    for _, line in lines[1:3]:
        assert f"from {moment(NOW - 60_000)} to {moment(NOW - 40_000)}" in line


def test_what_failed_is_logged_when_it_is_delivered(reporter: Reporter, lines: Lines) -> None:
    other = (NOW - 5000, NOW - 4000)
    reporter.set_standing(Standing(NOW, NOW, (*FAILING, other), FAILING))
    reporter.set_standing(Standing(NOW, NOW, (other,)))
    level, line = lines[1]
    assert level == "info"
    assert line.startswith(f"The events from {moment(NOW - 50_000)} to {moment(NOW - 40_000)}, ")
    assert line.endswith(", which the Audit API could not serve, are delivered")


def test_pages_are_counted_by_outcome_and_summed_up_after_a_lookback(reporter: Reporter, lines: Lines) -> None:
    names = ("collected", "already_delivered", "malformed", "late", "late_beyond_overlap")
    before = {name: gauge("events_total", outcome=name) for name in names}
    reporter.page(100, 30, 2, [150_000, 20_000], 1)
    reporter.page(50, 0, 0, [], 0)
    counts = {name: gauge("events_total", outcome=name) - before[name] for name in names}
    assert counts == {
        "collected": 30,
        "already_delivered": 120,
        "malformed": 2,
        "late": 2,
        "late_beyond_overlap": 1,
    }
    reporter.set_standing(Standing(NOW - 300_000, NOW - 3000, ((NOW - 700_000, NOW - 400_000),)))
    reporter.lookback_read(NOW - 300_000)
    reporter.lookback_read(NOW - 240_000)
    assert lines[0][1] == (
        f"Lookback since {moment(NOW - 300_000)} done: 150 events read in 2 pages, 30 new, 2 late by up to 2 min; "
        "lag 3 s; backlog 5 min of events in 1 gaps"
    )
    assert "0 events read in 0 pages, 0 new; lag" in lines[1][1]


def test_what_a_person_has_to_mend_is_critical_and_an_outage_is_a_warning(reporter: Reporter, lines: Lines) -> None:
    denied = Failure(Service.IDENTITY, FailureKind.STATUS, status=401, error="access_denied")
    down = Failure(Service.AUDIT, FailureKind.STATUS, status=503)
    before = gauge("retries_total", service="collection")
    for _ in range(2):
        reporter.failed("collection", ConfigurationError(denied))
        reporter.failed("query", TransientError(down))
    assert [level for level, _ in lines] == ["critical", "warning"]
    assert gauge("retries_total", service="collection") - before == 4
    assert reporter.recovered("query")
    assert not reporter.recovered("query")


def test_a_failure_of_delivery_counts_as_one(reporter: Reporter) -> None:
    before = gauge("retries_total", service="delivery")
    reporter.failed("delivery", TransientError(Failure(Service.INTAKE, FailureKind.STATUS, status=503)))
    assert gauge("retries_total", service="delivery") - before == 1


def test_a_state_that_cannot_be_written_is_logged_once_with_what_follows(reporter: Reporter, lines: Lines) -> None:
    for _ in range(3):
        reporter.state_failed(OSError("disk full"), "It is sent again")
    assert lines == [("error", "It is sent again (disk full)")]


def test_clocks_that_differ_are_logged_once(lines: Lines, time: Time) -> None:
    skew = [30.0]
    reporter = Reporter(lambda text, level: lines.append((level, text)), time, lambda: NOW, lambda: skew[0])
    reporter.clocks()
    assert lines == []
    skew[0] = -3600.0
    reporter.clocks()
    reporter.clocks()
    assert [level for level, _ in lines] == ["warning"]
