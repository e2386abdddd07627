"""Pages that fail, are too large or come empty, over virtual time: nothing is lost, and nothing else waits."""

from collections.abc import Callable

import pytest

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response
from sandbox.tenant.query import decode_cursor
from simulation.watched import EmptyPages, Poisonous, Watch, Watched

HOUR, DAY = 3600.0, 86_400.0


class Refused(Fault):
    """Pages that are asked for so are answered with an error."""

    def __init__(self, refuses: Callable[[Request], bool], status: int = 503) -> None:
        self._refuses, self._status = refuses, status

    def before(self, endpoint: str, request: Request) -> Response | None:
        refused = endpoint == "results" and self._refuses(request)
        return json_response({"message": "no"}, self._status) if refused else None


class TooLarge(Fault):
    """Something on the way refuses pages of more than so many bytes."""

    def __init__(self, most: int, status: int = 502) -> None:
        self._most, self._status = most, status

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        is_hit = endpoint == "results" and len(response.body) > self._most
        return json_response({"message": "too large"}, self._status) if is_hit else response


def _add_large_events(watched: Watched, count: int) -> None:
    simulation = watched.simulation
    for number in range(count):
        text = f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":%d,"more":"{"x" * 4000}"}}'
        watched.tenant.add(text % (1000 * simulation.now - 1000), time=simulation.now - 1, arrival=simulation.now)


def test_pages_that_come_empty_now_and_then_hide_nothing(watch: Watch) -> None:
    """Nobody says that the API never answers so; an empty page settles nothing."""
    watched = watch(chunk_size=20)
    simulation = watched.simulation
    watched.tenant.add_backlog(700, 3000)
    watched.tenant.produce(1)
    watched.faults.hold(EmptyPages(0.2), duration=900)
    simulation.start()
    simulation.run_for(1000)
    watched.settle()
    assert watched.ledger.snapshot().duplicates == 0


@pytest.mark.parametrize("status", [502, pytest.param(413, marks=pytest.mark.long)])
def test_a_page_that_is_too_large_for_a_gateway_is_read_in_smaller_ones(watch: Watch, status: int) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.faults.hold(TooLarge(200_000, status), duration=DAY)
    _add_large_events(watched, 400)
    simulation.start()
    assert simulation.run_until(lambda: watched.ledger.snapshot().accepted == 400, within=2 * HOUR)


@pytest.mark.parametrize("restarts", [False, pytest.param(True, marks=pytest.mark.long)])
def test_after_an_outage_of_pages_they_are_read_at_full_size_again(watch: Watch, restarts: bool) -> None:
    """Nobody can tell that the pages were not too large, so they are small when they are read again."""
    watched = watch()
    simulation, tenant = watched.simulation, watched.tenant
    tenant.settings.page_latency = 0.2
    watched.follow(5, seconds=300)
    watched.faults.hold(Refused(lambda _: True), duration=HOUR / 2)
    simulation.run_for(HOUR / 2)
    if restarts:
        simulation.kill()
        simulation.start()
    simulation.run_for(360)
    assert watched.ledger.snapshot().waiting < 200
    watched.settle()


def test_while_a_query_cannot_be_read_the_tail_is(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=600)
    opened = ledger.requests["query", "200"]

    def is_of_a_later_query(request: Request) -> bool:
        return decode_cursor(request.body).number > opened

    watched.faults.hold(Refused(is_of_a_later_query), duration=1200)
    ledger.forget_delays()
    simulation.run_for(1200)
    assert ledger.snapshot().lag["p100"] < 20
    watched.settle()
    assert ledger.snapshot().duplicates == 0


def test_while_the_tail_cannot_be_read_queries_are(watch: Watch) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(1, seconds=635)
    opened = ledger.requests["query", "200"]
    watched.faults.hold(Refused(lambda request: decode_cursor(request.body).number <= opened), duration=HOUR)
    ledger.forget_delays()
    simulation.run_for(600)
    assert ledger.snapshot().lag["p100"] < 70


@pytest.mark.parametrize("status", [403, pytest.param(429, marks=pytest.mark.long)])
def test_a_cursor_that_is_refused_for_any_reason_is_given_up_at_last(watch: Watch, status: int) -> None:
    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(0.2, seconds=600)
    bad = ledger.requests["query", "200"] + 1
    watched.faults.hold(Refused(lambda request: decode_cursor(request.body).number == bad, status))
    simulation.run_for(HOUR / 2)
    assert ledger.snapshot().waiting < 10
    assert ledger.requests["results", str(status)] < 30


@pytest.mark.parametrize("status", [503, pytest.param(400, marks=pytest.mark.long)])
def test_a_rare_query_that_is_lost_is_opened_again_after_a_minute(watch: Watch, status: int) -> None:
    """Although the tail is read, for what came late is shown by a query only."""
    watched = watch(frequency=1200, overlap=30)
    simulation, ledger = watched.simulation, watched.ledger
    watched.follow(0.2, seconds=1100)  # the next query is a lookback
    watched.tenant.add(time=simulation.now - 1000, arrival=simulation.now)
    opened = ledger.requests["query", "200"]
    bad = Refused(lambda request: decode_cursor(request.body).number == opened + 1, status)
    watched.faults.hold(bad)
    simulation.run_until(lambda: ledger.requests["query", "200"] == opened + 1, within=2 * HOUR)
    simulation.run_for(600)
    watched.tenant.stop_production()
    simulation.run_for(30)
    assert ledger.snapshot().waiting == 0


def test_an_api_that_wants_no_small_pages_is_asked_for_larger_ones(watch: Watch) -> None:
    class Least(Fault):
        def before(self, endpoint: str, request: Request) -> Response | None:
            is_small = endpoint == "query" and request.json()["query"]["pageSize"] < 10
            return json_response({"message": "pageSize"}, 400) if is_small else None

    watched = watch()
    simulation, ledger = watched.simulation, watched.ledger
    watched.tenant.produce(1)
    watched.faults.hold(Least())
    simulation.start()
    simulation.run_for(300)
    watched.faults.hold(Refused(lambda _: True), duration=HOUR / 4)
    simulation.run_for(HOUR / 2)
    assert ledger.snapshot().waiting < 20


@pytest.mark.long
def test_restarts_do_not_forget_that_pages_have_to_be_small(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.faults.hold(TooLarge(30_000))
    _add_large_events(watched, 400)
    simulation.start()
    for _ in range(18):
        simulation.run_for(600)
        simulation.kill()
        simulation.start()
    assert watched.ledger.snapshot().accepted == 400


def test_a_page_that_the_api_cannot_serve_holds_nothing_else_until_it_can(watch: Watch) -> None:
    watched = watch()
    simulation, tenant, ledger = watched.simulation, watched.tenant, watched.ledger
    watched.follow(1, seconds=300)
    watched.faults.hold(Poisonous(), duration=HOUR)
    tenant.add(f'{{"uuid":"poison","timestamp":{int(simulation.now * 1000)}}}')
    simulation.run_for(HOUR)
    assert ledger.snapshot().waiting < 50
    assert ledger.requests["results", "500"] < 180
    watched.settle()
    assert ledger.snapshot().duplicates == 0
