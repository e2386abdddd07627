"""What is done next, and when."""

from dataclasses import replace

import pytest

from cyberark_modules.audit_api.events import Event
from cyberark_modules.errors import Failure, FailureKind, Service, Throttled
from cyberark_modules.progress import Head, Mark, Progress
from cyberark_modules.schedule import OpenQuery, Pause, ReadPage, Schedule

NOW = 1_800_000_000_000
MARK = Mark("h", NOW)
HEAD = Head("h", MARK, MARK, MARK, NOW)
IDLE = Progress(NOW, NOW)
TAILING = Progress(NOW, NOW, head=HEAD)
SWEEPING = TAILING.opened("s", NOW, NOW, NOW)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def schedule(time: Time) -> Schedule:
    return Schedule(time, 60)


def throttled(retry_after: float | None = None) -> Throttled:
    return Throttled(Failure(Service.AUDIT, FailureKind.STATUS, status=429), retry_after)


def test_a_query_is_opened_at_once_at_the_first_run(schedule: Schedule) -> None:
    assert schedule.next_step(IDLE) == OpenQuery()


@pytest.mark.parametrize("frequency", [60, 300])
def test_queries_keep_their_distance(time: Time, frequency: int) -> None:
    schedule = Schedule(time, frequency)
    schedule.query_attempted()
    schedule.query_opened()
    time.now += frequency - 0.5
    assert schedule.next_step(replace(IDLE, head=HEAD)) != OpenQuery()
    time.now += 0.5
    assert schedule.next_step(replace(IDLE, head=HEAD)) == OpenQuery()


def test_a_query_that_failed_or_whose_cursors_are_lost_waits_for_the_minute_only(time: Time) -> None:
    schedule = Schedule(time, 3600)
    schedule.query_attempted()
    assert schedule.next_step(IDLE) == Pause(60)
    time.now += 60
    assert schedule.next_step(IDLE) == OpenQuery()
    schedule.query_attempted()
    schedule.query_opened()
    assert schedule.next_step(IDLE) == Pause(60)


def test_the_distance_is_kept_from_a_slow_answer_too(schedule: Schedule, time: Time) -> None:
    schedule.query_attempted()
    time.now += 30
    schedule.query_answered()
    assert schedule.next_step(IDLE) == Pause(60)


@pytest.mark.parametrize(("elapsed_s", "at_least"), [(0, 60), (10, 50), (59, 1), (3600, 0), (-3600, 60)])
def test_a_restart_keeps_the_distance_from_the_last_query(schedule: Schedule, elapsed_s: int, at_least: float) -> None:
    schedule.restarted(Progress(0, 0, query_ms=NOW), NOW + elapsed_s * 1000)
    step = schedule.next_step(IDLE)
    if at_least:
        assert isinstance(step, Pause)
        assert at_least <= step.seconds <= at_least + 5
    else:
        assert step == OpenQuery()


def test_an_unfinished_query_is_read_without_waiting(schedule: Schedule) -> None:
    schedule.query_attempted()
    assert schedule.next_step(Progress(0, 0).opened("s", 0, NOW, NOW)) == ReadPage("s", False)


def test_the_head_is_read_every_ten_seconds_between_two_queries(schedule: Schedule, time: Time) -> None:
    schedule.query_attempted()
    assert schedule.next_step(TAILING) == ReadPage("h", True)
    schedule.page_fetched(ReadPage("h", True), TAILING, TAILING)
    assert schedule.next_step(TAILING) == Pause(10)


def test_the_head_is_read_beside_a_long_sweep_but_not_beside_an_endless_one(schedule: Schedule, time: Time) -> None:
    schedule.query_opened()
    assert schedule.next_step(SWEEPING) == ReadPage("h", True)
    schedule.page_fetched(ReadPage("h", True), SWEEPING, SWEEPING)
    assert schedule.next_step(SWEEPING) == ReadPage("s", False)
    schedule.page_fetched(ReadPage("s", False), SWEEPING, SWEEPING)
    time.now += 11
    assert schedule.next_step(SWEEPING) == ReadPage("h", True)
    time.now += 1200
    assert schedule.next_step(SWEEPING) == ReadPage("s", False)


def test_a_sweep_is_read_on_between_two_readings_of_the_head_however_slow_the_calls_are(
    schedule: Schedule, time: Time
) -> None:
    schedule.query_opened()
    steps = []
    for _ in range(6):
        step = schedule.next_step(SWEEPING)
        assert isinstance(step, ReadPage)
        schedule.page_fetched(step, SWEEPING, SWEEPING)
        steps.append(step.cursor)
        time.now += 61
    assert steps == ["h", "s"] * 3


