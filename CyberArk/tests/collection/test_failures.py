"""Pages in turns and in flight, when one is given up, and what the scheduler is told of it."""

from dataclasses import replace
from math import inf

import pytest

from checkpoint.values import at, checkpoint, event, reader, window
from collection.conftest import Engine
from cyberark_modules.checkpoint.value import Checkpoint, Reader
from cyberark_modules.collection.failures import Failures
from cyberark_modules.collection.pages import Pages
from cyberark_modules.collection.queries import Queries
from cyberark_modules.collection.rate import RateLimiter
from cyberark_modules.errors import Backoff, ClientError, Failure, FailureKind, Service, Throttled, TransientError
from cyberark_modules.events import Page

FAILURE = Failure(Service.AUDIT, FailureKind.STATUS, status=500)
BROKEN = TransientError(FAILURE)
LIVE, SECOND = reader(1, 0, cursor="live", times_s=range(100, 116)), reader(2, 0, cursor="second")
OF_WINDOW = reader(3, -600, -300, cursor="window")


class Read:
    """Readers of pages, each of which takes `seconds[cursor]`, and raises `errors[cursor]` if there is one."""

    def __init__(self, engine: Engine, *readers: Reader) -> None:
        self.engine = engine
        self.seconds: dict[str, float] = {}
        self.errors: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.limiter = RateLimiter(engine.time.monotonic)
        self.pages = Pages(self.fetch, engine.context, self.limiter, Backoff())
        queries = Queries(lambda *_: "c", 60, "", engine.context, Backoff())
        self.failures = Failures(engine.context, queries, self.pages, self.limiter, engine.reporter, 600.0)
        windows = [one.window for one in readers if not one.is_live]
        self.value: Checkpoint = checkpoint(*windows, live_s=0, readers=readers)
        self.page = Page((event(0),), "next")

    def fetch(self, cursor: str) -> Page:
        self.asked.append(cursor)
        self.engine.time.pass_s(self.seconds.get(cursor, 0.2))
        if cursor in self.errors:
            raise self.errors[cursor]
        return self.page

    def run(self, seconds: float) -> None:
        """Ask for pages as the loop does, each reader's first one again and again."""
        end = self.engine.time.monotonic() + seconds
        while self.engine.time.monotonic() < end:
            self.pages.ask(self.value)
            futures = [each.page for each in self.pages.in_flight.values()]
            self.engine.context.wait_for(futures, min(1.0, max(0.01, self.pages.wait_s(self.value))))
            for asked, one in self.pages.arrived(self.value):
                try:
                    self.pages.served(asked, asked.page.result(0))
                    self.failures.page_served()
                except Exception as error:
                    self.value = self.failures.page_failed(self.value, asked, one, error)


def test_readers_take_turns_with_as_many_pages_in_flight_as_are_accepted(engine: Engine) -> None:
    read = Read(engine, LIVE, SECOND, OF_WINDOW)
    read.run(1.1)
    assert read.asked == ["live", "second", "window"] * 2
    read.run(20)
    read.pages.ask(read.value)
    assert len(read.pages.in_flight) == 3
    read.value = replace(read.value, readers=(LIVE,))
    read.pages.ask(read.value)
    assert read.pages.in_flight.keys() == {1}


def test_large_pages_are_fetched_one_at_a_time(engine: Engine) -> None:
    read = Read(engine, LIVE, SECOND, OF_WINDOW)
    read.page = Page((event(0)._replace(text="x" * 4_000_001),), "next")
    read.run(20)
    read.pages.ask(read.value)
    assert len(read.pages.in_flight) == 1
    assert read.pages.wait_s(read.value) == inf


