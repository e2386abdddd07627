"""Every fault can be had by its name, does what it says, ends, and is the same again for the same seed."""

import json

import pytest
from sandbox_client import Client, FakeClock, one_line, read_page

from sandbox.check.mistakes import MISTAKES
from sandbox.environment import Environment
from sandbox.faults import FAULTS

OF_SERVICES = sorted(name for name, fault in FAULTS.items() if fault.scope == "services")
BACKLOG = 600
ENDINGS = {"complete", "reset", "cut", "hang"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(clock: FakeClock) -> Client:
    client = Client.of(Environment(clock)).log_in()
    client.environment.tenant.add_backlog(BACKLOG, 3600)
    return client


def outcomes(client: Client, count: int) -> list[str]:
    """What a client sees that goes on whatever it is answered."""
    for _ in range(count):
        client.token()
        client.query()
        client.results("nonsense")
        client.push(["{}"])
    return [exchange.outcome for exchange in client.environment.ledger.journal]


@pytest.mark.parametrize("name", OF_SERVICES)
def test_after_every_fault_all_is_as_before(client: Client, clock: FakeClock, name: str) -> None:
    client.environment.faults.add(name)
    outcomes(client, 20)
    client.environment.faults.clear()
    clock.sleep(70)
    client.log_in()
    texts, _ = client.drain(client.open())
    for start in range(0, len(texts), 500):
        small = [one_line(text) for text in texts[start : start + 500] if len(text) <= 250_000]
        answer = client.push(small)
        assert len(answer.json()["event_ids"]) == len(small)
    clock.sleep(300)
    assert client.environment.ledger.lost(patience_seconds=301) == []


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_says_what_it_does_and_how_much(name: str) -> None:
    fault = FAULTS[name]
    assert fault.name == name
    assert fault.summary
    assert fault.unit
    assert fault.intensity > 0


def test_a_fault_of_the_process_is_none_of_the_services(client: Client) -> None:
    with pytest.raises(ValueError, match="process"):
        client.environment.faults.add("kill")


def test_a_fault_can_be_limited_to_a_window(client: Client, clock: FakeClock) -> None:
    client.environment.faults.add("intake-refusals", 1, start=10, duration=20)
    seen = []
    for _ in range(4):
        seen.append(client.push([]).status == 200)
        clock.sleep(10)
    assert seen == [True, False, False, True]


def test_the_same_seed_brings_the_same_faults() -> None:
    def run(seed: int) -> list[str]:
        client = Client.of(Environment(FakeClock(), seed)).log_in()
        client.environment.faults.add("intake", 0.3)
        client.environment.faults.add("api", 0.5)
        return outcomes(client, 50)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_faults_combine(client: Client) -> None:
    client.environment.faults.add("api-extra")
    client.environment.faults.add("intake-no-ids")
    client.environment.faults.add("token-expiring", 5)
    assert client.token().json()["expires_in"] == 5
    assert "event_ids" not in client.push([]).json()
    assert "took" in client.query().json()


def test_an_outage_lasts_for_its_part_of_each_minute(client: Client, clock: FakeClock) -> None:
    client.environment.faults.add("intake-down", 20)
    seen = []
    for _ in range(9):
        seen.append(client.push([]).status)
        clock.sleep(10)
    assert seen == [503, 503, 200, 200, 200, 200, 503, 503, 200]


@pytest.mark.parametrize("name", ["cursor-null", "cursor-missing", "paging-missing"])
def test_a_page_without_a_cursor_has_its_events(client: Client, name: str) -> None:
    cursor = client.open()
    expected, _ = client.page(cursor)
    client.environment.faults.add(name, 1)
    texts, following = read_page(client.results(cursor).body)
    assert texts == expected
    assert following is None


def test_a_page_can_repeat_the_cursor_asked_for(client: Client) -> None:
    cursor = client.open()
    client.environment.faults.add("cursor-unchanged", 1)
    texts, following = client.page(cursor)
    assert len(texts) == 500
    assert following == cursor


def test_unknown_fields_leave_the_events_as_they_are(client: Client) -> None:
    cursor = client.open()
    expected = client.page(cursor)[0]
    client.environment.faults.add("api-extra", 1)
    answer = client.results(cursor)
    assert "hints" in answer.json()
    assert read_page(answer.body)[0] == expected


def test_a_refused_cursor_stays_refused_and_a_new_query_works(client: Client, clock: FakeClock) -> None:
    cursor = client.open()
    client.environment.faults.add("cursor-refused", 20)
    assert client.results(cursor).status == 200
    clock.sleep(20)
    assert client.results(cursor).status == 400
    clock.sleep(45)
    assert client.results(client.open()).status == 200


def test_late_events_come_within_the_bound(client: Client, clock: FakeClock) -> None:
    client.environment.faults.add("late", 60)
    client.environment.tenant.produce(50)
    clock.sleep(100)
    client.environment.tenant.stop_production()
    index = client.environment.ledger.index
    delays = [arrival - time / 1000 for arrival, time in zip(index.arrivals, index.times_ms, strict=True)]
    late = [delay for delay in delays if delay > 1.6]
    assert 0.1 < len(late) / 5000 < 0.3
    assert 50 < max(delays) < 60.1


def test_a_burst_is_of_one_second(client: Client, clock: FakeClock) -> None:
    client.environment.faults.add("burst", 5000)
    clock.sleep(1)
    assert client.environment.ledger.snapshot().shown == BACKLOG + 5000


def test_malformed_events_come_among_the_good_ones(client: Client) -> None:
    client.environment.faults.add("malformed")
    texts, _ = client.drain(client.open())
    assert len(texts) > BACKLOG + 20
    assert any(r"\ud83d" in text and "cut" in text for text in texts)


def test_the_answers_of_the_api_fault_are_of_every_kind(client: Client, clock: FakeClock) -> None:
    cursor = client.open()
    client.environment.faults.add("api", 0.9)
    for _ in range(300):
        client.results(cursor)
        clock.sleep(1)
    seen = {outcome for (endpoint, outcome) in client.environment.ledger.requests if endpoint == "results"}
    assert seen == {"200", "429", "500", "502", "503", "cut", "reset"}


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_every_mistake_is_described(name: str) -> None:
    assert MISTAKES[name].name == name
    assert json.dumps(MISTAKES[name].summary)
