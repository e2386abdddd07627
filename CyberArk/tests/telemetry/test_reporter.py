"""Each line is said once, nothing is said before it is certain, and the gauges show what the checkpoint holds."""

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from checkpoint.values import at, checkpoint, event, reader, window
from cyberark_modules.checkpoint.keys import Keys
from cyberark_modules.checkpoint.value import Checkpoint, Window
from cyberark_modules.errors import ConfigurationError, Failure, FailureKind, Service, TransientError
from cyberark_modules.telemetry import metrics
from cyberark_modules.telemetry.reporter import Reporter
from fakes.virtual_time import VirtualTime

CAUGHT_UP = checkpoint(live_s=-300, readers=(reader(1, -300, caught_up=True),))
BACKLOG = checkpoint(window(-3600, -1800), live_s=-300, readers=(reader(1, -300, caught_up=True),))
AGAIN = replace(CAUGHT_UP, windows=(window(-900, -600, again=True), window(-300)))


class Reported(Reporter):
    """A reporter in virtual time, and its lines."""

    def __init__(self) -> None:
        self.time, self.lines = VirtualTime(), list[tuple[str, str]]()
        self.clock = self.time
        super().__init__(self.note, self.clock, "k")

    def note(self, text: str, level: str) -> None:
        self.lines.append((level, text))

    def said(self, *windows: Window) -> list[str]:
        """Return the lines since the last call, of a checkpoint with those windows if there are any."""
        if windows:
            self.update(checkpoint(*windows, live_s=900), 0.0)
        found = [text for _, text in self.lines]
        self.lines.clear()
        return found


@pytest.fixture
def reported() -> Reported:
    return Reported()


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"{metrics.NAMESPACE}_{name}", labels)
    assert found is not None, name
    return found


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([True, CAUGHT_UP, False, replace(CAUGHT_UP)], False),
        ([True, True, CAUGHT_UP, True, True, replace(CAUGHT_UP)], True),
        ([True, True, BACKLOG, replace(CAUGHT_UP)], False),
        ([True, True, replace(CAUGHT_UP, readers=())], False),
        ([True, True, AGAIN], True),
    ],
)
def test_caught_up_is_said_once_when_a_second_query_has_confirmed_it(
    reported: Reported, steps: list[bool | Checkpoint], said: bool
) -> None:
    for step in steps:
        reported.live_read_to(at(-1), step) if isinstance(step, bool) else reported.update(step, 0.0)
    line = "Caught up: every event up to 2027-01-15 07:55:00 UTC is delivered; nothing was lost"
    assert reported.said() == [line] * said


def test_what_was_lost_is_said_and_then_not_that_nothing_was(reported: Reported) -> None:
    def caught_up() -> str:
        reported.update(BACKLOG, 0.0)
        for _ in range(2):
            reported.live_read_to(at(-1), True)
        reported.update(replace(CAUGHT_UP), 0.0)
        return " ".join(reported.said())

    before = value("lost_seconds_total")
    reported.lost(at(0), at(30))
    reported.lost(at(30), at(90))
    beginning = "Data loss: events from 2027-01-15 08:00:00 UTC to 2027-01-15 08:01:30 UTC were not delivered"
    assert [line[: len(beginning)] for line in reported.said(window(200, 201))] == [beginning]
    reported.lost(at(90), at(91))
    assert reported.said(window(300, 301)) == []  # within the hour
    assert value("lost_seconds_total") == before + 91
    assert caught_up().endswith("is delivered")
    assert caught_up().endswith("is delivered; nothing was lost")
    reported.dead_letters(2, 0)
    assert caught_up().endswith("is delivered or in the dead-letter file; nothing was lost")


def test_an_unreadable_range_is_said_once_with_its_bounds_and_its_end(reported: Reported) -> None:
    def failing(start_s: float, end_s: float, **fields: Any) -> Window:
        return window(start_s, end_s, **{"failures": 1, "page_size": 1, **fields})

    fails = "Unreadable range: the Audit API fails for events from 2027-01-15 08:0"
    assert reported.said(failing(0, 60, page_size=10), failing(100, 160, failures=0)) == []
    assert reported.said(failing(0, 60))[0].startswith(f"{fails}0:00 UTC to 2027-01-15 08:01:00 UTC. They are fetched")
    assert value("unreadable_ranges") == 1
    assert [line[:70] for line in reported.said(failing(0, 60, failures=2), failing(100, 160))] == [f"{fails}1"]
    assert reported.said(window(0, 600), failing(100, 160)) == []  # it is read at the moment
    delivered = "Unreadable range: the events from 2027-01-15 08:00:00 UTC to 2027-01-15 08:01:00 UTC were delivered"
    assert reported.said(window(1, 600), failing(100, 160)) == [delivered]
    reported.lost(at(100), at(160))
    assert [line[:9] for line in reported.said(window(200, 201))] == ["Data loss"]