def test_a_live_reader_that_has_read_everything_looks_again_five_seconds_later(engine: Engine) -> None:
    read = Read(engine, LIVE)
    engine.time.pass_s(1)
    for took_s, waits_s in ((0.2, 4.8), (7.0, 1.0)):
        read.seconds["live"] = took_s
        read.pages.ask(read.value)
        engine.time.pass_s(took_s)
        assert [asked.number for asked, _ in read.pages.arrived(read.value)] == [1]
        read.pages.paused(LIVE)
        assert read.pages.wait_s(read.value) == pytest.approx(waits_s)
        engine.time.pass_s(waits_s)


def test_a_page_that_fails_alone_is_cut_out_after_twenty_seconds_and_one_more_try(engine: Engine) -> None:
    read = Read(engine, LIVE, OF_WINDOW)
    read.errors["window"] = BROKEN
    read.run(19)
    assert len(read.value.readers) == 2
    read.run(4)
    assert list(read.value.readers) == [LIVE]
    assert read.asked.count("window") == 4
    assert [one.page_size for one in read.value.windows] == [10, 500]
    assert engine.lines == []


def test_where_all_pages_fail_nothing_is_cut_and_that_is_said(engine: Engine) -> None:
    read = Read(engine, LIVE, OF_WINDOW)
    read.errors = {"live": BROKEN, "window": BROKEN}
    read.run(120)
    assert list(read.value.readers) == [LIVE, OF_WINDOW]
    assert len(read.asked) <= 14
    read.errors = {}
    read.run(31)
    assert [text[:20] for _, text in engine.lines] == ["Collection failed. C", "Collection recovered"]


def test_where_the_live_page_fails_the_next_query_is_a_probe_and_what_is_served_cuts(engine: Engine) -> None:
    read = Read(engine, LIVE)
    read.errors["live"] = BROKEN
    read.run(5)
    doubtful = read.failures.moment(read.value)
    assert (doubtful.failing, doubtful.in_doubt) == (frozenset(), True)
    read.run(18)
    given_up = read.failures.moment(read.value)
    assert (given_up.failing, given_up.in_doubt, given_up.probe_ms) == (frozenset({1}), False, at(101))
    read.value = read.value.with_reader(reader(4, 101, cursor="probe"))
    read.run(20)
    assert [one.number for one in read.value.live] == [4]


def test_behind_a_probe_that_fails_too_the_next_one_starts_now(engine: Engine) -> None:
    read = Read(engine, SECOND, reader(4, 5, cursor="probe"))
    read.errors = {"second": BROKEN, "probe": BROKEN}
    read.run(40)
    assert read.failures.moment(read.value).probe_ms == at(41)


@pytest.mark.parametrize(("seconds", "held_up", "probe_s"), [(299, [], 101), (306, [1], 308)])
def test_after_five_minutes_of_an_outage_too(engine: Engine, seconds: int, held_up: list[int], probe_s: int) -> None:
    read = Read(engine, LIVE)
    assert read.failures.moment(read.value).held_up == {1}  # as after a start
    read.pages.paused(LIVE)
    read.errors["live"] = BROKEN
    read.run(seconds)
    moment = read.failures.moment(read.value)
    assert (list(moment.held_up), moment.probe_ms) == (held_up, at(probe_s))


def test_it_is_slow_where_one_page_at_a_time_is_refused(engine: Engine) -> None:
    read = Read(engine, LIVE, SECOND)
    assert not read.failures.moment(read.value).is_slow
    read.errors["live"] = Throttled(FAILURE)
    read.run(1)
    assert read.failures.moment(read.value).is_slow
    assert engine.lines[0][0] == "warning"
    read.errors = {}
    read.run(900)
    assert not read.failures.moment(read.value).is_slow
    assert engine.lines[-1][1].startswith("Throttling recovered after")