def test_a_head_that_shows_nothing_of_what_sweeps_find_is_read_less_often(schedule: Schedule, time: Time) -> None:
    found = (Event("late", b"late", NOW + 1000, None),)
    intervals = []
    for minute in range(1, 5):
        now_ms = NOW + minute * 60_000
        schedule.page_delivered(ReadPage("h", True), TAILING, TAILING, (), now_ms)
        schedule.page_delivered(ReadPage("s", False), SWEEPING, TAILING, found, now_ms)
        intervals.append(schedule.head_interval)
    assert intervals == [20, 40, 80, 160]
    schedule.page_delivered(ReadPage("h", True), TAILING, TAILING, found, NOW)
    assert schedule.head_interval == 10


def test_a_quiet_tenant_does_not_slow_the_head(schedule: Schedule) -> None:
    for minute in range(1, 5):
        now_ms = NOW + minute * 60_000
        schedule.page_delivered(ReadPage("h", True), TAILING, TAILING, (), now_ms)
        schedule.page_delivered(ReadPage("s", False), SWEEPING, TAILING, (), now_ms)
    assert schedule.head_interval == 10


@pytest.mark.parametrize("limit_s", [3.0, 20.0, 60.0])
@pytest.mark.parametrize("tells", [True, False])
def test_it_slows_down_to_what_the_api_accepts(schedule: Schedule, time: Time, limit_s: float, tells: bool) -> None:
    progress, accepted, refused, failures, accepted_at = TAILING, 0, 0, 0, float("-inf")
    end = time.now + 3600
    while time.now < end:
        step = schedule.next_step(progress)
        if isinstance(step, Pause):
            time.now += step.seconds
            continue
        remaining = accepted_at + limit_s - time.now
        if isinstance(step, OpenQuery):
            schedule.query_attempted()
        else:
            schedule.page_asked()
        if remaining <= 0:
            accepted, failures, accepted_at = accepted + 1, 0, time.now
            if isinstance(step, OpenQuery):
                schedule.query_opened()
                progress = SWEEPING
            else:
                schedule.page_fetched(step, progress, TAILING)
                progress = TAILING
        else:
            refused, failures = refused + 1, failures + 1
            if not isinstance(step, OpenQuery):
                schedule.throttled()
                schedule.hold(remaining if tells else 2.0**failures)
    assert accepted >= 0.9 * 3600 / 61
    assert refused <= accepted / 4


def read_page(schedule: Schedule, time: Time, seconds: float) -> None:
    """A page that is accepted `seconds` after it was asked for."""
    schedule.page_asked()
    time.now += seconds
    schedule.page_fetched(ReadPage("s", False), SWEEPING, SWEEPING)


@pytest.mark.parametrize("seconds", [0.3, 4.0])
def test_a_refusal_now_and_then_does_not_set_a_pace(schedule: Schedule, time: Time, seconds: float) -> None:
    for _ in range(3):
        read_page(schedule, time, seconds)
    schedule.page_asked()
    schedule.throttled()
    assert schedule.pace == 0


def test_the_pace_is_eased_once_it_is_no_longer_needed(schedule: Schedule, time: Time) -> None:
    read_page(schedule, time, 0.1)
    for _ in range(2):
        schedule.page_asked()
        schedule.throttled()
        time.now += 9.9
        read_page(schedule, time, 0.1)
    assert schedule.pace == pytest.approx(10.5)
    accepted = 0
    while schedule.pace and accepted < 100:
        step = schedule.next_step(SWEEPING)
        if isinstance(step, Pause):
            time.now += step.seconds
        else:
            read_page(schedule, time, 0.1)
            accepted += 1
    assert accepted <= 40


def test_a_page_after_a_long_silence_tells_nothing_about_the_pace(schedule: Schedule, time: Time) -> None:
    read_page(schedule, time, 0.3)
    time.now += 200
    read_page(schedule, time, 0.3)
    schedule.page_asked()
    schedule.throttled()
    assert schedule.pace == 0


def test_a_limit_that_has_ended_is_found_out_within_the_hour(schedule: Schedule, time: Time) -> None:
    """A call a minute, for hours."""
    progress, accepted_at, end = SWEEPING, float("-inf"), time.now + 6 * 3600
    while time.now < end:
        step = schedule.next_step(progress)
        if isinstance(step, Pause):
            time.now += step.seconds
        elif time.now - accepted_at >= 60:
            read_page(schedule, time, 0.1)
            accepted_at = time.now
        else:
            schedule.page_asked()
            schedule.throttled()
            schedule.hold(8)
    assert schedule.pace > 40
    while schedule.pace and time.now < end + 7200:
        step = schedule.next_step(progress)
        if isinstance(step, Pause):
            time.now += step.seconds
        else:
            read_page(schedule, time, 0.1)
    assert time.now - end < 3600
