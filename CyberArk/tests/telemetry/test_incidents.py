"""Each problem is logged once when it starts and once when it ends."""

import pytest

from cyberark_modules.telemetry.incidents import ESCALATED_AFTER_S, Incidents, duration
from fakes.connector import Time

Lines = list[tuple[str, str]]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lines() -> Lines:
    return []


@pytest.fixture
def incidents(lines: Lines, time: Time) -> Incidents:
    return Incidents(lambda text, level: lines.append((level, text)), time)


def test_a_problem_is_logged_once_and_its_end_once(incidents: Incidents, lines: Lines, time: Time) -> None:
    for _ in range(100):
        incidents.failed("delivery", "no", "warning", "outage")
        time.now += 1
    assert incidents.recovered("delivery")
    assert not incidents.recovered("delivery")
    assert lines == [("warning", "no"), ("info", "Delivery recovered after 100 s")]


def test_another_kind_of_problem_is_logged_beside_the_first(incidents: Incidents, lines: Lines) -> None:
    for _ in range(3):
        incidents.failed("collection", "slow", "warning", "slow")
        incidents.failed("collection", "refused", "critical", "refused")
    assert lines == [("warning", "slow"), ("critical", "refused")]


def test_a_problem_that_lasts_is_logged_once_more_if_a_person_is_likely_to_be_needed(
    incidents: Incidents, lines: Lines, time: Time
) -> None:
    for _ in range(30):
        incidents.failed("collection", "address", "warning", "name", escalates=True)
        incidents.failed("delivery", "busy", "warning", "busy")
        time.now += ESCALATED_AFTER_S / 15
    assert lines == [("warning", "address"), ("warning", "busy"), ("critical", "address")]


def test_what_starts_again_is_logged_again(incidents: Incidents, lines: Lines) -> None:
    for _ in range(2):
        incidents.failed("state", "no", "error")
        incidents.recovered("state", "Written again")
    assert [text for _, text in lines] == ["no", "Written again after 0 s"] * 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h")]
)
def test_durations_are_as_people_read_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
