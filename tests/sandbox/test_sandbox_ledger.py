"""The ledger tells what was lost, what came twice and what was altered, and counts only what the intake accepted."""

import json
import re

import pytest
from sandbox_client import START, Client, FakeClock

from sandbox.environment import Environment
from sandbox.http import Request


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(clock: FakeClock) -> Client:
    return Client.of(Environment(clock)).log_in()


def collect(client: Client) -> list[str]:
    return client.drain(client.open())[0]


def test_what_was_not_accepted_is_waiting_then_lost(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add_backlog(10, 60)
    client.environment.tenant.add(time=START, arrival=START + 30)
    texts = collect(client)
    client.push(texts[:7])
    snapshot = client.environment.ledger.snapshot()
    assert (snapshot.made, snapshot.shown, snapshot.accepted, snapshot.waiting) == (11, 10, 7, 3)
    assert sorted(client.environment.ledger.lost()) == sorted(texts[7:])
    clock.sleep(31)
    assert client.environment.ledger.snapshot().waiting == 4
    assert len(client.environment.ledger.lost(patience_seconds=10)) == 3


def test_what_comes_again_is_a_duplicate(client: Client) -> None:
    client.environment.tenant.add_backlog(10, 60)
    texts = collect(client)
    client.push(texts)
    client.push(texts[:3])
    client.push(texts[:1])
    assert client.environment.ledger.snapshot().duplicates == 4
    assert client.environment.ledger.lost() == []


def test_any_other_spelling_of_an_event_is_altered_and_the_event_lost(client: Client) -> None:
    client.environment.tenant.add_backlog(300, 60)
    texts = collect(client)
    reserialised = [json.dumps(json.loads(text), separators=(",", ":")) for text in texts]
    changed = sum(text != other for text, other in zip(texts, reserialised, strict=True))
    client.push([*reserialised, "{}", texts[0] + " "])
    snapshot = client.environment.ledger.snapshot()
    assert 0 < changed < 300
    assert snapshot.altered == changed + 2
    assert len(client.environment.ledger.lost()) == changed


def test_a_text_added_twice_is_one_event(client: Client) -> None:
    for _ in range(2):
        client.environment.tenant.add('{"uuid":"a"}')
    client.push(collect(client))
    snapshot = client.environment.ledger.snapshot()
    assert (snapshot.made, snapshot.accepted, snapshot.duplicates) == (1, 1, 0)


def test_what_the_intake_cannot_take_is_not_lost(client: Client) -> None:
    client.environment.tenant.add(json.dumps({"uuid": "a", "message": "x" * 250_000}))
    assert client.push(collect(client)).status == 400
    assert client.environment.ledger.snapshot().waiting == 0
    assert client.environment.ledger.lost() == []


def test_what_left_the_retention_is_expired_and_not_lost(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add_backlog(10, 60)
    client.push(collect(client)[:4])
    clock.sleep(8 * 86400)
    assert client.environment.ledger.lost() == []
    assert client.environment.ledger.expired() == 6
    assert client.environment.ledger.snapshot().waiting == 0


def test_events_taken_by_an_intake_that_answers_otherwise_are_not_accepted(client: Client) -> None:
    client.environment.tenant.add_backlog(10, 60)
    texts = collect(client)
    client.environment.faults.add("intake-taken", 1)
    assert client.push(texts).status == 500
    client.environment.faults.clear()
    client.push(texts)
    snapshot = client.environment.ledger.snapshot()
    assert (snapshot.taken_but_refused, snapshot.accepted, snapshot.duplicates) == (10, 10, 0)


def test_the_spacing_of_queries_is_measured_between_attempts(client: Client, clock: FakeClock) -> None:
    client.query()
    clock.sleep(61.5)
    client.query()
    assert client.environment.ledger.snapshot().smallest_spacing == 61.5
    assert client.environment.ledger.snapshot().queries_too_soon == 0
    clock.sleep(30)
    client.query()
    snapshot = client.environment.ledger.snapshot()
    assert (snapshot.queries, snapshot.queries_too_soon, snapshot.smallest_spacing) == (2, 1, 30)
    assert client.environment.ledger.query_times == [START, START + 61.5]


def test_nobody_can_know_of_a_query_whose_answer_was_lost(client: Client, clock: FakeClock) -> None:
    client.environment.faults.add("api-cut", 1)
    client.query()
    client.environment.faults.clear()
    clock.sleep(5)
    assert client.query().status == 429
    assert client.environment.ledger.snapshot().queries_too_soon == 0


def test_delays_are_measured_for_what_arrived_while_open(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add_backlog(100, 3600)
    client.environment.tenant.add(time=START - 2, arrival=START + 1)
    clock.sleep(5)
    client.push(collect(client))
    snapshot = client.environment.ledger.snapshot()
    assert snapshot.lag["p50"] == 7
    assert snapshot.lag_since_arrival["p50"] == 4


def test_every_request_is_counted_and_the_newest_kept(client: Client) -> None:
    client.query()
    client.query()
    client.push([])
    ledger = client.environment.ledger
    assert ledger.requests == {
        ("token", "200"): 1,
        ("query", "200"): 1,
        ("query", "429"): 1,
        ("intake", "200"): 1,
    }
    assert [exchange.endpoint for exchange in ledger.journal] == ["token", "query", "query", "intake"]
    assert json.loads(ledger.journal[1].request.body)["query"]["pageSize"] == 500


def test_the_intake_names_an_id_for_each_event(client: Client) -> None:
    client.environment.tenant.add_backlog(5, 60)
    texts = collect(client)
    first, second = client.push(texts).json()["event_ids"], client.push(texts).json()["event_ids"]
    assert len({*first, *second}) == 10
    assert all(re.fullmatch(r"[0-9a-f-]{36}", identifier) for identifier in first)


@pytest.mark.parametrize(
    ("texts", "changes", "status"),
    [
        (["{}"], {"intake_key": "another"}, 403),
        (["{}"], {"intake_key": None}, 401),
        (["x" * 250_001], {}, 400),
        (["x" * 240_000] * 45, {}, 413),
        ([], {"jsons": [{"uuid": "a"}]}, 400),
        ([], {"jsons": "text"}, 400),
    ],
)
def test_the_intake_refuses_what_the_real_one_refuses(
    client: Client, texts: list[str], changes: dict[str, object], status: int
) -> None:
    assert client.push(texts, **changes).status == status
    assert client.environment.ledger.snapshot().altered == 0


def platform(client: Client, method: str, path: str, content: object, token: str | None = None) -> Request:
    headers = {"authorization": f"Bearer {token or client.environment.sekoia.settings.token}"}
    return Request(method, path, headers, json.dumps(content).encode())


def test_the_platform_hands_out_the_password_and_keeps_what_is_reported(client: Client) -> None:
    environment = client.environment
    secrets = environment.answer("platform", platform(client, "GET", "/secrets", None)).json()
    assert secrets == {"value": {"password": environment.tenant.identity_settings.password}}
    environment.answer("platform", platform(client, "POST", "/logs", {"logs": [{"level": "info", "message": "m"}]}))
    assert list(environment.sekoia.logs) == [{"level": "info", "message": "m"}]
    running = environment.answer("platform", platform(client, "PATCH", "/callback", {"status": "running"})).json()
    assert running["module_configuration"]["value"] == secrets["value"]
    environment.answer(
        "platform", platform(client, "PATCH", "/callback", {"status": "finished", "results": {"success": True}})
    )
    assert [callback["status"] for callback in environment.sekoia.callbacks] == ["running", "finished"]


def test_the_platform_refuses_another_token(client: Client) -> None:
    assert client.environment.answer("platform", platform(client, "GET", "/secrets", None, "another")).status == 401


def test_what_was_lost_or_came_twice_is_told_by_the_time_of_its_showing(client: Client, clock: FakeClock) -> None:
    tenant, ledger = client.environment.tenant, client.environment.ledger
    for number in range(6):
        tenant.add(time=START + 60 * number - 300)
    texts, _ = client.drain(client.open())
    client.push(texts[2:])
    client.push(texts[5:])
    rows = [(row.start - START, row.shown, row.lost, row.duplicates) for row in ledger.by_showing(180)]
    assert [sum(column) for column in zip(*rows, strict=True)][1:] == [6, 2, 1]
    assert rows[0][2] == rows[0][1] or rows[0][1] > 2  # the oldest are those that were lost
    assert rows[-1][3] == 1


def test_the_lag_of_a_backlog_is_kept_apart_from_that_of_live_events(client: Client, clock: FakeClock) -> None:
    tenant = client.environment.tenant
    tenant.add_backlog(10, 3600)
    clock.sleep(100)
    tenant.add(time=clock() - 3, arrival=clock() - 1)
    texts, _ = client.drain(client.open())
    client.push(texts)
    snapshot = client.environment.ledger.snapshot()
    assert (snapshot.lag["p100"], snapshot.lag_since_arrival["p100"], snapshot.backlog_lag["p50"]) == (3, 1, 100)
