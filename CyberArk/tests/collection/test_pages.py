"""The pages in flight: whose turn it is, and when."""

import threading
from concurrent.futures import wait

import pytest

from collection.values import HOUR_MS, NOW, checkpoint, page, stream
from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.audit_api.events import Page
from cyberark_modules.checkpoint.stream import Stream, Use
from cyberark_modules.collection.pages import PAGES_BETWEEN_QUERIES, TAIL_INTERVAL_S, Pages
from cyberark_modules.collection.rate_limiter import RateLimiter
from cyberark_modules.errors import Failure, FailureKind, Service, Throttled, TransientError
from cyberark_modules.platform.background import Background
from fakes.scene import FakeClock

LOOKBACK = stream(Use.LOOKBACK, NOW - HOUR_MS, NOW, opened_ms=1, cursor="lookback")
TAIL = stream(Use.TAIL, NOW - HOUR_MS, opened_ms=2, cursor="tail")
BACKFILLS = [stream(Use.BACKFILL, NOW, NOW, opened_ms=3 + n, cursor=f"backfill {n}") for n in range(4)]
ERROR = TransientError(Failure(Service.AUDIT, FailureKind.STATUS, status=500))


def slower(retry_after: float) -> Throttled:
    return Throttled(Failure(Service.AUDIT, FailureKind.STATUS, status=429), retry_after)