def test_lag_and_age_grow_while_the_loop_waits(reported: Reported) -> None:
    reported.update(BACKLOG, 0.0)
    reported.time.pass_s(10)
    assert (value("lag_seconds"), value("oldest_window_age_seconds")) == (310, 3610)
    reported.live_read_to(at(5), False)
    reported.update(CAUGHT_UP, 0.0)
    assert (value("lag_seconds"), value("oldest_window_age_seconds")) == (5, 0)


def test_the_gauges_show_what_the_checkpoint_holds(reported: Reported) -> None:
    readers = (reader(1, -300), reader(2, -3600, -1800, times_s=range(-3000, -2984)))
    reported.update(replace(BACKLOG, keys=Keys(complete_from_ms=at(-7200)), readers=readers), 1.5)
    assert value("unread_seconds") == 1200
    assert (value("reread_reach_seconds"), value("throttled_interval_seconds")) == (7200, 1.5)


def test_events_are_counted_by_what_became_of_them(reported: Reported) -> None:
    def counted() -> list[float]:
        outcomes = [value("events_total", outcome=name) for name in ("forwarded", "already_delivered", "dead_letter")]
        collected = value("collected_messages_total", intake_key="k")
        return [*outcomes, value("dead_letters_delivered_total"), collected]

    before = counted()
    reported.page(5, 3)
    reported.page(2, 2)
    reported.pushed(4, 3, [])
    reported.pushed(1, 0, [event(0, uuid="u-1")])
    assert reported.said()[0].startswith("Event u-1 (7 characters) is larger than the intake ")
    for held, delivered in ((3, 0), (1, 2), (0, 3)):
        reported.dead_letters(held, delivered)
    assert [after - each for after, each in zip(counted(), before, strict=True)] == [3, 2, 1, 3, 5]
    assert value("dead_letters") == 0


def test_once_an_hour_a_line_says_what_was_collected(reported: Reported) -> None:
    reported.page(5, 2)
    reported.time.pass_s(3599)
    reported.live_read_to(at(3598), False)
    reported.update(BACKLOG, 0.0)
    assert reported.said() == []
    reported.time.pass_s(1)
    reported.update(BACKLOG, 0.0)
    reported.update(BACKLOG, 0.0)
    collected = "events in the last hour ({} duplicates dropped); live edge read to 2027-01-15 08:59:58 UTC, lag"
    assert reported.said() == [f"Collected 2 {collected.format(3)} 2 s; backlog 30 min of events in 1 windows"]
    reported.time.pass_s(3600)
    reported.update(CAUGHT_UP, 0.0)
    assert reported.said() == [f"Collected 0 {collected.format(0)} 60 min"]


def failure(status: int, kind: FailureKind = FailureKind.STATUS) -> Failure:
    return Failure(Service.AUDIT, kind, "a.example", "/x", status)


def test_a_failure_is_said_once_for_each_kind_and_when_it_ends(reported: Reported) -> None:
    before = value("retries_total", operation="collection")
    for error in (TransientError(failure(503)), ConfigurationError(failure(403)), ValueError()):
        reported.failed("collection", error)
        reported.failed("collection", error)
    assert [level for level, _ in reported.lines] == ["warning", "critical", "error"]
    assert all(line.startswith("Collection failed") for line in reported.said())
    reported.time.pass_s(7200)
    for _ in range(2):
        reported.recovered("collection")
    assert reported.said() == ["Collection recovered after 2.0 h"]
    assert value("retries_total", operation="collection") == before + 6
    reported.checkpoint_failed(OSError("full"), "It cannot be saved")
    assert reported.lines == [("error", "It cannot be saved (full)")]


def test_an_address_that_does_not_answer_for_a_quarter_of_an_hour_is_critical(reported: Reported) -> None:
    for _ in range(3):
        reported.failed("collection", TransientError(failure(0, FailureKind.NAME)))
        reported.time.pass_s(450)
    assert [level for level, _ in reported.lines] == ["warning", "critical"]


@pytest.mark.parametrize(
    ("endpoint", "call"),
    [("/oauth2/token", "token"), ("/api/x/createQuery", "query"), ("/api/x/results", "results"), ("/batch", None)],
)
def test_requests_to_cyberark_are_measured_by_call(endpoint: str, call: str | None) -> None:
    metrics.observe_request(endpoint, "418", 0.2)
    name = f"{metrics.NAMESPACE}_api_request_duration_seconds_count"
    assert REGISTRY.get_sample_value(name, {"call": call or "other", "status": "418"}) == (1 if call else None)
