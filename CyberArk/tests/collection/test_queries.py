"""The query slot: one query a minute, restarts included."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait

import pytest

from collection.values import HOUR_MS, NOW, OVERLAP_MS, checkpoint
from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.checkpoint.stream import Stream, Use
from cyberark_modules.checkpoint.value import QUERY_MAY_TAKE_MS
from cyberark_modules.collection.queries import (
    SAFE_PAGE_SIZE,
    THROTTLED_S,
    Queries,
    about_to_open,
)
from cyberark_modules.collection.scheduler import QUERY_SPACING_S, Query, Turn
from cyberark_modules.errors import (
    ClientError,
    CyberArkError,
    Failure,
    FailureKind,
    Service,
    Throttled,
    TransientError,
)
from cyberark_modules.platform.background import Background
from fakes.scene import FakeClock

Asked = tuple[int, int | None, int]
QUERY = Query(Use.LOOKBACK, NOW - HOUR_MS, None, 1000)


class Api:
    """What opens queries: answers with a cursor, or raises."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.error: CyberArkError | None = None

    def open_query(
        self, since_ms: int, until_ms: int | None, page_size: int, filters: Mapping[str, Sequence[str]]
    ) -> str:
        self.asked.append((since_ms, until_ms, page_size))
        if self.error:
            raise self.error
        return f"cursor {len(self.asked)}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def make(clock: FakeClock, api: Api) -> Callable[..., Queries]:
    def made(frequency_s: float = 60, page_size: int = 1000) -> Queries:
        background = Background(threading.Event(), clock)
        return Queries(api.open_query, {}, page_size, frequency_s, background, Backoff(), clock.monotonic)

    return made


def opened(queries: Queries, query: Query = QUERY) -> Stream:
    queries.open(query, NOW)
    assert queries.opening
    wait([queries.opening.cursor], 10)
    return queries.opened()


def turn(queries: Queries) -> Turn:
    return queries.turn(NOW, OVERLAP_MS, is_slow=False)


def refusal(status: int) -> Failure:
    return Failure(Service.AUDIT, FailureKind.STATUS, status=status)


def test_a_query_may_be_opened_at_once_at_the_first_run(make: Callable[..., Queries]) -> None:
    queries = make()
    assert (queries.wait_s, turn(queries).lookback_is_due) == (0, True)
    queries.started(None, NOW, NOW)
    assert queries.wait_s == 0


def test_the_next_one_waits_for_the_minute_after_the_answer(make: Callable[..., Queries], clock: FakeClock) -> None:
    queries = make()
    queries.open(QUERY, NOW)
    assert queries.wait_s == QUERY_SPACING_S
    assert queries.opening
    wait([queries.opening.cursor], 10)
    clock.passed += 30
    queries.opened()
    assert queries.wait_s == QUERY_SPACING_S


@pytest.mark.parametrize(("frequency_s", "due_after_s"), [(60, 60), (10, 60), (300, 300)])
def test_lookbacks_keep_the_configured_frequency(
    make: Callable[..., Queries], clock: FakeClock, frequency_s: float, due_after_s: float
) -> None:
    queries = make(frequency_s)
    opened(queries)
    due = []
    for seconds in (due_after_s - 0.5, 0.5):
        clock.passed += seconds
        due.append(turn(queries).lookback_is_due)
    assert due == [False, True]
    queries.lookback_wanted()
    assert turn(queries).lookback_is_due


@pytest.mark.parametrize(
    ("elapsed_s", "wait_s"),
    [
        (0, 62),
        (10, 52),
        (60, 2),
        (62, 0),
        (3600, 0),
        # By a clock that was wrong: the query may still have been on its way when the process ended.
        (-3600, 122),
    ],
)
def test_a_restart_keeps_the_distance_from_the_last_query(
    make: Callable[..., Queries], elapsed_s: int, wait_s: float
) -> None:
    """With a margin: the tenant's clock is known by the second."""
    queries = make()
    queries.started(NOW, NOW + elapsed_s * 1000, NOW)
    assert queries.wait_s == pytest.approx(wait_s)
    assert turn(queries).lookback_is_due is (wait_s == 0)


def test_a_query_that_is_being_opened_may_still_be_counted_after_a_kill(make: Callable[..., Queries]) -> None:
    state = about_to_open(checkpoint(), NOW)
    assert state.queried_ms == NOW + QUERY_MAY_TAKE_MS
    queries = make()
    queries.started(state.queried_ms, NOW, NOW)
    assert queries.wait_s == QUERY_MAY_TAKE_MS / 1000 + 62


def test_a_window_is_asked_for_with_its_last_second(make: Callable[..., Queries], api: Api) -> None:
    stream = opened(make(), Query(Use.BACKFILL, NOW - 2 * HOUR_MS, NOW - HOUR_MS, 62))
    assert api.asked == [(NOW - 2 * HOUR_MS, NOW - HOUR_MS + 1000, 62)]
    assert (stream.use, stream.start_ms, stream.end_ms) == (Use.BACKFILL, NOW - 2 * HOUR_MS, NOW - HOUR_MS)
    assert (stream.cursor, stream.frontier, stream.page_size) == ("cursor 1", "cursor 1", 62)


def test_a_lookback_ends_at_its_opening(make: Callable[..., Queries], api: Api) -> None:
    queries = make()
    assert opened(queries).end_ms == NOW
    assert api.asked == [(NOW - HOUR_MS, None, 1000)]
    assert opened(queries, Query(Use.TAIL, NOW, None, 500)).end_ms is None
    assert not turn(queries).filled_last


def failed(queries: Queries, error: CyberArkError) -> float:
    queries.open(QUERY, NOW)
    assert queries.opening
    wait([queries.opening.cursor], 10)
    with pytest.raises(type(error)):
        queries.opened()
    queries.failed(error, QUERY.page_size)
    return queries.wait_s


def test_a_query_that_failed_may_have_been_counted(make: Callable[..., Queries], api: Api) -> None:
    api.error = TransientError(refusal(500))
    assert failed(make(), api.error) >= QUERY_SPACING_S


def test_a_refused_query_is_tried_again_soon_and_then_less_often(make: Callable[..., Queries], api: Api) -> None:
    """Another integration may have taken the minute: when the next one is free is not known."""
    api.error = Throttled(refusal(429))
    queries = make()
    waits = [failed(queries, api.error) for _ in range(20)]
    assert waits[0] == THROTTLED_S
    assert max(waits) <= 60
    api.error = Throttled(refusal(429), 30.0)
    assert failed(make(), api.error) == 30


def test_a_tenant_that_refuses_large_pages_is_asked_for_smaller_ones(make: Callable[..., Queries], api: Api) -> None:
    api.error = ClientError(refusal(400))
    queries = make()
    failed(queries, api.error)
    assert queries.page_size == SAFE_PAGE_SIZE
    other = make(page_size=1000)
    api.error = ClientError(refusal(403))
    failed(other, api.error)
    assert other.page_size == 1000


def test_where_nothing_is_wanted_it_is_asked_again_in_a_moment(make: Callable[..., Queries]) -> None:
    queries = make()
    queries.nothing_wanted()
    assert 0 < queries.wait_s <= 1


def test_a_reconciliation_that_is_refused_waits_for_ten_minutes(
    make: Callable[..., Queries], clock: FakeClock
) -> None:
    queries = make()
    assert turn(queries).may_reconcile
    queries.reconciliation_refused()
    clock.passed += 599
    assert not turn(queries).may_reconcile
    clock.passed += 1
    assert turn(queries).may_reconcile
