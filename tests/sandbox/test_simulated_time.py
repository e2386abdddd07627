"""Virtual time: calls beside one another reach the services in the order of their moments, and kills end them all."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
import requests
from sandbox_client import START, Client, iso

from sandbox.environment import Environment
from sandbox.simulation.judge import Judge
from sandbox.simulation.network import Latency, Network
from sandbox.simulation.tasks import SimulatedLock, Tasks
from sandbox.simulation.timeline import Group, Killed, Timeline
from sandbox.tenant.audit_api import CREATE_QUERY, RESULTS


class Bench:
    """A timeline with one process, and calls that it makes to a tenant."""

    def __init__(self) -> None:
        self.timeline = Timeline(START)
        self.group = Group()
        self.tasks = Tasks(self.timeline, self.group)
        self.environment = Environment(self.timeline)
        self.network = Network(self.timeline, self.environment, Latency(0.1, 0.1), lambda *_: None)
        self.client = Client.of(self.environment).log_in()
        self.session = requests.Session()
        self.session.mount("https://", self.network)
        self.session.trust_env = False

    def post(self, path: str, content: object) -> requests.Response:
        body = json.dumps(content).encode()
        return self.session.post(f"https://audit.simulation{path}", body, headers=self.client.headers, timeout=30)

    def run(self, call: Callable[[], object], seconds: float = 1000.0) -> Future[object]:
        future = self.tasks.submit(call)
        self.timeline.run_to(self.timeline.now + seconds)
        return future


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.timeline.end(bench.group)
    bench.timeline.close()


def test_calls_take_their_time_beside_one_another(bench: Bench) -> None:
    seen: list[tuple[str, float]] = []

    def call(name: str, seconds: float) -> None:
        bench.timeline.advance(seconds)
        seen.append((name, bench.timeline.now - START))

    def main() -> None:
        calls = [bench.tasks.submit(call, name, seconds) for name, seconds in (("a", 3), ("b", 1), ("c", 2))]
        for each in calls:
            each.result()
        seen.append(("main", bench.timeline.now - START))

    bench.run(main)
    assert seen == [("b", 1), ("c", 2), ("a", 3), ("main", 3)]


@pytest.mark.parametrize(("at_once", "statuses"), [(None, [200, 200, 200]), (1, [200, 429, 429])])
def test_pages_in_flight_are_concurrent_for_the_tenant(bench: Bench, at_once: int | None, statuses: list[int]) -> None:
    bench.environment.tenant.settings.pages_at_once = at_once
    bench.environment.tenant.settings.page_latency = 2.0
    cursor = bench.client.open(iso(START - 3600))

    def main() -> tuple[list[int], float]:
        pages = [bench.tasks.submit(bench.post, RESULTS, {"cursorRef": cursor}) for _ in range(3)]
        return [page.result().status_code for page in pages], round(bench.timeline.now - START, 3)

    assert bench.run(main).result(0) == (statuses, 2.2)


def test_a_query_that_was_sent_before_a_kill_is_counted_afterwards(bench: Bench) -> None:
    query = {"query": {"pageSize": 5, "filterModel": {"date": {"dateFrom": iso(START - 60)}}}}
    bench.network.kill_at_request(1, "audit", after=False, late=30.0)
    bench.run(lambda: bench.post(CREATE_QUERY, query), 10)
    assert bench.group.is_dying
    assert bench.environment.ledger.query_times == []
    bench.timeline.run_to(START + 40)
    assert bench.environment.ledger.query_times == [START + 30]


def test_a_kill_ends_every_call_and_what_was_sent_arrives(bench: Bench) -> None:
    ended: list[str] = []

    def push() -> None:
        bench.session.post("https://intake.simulation/batch", b"{}", timeout=30)
        ended.append("push")

    def main() -> None:
        bench.tasks.submit(push)
        bench.timeline.advance(0.05)
        raise Killed

    bench.run(main)
    bench.timeline.end(bench.group)
    bench.timeline.run_to(START + 2000)
    assert ended == []
    assert sum(bench.environment.ledger.requests.values()) == 2  # the log-in, and what was on its way


def test_a_lock_that_is_held_for_an_answer_holds_up_who_wants_it_only(bench: Bench) -> None:
    lock, seen = SimulatedLock(), list[str]()

    def locked(name: str) -> None:
        with lock:
            bench.timeline.advance(5)
            seen.append(name)

    def free() -> None:
        bench.timeline.advance(1)
        seen.append("free")

    def main() -> None:
        for each in [bench.tasks.submit(locked, "a"), bench.tasks.submit(locked, "b"), bench.tasks.submit(free)]:
            each.result()

    bench.run(main)
    assert seen == ["free", "a", "b"]


def test_a_connector_that_spins_is_noticed(bench: Bench) -> None:
    def main() -> None:
        while True:
            bench.timeline.advance(0)

    with pytest.raises(AssertionError, match="spins"):
        bench.run(main)


def test_the_judge_sees_what_is_lost_late_or_delivered_twice() -> None:
    with Judge(1) as judge:
        judge.start()
        tenant, ledger = judge.simulation.environment.tenant, judge.simulation.environment.ledger
        now = judge.simulation.now
        tenant.add(time=now - 60, arrival=now)
        tenant.add(time=now - 1800, arrival=now)
        tenant.add(time=now - 7 * 3600, arrival=now)
        found = judge.findings()
        assert (found.lost, found.lost_late, len(found.failures)) == (1, 1, 2)
        texts = [ledger.index.text(number).decode() for number in range(2)]
        ledger.accept(texts, now)
        assert judge.findings().failures == []
        ledger.accept(texts[:1], now)
        assert judge.findings().failures == ["1 duplicates, 0 allowed"]
        judge.simulation.kill()


def test_what_is_left_of_an_unservable_second_is_not_lost() -> None:
    with Judge(1) as judge:
        judge.start()
        tenant, now = judge.simulation.environment.tenant, judge.simulation.now
        for seconds in (20.2, 20.4, 19.0):
            tenant.add(time=now - seconds, arrival=now)
        tenant.fail_page_of(0)
        judge.note_failing_pages()
        assert judge.findings().lost == 1
        judge.simulation.kill()


def test_what_arrived_with_an_unservable_event_is_not_lost_where_the_filter_goes_by_arrival() -> None:
    """No query shows a part of what arrived in one second, so every query that shows the rest meets that event."""
    with Judge(1) as judge:
        judge.start()
        tenant, now = judge.simulation.environment.tenant, judge.simulation.now
        tenant.settings.date_field = "arrival"
        for seconds in (20.2, 19.0, 10.0):
            tenant.add(time=now - seconds, arrival=now)
        tenant.add(time=now - 20.1, arrival=now - 2)
        tenant.fail_page_of(0)
        judge.note_failing_pages()
        assert judge.findings().lost == 1
        judge.simulation.kill()
