"""One query a minute, also across restarts and where clocks jump; and what a query asks for."""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from checkpoint.values import T0, at, checkpoint, reader, window
from collection.conftest import Engine
from cyberark_modules.checkpoint.value import DAY_MS
from cyberark_modules.collection.queries import Queries
from cyberark_modules.errors import Backoff, ClientError, Failure, FailureKind, Service, Throttled, TransientError

FAILURE = Failure(Service.AUDIT, FailureKind.STATUS, status=503)


class Opened:
    """What is asked of the API; `answer` gives the first cursor."""

    def __init__(self, engine: Engine, answer: Callable[[], str] = lambda: "c0", frequency_s: float = 60.0) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer = answer
        backoff = Backoff(first=0.0, first_slow=600.0)
        self.queries = Queries(self.open, frequency_s, "digest", engine.context, backoff)

    def open(self, *values: Any) -> str:
        self.asked.append(values)
        return self.answer()


@pytest.mark.parametrize(
    ("elapsed_s", "wall_ahead_s", "date_ahead_s", "wait_s"),
    [
        (0, 0, 0, 62), (30, 0, 0, 32), (62, 0, 0, 0),
        # It was about to be opened: until a minute later the API may have counted it.
        (-60, 0, 0, 122), (-59, 0, 0, 121),
        # The clock that is behind counts, but never further than a query can be on its way.
        (30, 3600, 0, 32), (3630, -3600, 0, 32), (30, -3600, 0, 122), (30, 0, -86_400, 122),
    ],
)  # fmt: skip
def test_a_restart_keeps_the_spacing_whatever_the_clocks_say(
    engine: Engine, elapsed_s: float, wall_ahead_s: float, date_ahead_s: float, wait_s: float
) -> None:
    engine.clock.observe(formatdate(T0 / 1000 + date_ahead_s, usegmt=True), is_audit=True)
    engine.time.wall_ahead = wall_ahead_s
    queries = Opened(engine).queries
    queries.resumed(checkpoint(queried_ms=T0 - int(elapsed_s * 1000)))
    assert queries.wait_s == wait_s
    assert queries.live_due_at == wait_s


def test_a_first_run_and_other_settings_do_not_wait(engine: Engine) -> None:
    queries = Opened(engine).queries
    readers = (reader(1, 0, query="digest"), reader(2, 100, 200, query="other", times_s=range(120, 136)))
    found = queries.resumed(checkpoint(window(100, 200), live_s=300, readers=readers))
    assert queries.wait_s == 0
    queries.nothing_to_read()
    assert queries.wait_s == 1
    assert found == checkpoint(window(120, 200), live_s=300, readers=readers[:1])


def test_a_query_becomes_a_reader_with_a_number_of_its_own(engine: Engine) -> None:
    opened = Opened(engine)
    before = checkpoint(window(-100, 0), readers=(reader(9),))
    after = opened.queries.open(before, window(-100, -50, page_size=10))
    assert opened.asked == [(at(-100), at(-50), 10)]
    assert after.windows[:-1] == (window(-100, -50, page_size=10), window(-50, 0))
    assert opened.queries.wait_s == 60
    engine.time.pass_s(8)
    first = opened.queries.answered()
    assert first == reader(10, -100, -50, size=10, cursor="c0", query="digest", opened_ms=at(0))
    assert (opened.queries.opening, opened.queries.wait_s) == (None, 60)
    assert (first.events, first.new, first.idle_pages, first.short_pages, first.newest_ms) == (0, 0, 0, 0, 0)
    opened.queries.open(before, window(0))
    second = opened.queries.answered()
    assert (second.number, second.marks, second.opened_ms) == (11, (("c0", ()),), at(8))
    confirm = [second.window.to_confirm]  # one live query in ten follows empty pages further
    for _ in range(11):
        opened.queries.open(before, window(0))
        confirm.append(opened.queries.answered().window.to_confirm)
    assert confirm == [True, *[False] * 9, True, False]


@pytest.mark.parametrize(("frequency_s", "due_after_s"), [(60, 60), (300, 300)])
def test_the_live_edge_is_due_once_in_each_polling_interval(
    engine: Engine, frequency_s: float, due_after_s: float
) -> None:
    queries = Opened(engine, frequency_s=frequency_s).queries
    in_row = []
    for end_s in (10, None, 10, 20):
        queries.open(checkpoint(window(0, 20), live_s=20), window(0 if end_s else 20, end_s))
        queries.answered()
        in_row.append(queries.windows_in_row)
    assert in_row == [1, 0, 1, 2]
    assert queries.live_due_at == due_after_s


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (Throttled(FAILURE), 5),
        (Throttled(FAILURE, 40.0), 40),
        (TransientError(FAILURE), 60),
        (TransientError(FAILURE, 90.0), 90),
        (ClientError(FAILURE), 600),  # as long as a person may need
    ],
)
def test_a_query_that_failed_is_tried_again_after_a_pause(engine: Engine, error: Exception, wait_s: float) -> None:
    def fail() -> str:
        raise error

    opened = Opened(engine, fail)
    opened.queries.open(checkpoint(), window(0))
    with pytest.raises(type(error)):
        opened.queries.answered()
    opened.queries.failed(error)
    assert opened.queries.failures == 1
    assert 0.75 * wait_s <= opened.queries.wait_s <= wait_s
    opened.answer = lambda: "c1"
    opened.queries.open(checkpoint(), window(0))
    opened.queries.answered()
    assert opened.queries.failures == 0


def test_a_query_goes_back_no_further_than_the_api_accepts(engine: Engine) -> None:
    opened, oldest_s = Opened(engine), -7 * DAY_MS // 1000 + 120
    opened.queries.open(checkpoint(live_s=-9 * DAY_MS // 1000), window(-9 * DAY_MS // 1000))
    assert opened.asked[0][0] == at(oldest_s)
    assert opened.queries.answered().window.start_ms == at(oldest_s)
    opened.queries.nothing_to_read()
    assert opened.queries.wait_s == 60