class Scenery:
    """Pages of a tenant that answers at once."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[str] = []
        self.limiter = RateLimiter(self.clock.monotonic)
        background = Background(threading.Event(), self.clock)
        self.pages = Pages(self.fetch, background, self.limiter, Backoff(), self.clock.monotonic, self.clock.now_ms)

    def fetch(self, cursor: str) -> Page:
        self.asked.append(cursor)
        return page()

    def ask(self, *streams: Stream) -> set[str]:
        """Ask for pages; return the cursors that are in flight, once all have arrived."""
        self.pages.ask(checkpoint(*streams))
        wait(self.pages.futures, 10)
        return {each.cursor for each in self.pages._in_flight.values()}

    def turn(self, *streams: Stream) -> list[str]:
        """Ask for pages, and take them out."""
        self.ask(*streams)
        return [each.cursor for each in self.pages.arrived()]


@pytest.fixture
def scenery() -> Scenery:
    return Scenery()


def test_every_stream_has_one_page_in_flight(scenery: Scenery) -> None:
    everything = (LOOKBACK, TAIL, *BACKFILLS)
    assert scenery.ask(*everything) == {each.cursor for each in everything}
    assert scenery.ask(*everything) == {each.cursor for each in everything}
    assert len(scenery.asked) == 6


def test_where_one_page_may_be_in_flight_streams_take_turns(scenery: Scenery) -> None:
    scenery.limiter.at_once = 1
    asked = []
    for _ in range(12):
        asked += scenery.turn(TAIL, *BACKFILLS[:2])
        scenery.clock.passed += 0.3
    assert len(asked) == 12
    assert asked.count("tail") <= 6
    assert min(asked.count("backfill 0"), asked.count("backfill 1")) >= 3


def test_a_tail_that_is_always_due_has_every_second_turn_at_most(scenery: Scenery) -> None:
    scenery.limiter.at_once = 1
    asked = []
    for _ in range(6):
        asked += scenery.turn(TAIL, LOOKBACK)
        scenery.clock.passed += 61
    assert asked.count("tail") == 3


def test_a_tail_is_looked_at_again_five_seconds_after_it_was(scenery: Scenery) -> None:
    assert scenery.turn(TAIL) == ["tail"]
    scenery.clock.passed += 0.5
    scenery.pages.tail_paused()
    assert scenery.pages.wait_s(checkpoint(TAIL)) == pytest.approx(TAIL_INTERVAL_S - 0.5)
    assert scenery.turn(TAIL) == []
    scenery.clock.passed += TAIL_INTERVAL_S - 0.5
    assert scenery.turn(TAIL) == ["tail"]


def test_a_tail_whose_reading_takes_long_does_not_spin(scenery: Scenery) -> None:
    scenery.turn(TAIL)
    scenery.clock.passed += 60
    scenery.pages.tail_paused()
    assert scenery.pages.wait_s(checkpoint(TAIL)) == pytest.approx(1)


def test_a_stream_whose_page_failed_waits_and_holds_no_other(scenery: Scenery) -> None:
    scenery.turn(LOOKBACK, BACKFILLS[0])
    failing = scenery.pages.failed(LOOKBACK, ERROR)
    assert (failing.failures, scenery.pages.is_any_failing) == (1, True)
    assert scenery.turn(LOOKBACK, BACKFILLS[0]) == ["backfill 0"]
    scenery.clock.passed += 1.0
    assert set(scenery.turn(LOOKBACK, BACKFILLS[0])) == {"lookback", "backfill 0"}
    scenery.pages.succeeded(LOOKBACK)
    assert not scenery.pages.is_any_failing


def test_failures_in_a_row_are_counted_from_the_first_and_paused_longer_up_to_a_minute(scenery: Scenery) -> None:
    since = scenery.clock.monotonic()
    pauses = []
    for _ in range(30):
        failing = scenery.pages.failed(LOOKBACK, ERROR)
        pauses.append(failing.retry_at - scenery.clock.monotonic())
        scenery.clock.passed += 100
    assert (failing.failures, failing.since) == (30, since)
    assert pauses[0] <= 1
    assert 40 <= pauses[-1] <= 60
    assert max(pauses) <= 60


def test_a_stream_that_was_closed_is_forgotten(scenery: Scenery) -> None:
    scenery.pages.failed(LOOKBACK, ERROR)
    scenery.pages.forget_closed([TAIL])
    assert not scenery.pages.is_any_failing


def test_a_page_that_is_asked_for_ahead_makes_no_failure_of_another_stream_forgotten(scenery: Scenery) -> None:
    """Else a page that fails would be asked for again and again, without a pause, while others are served."""
    for failures in (1, 2, 3):
        assert scenery.pages.failed(LOOKBACK, ERROR).failures == failures
        scenery.turn(TAIL)


def test_a_refusal_for_the_rate_waits_as_long_as_the_api_asks(scenery: Scenery) -> None:
    scenery.pages.throttled(LOOKBACK, slower(40.0))
    assert scenery.pages.all_wait_s() == 40
    assert scenery.turn(LOOKBACK, TAIL) == []
    scenery.clock.passed += 40
    assert scenery.turn(LOOKBACK, TAIL) != []
    scenery.pages.throttled(LOOKBACK, slower(10**6))
    assert scenery.pages.all_wait_s() <= 900


def test_calls_that_are_kept_apart_are_made_one_by_one(scenery: Scenery) -> None:
    scenery.limiter.refused(0)
    assert len(scenery.turn(LOOKBACK, TAIL)) == 1
    assert scenery.turn(LOOKBACK, TAIL) == []
    assert scenery.pages.wait_s(checkpoint(LOOKBACK, TAIL)) == pytest.approx(0.95)


def test_calls_that_are_a_second_apart_leave_time_to_look_for_a_hole(scenery: Scenery) -> None:
    scenery.limiter.refused(0)
    assert scenery.pages.is_slow
    assert not scenery.pages.is_far_apart
    for _ in range(3):
        scenery.limiter.refused(0)
    assert scenery.pages.is_far_apart


def test_where_calls_are_kept_apart_pages_come_between_two_queries(scenery: Scenery) -> None:
    scenery.limiter.refused(0)
    assert scenery.pages.may_open_query(checkpoint())
    read = checkpoint(LOOKBACK, TAIL)
    scenery.clock.passed += 61
    assert scenery.turn(LOOKBACK) == ["lookback"]
    scenery.pages.query_called()
    may_open = [scenery.pages.may_open_query(read)]
    for _ in range(PAGES_BETWEEN_QUERIES):
        scenery.clock.passed += 61
        assert scenery.turn(LOOKBACK) == ["lookback"]
        may_open.append(scenery.pages.may_open_query(read))
    assert may_open == [False] * PAGES_BETWEEN_QUERIES + [True]


def test_while_all_pages_are_in_flight_or_nothing_is_read_only_an_arrival_is_waited_for(scenery: Scenery) -> None:
    assert scenery.pages.wait_s(checkpoint()) > 600
    scenery.limiter.at_once = 1
    scenery.ask(LOOKBACK)
    assert scenery.pages.wait_s(checkpoint(LOOKBACK, TAIL)) > 600
    scenery.limiter.at_once = 2
    assert scenery.pages.wait_s(checkpoint(LOOKBACK)) > 600
    assert scenery.pages.wait_s(checkpoint(LOOKBACK, TAIL)) <= 0