@pytest.mark.parametrize(
    ("error", "times", "waits", "said"),
    [
        (ClientError(replace(FAILURE, status=400)), 1, True, 1),
        (ClientError(replace(FAILURE, status=401)), 1, False, 1),
        (ClientError(replace(FAILURE, status=403)), 1, False, 1),
        (Throttled(FAILURE), 2, False, 0),
        (Throttled(FAILURE), 3, False, 1),
    ],
)
def test_a_query_that_is_not_opened(engine: Engine, error: Exception, times: int, waits: bool, said: int) -> None:
    read, one = Read(engine), window(-600, -300)
    found = checkpoint(one, live_s=0)
    for _ in range(times):
        found = read.failures.query_failed(found, one, error)
    assert [each.retry_at_ms > 0 for each in found.windows] == [waits, False]
    assert len(engine.lines) == said
    assert read.failures.query_failed(found, window(0), error) == found
    read.failures.query_opened()
    assert len(engine.lines) == 2 * bool(engine.lines)
    assert read.limiter.interval_s == 0


def test_where_every_call_is_limited_no_query_is_said_to_fail(engine: Engine) -> None:
    read = Read(engine)
    read.limiter.interval_s = 61.0
    for _ in range(5):
        read.failures.query_failed(checkpoint(live_s=0), window(0), Throttled(FAILURE))
    assert engine.lines == []


def test_what_is_lost_is_said_and_every_hour_the_last_day_is_read_again(engine: Engine) -> None:
    read = Read(engine)
    old, unread = window(-8 * 86_400, -650_000), window(-600, -300)
    assert read.failures.maintained(checkpoint(old, unread, live_s=0)) == checkpoint(unread, live_s=0)
    engine.reporter.update(checkpoint(), 0.0)
    assert [text[:9] for _, text in engine.lines] == ["Data loss"]
    engine.time.pass_s(599)
    assert read.failures.maintained(checkpoint(live_s=0)) == checkpoint(live_s=0)
    engine.time.pass_s(1)
    assert read.failures.maintained(checkpoint(unread, live_s=0)) == checkpoint(unread, live_s=0)
    failing = replace(unread, failures=1)
    again = checkpoint(window(-85_800, -600, again=True), failing, window(-300, 0, again=True), live_s=0)
    assert read.failures.maintained(checkpoint(failing, live_s=0)) == again
    engine.time.pass_s(3299)
    assert read.failures.maintained(checkpoint(live_s=0)) == checkpoint(live_s=0)


def test_a_query_is_a_call_too(engine: Engine) -> None:
    read = Read(engine, LIVE)
    for _ in range(10):
        read.failures.query_opened()
    assert read.limiter.at_once == 2
    read.limiter.refused(Throttled(FAILURE), 0, 0.0)
    engine.time.pass_s(5)
    assert read.pages.may_open_query(checkpoint()) is True
    read.pages.query_called()
    assert read.limiter.wait_s() > 0
    assert read.pages.may_open_query(read.value) is False
    read.pages._asked_since_query = 4
    assert read.pages.may_open_query(read.value) is True


def test_what_the_api_asks_to_wait_counts_before_its_answer_is_read(engine: Engine) -> None:
    read = Read(engine, LIVE)
    read.errors["live"] = Throttled(replace(FAILURE, status=429), retry_after=20.0)
    read.pages.ask(read.value)
    assert read.limiter.wait_s() == pytest.approx(20.2)


@pytest.mark.parametrize(("characters", "is_asked"), [(1_000_000, True), (5_000_000, False)])
def test_the_next_page_is_asked_for_before_one_is_pushed_unless_they_are_large(
    engine: Engine, characters: int, is_asked: bool
) -> None:
    read = Read(engine, LIVE)
    read.page = Page((event(0)._replace(text="x" * characters),), "next")
    read.pages.ask(read.value)
    engine.time.pass_s(1.0)
    [(asked, _)] = read.pages.arrived(read.value)
    read.pages.served(asked, asked.page.result(0))
    read.pages.ask_meanwhile(LIVE)
    assert bool(read.pages.in_flight) is is_asked
    read.pages.ask(read.value)
    assert read.pages.in_flight
