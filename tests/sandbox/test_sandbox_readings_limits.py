"""Each reading of limits, failures, identities and the intake is played as its name says; and all of them together."""

import json
import random

import pytest
from reading_tenant import HOUR, Tenant
from sandbox_client import START, FakeClock, iso, read_page

from sandbox.faults import FAULTS
from sandbox.readings import READINGS, Readings, describe_readings
from sandbox.tenant.audit_api import CREATE_QUERY


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_an_old_cursor_is_refused_with_a_status(clock: FakeClock, status: int) -> None:
    one = Tenant(clock, f"cursor-{status}").backlog(10)
    cursor = one.client.open()
    assert one.client.results(cursor).status == 200
    clock.sleep(601)
    assert one.client.results(cursor).status == status


def test_one_page_may_be_in_flight_at_a_time(clock: FakeClock) -> None:
    one = Tenant(clock, "limit-one-page").backlog(10)
    one.tenant.settings.page_latency = 2.0
    cursor = one.client.open()
    assert one.client.results(cursor).status == 200
    clock.sleep(1.9)
    assert one.client.results(cursor).status == 429
    clock.sleep(0.1)
    assert one.client.results(cursor).status == 200


def opened(one: Tenant, seconds: int) -> int:
    """How many of the queries asked for each second are accepted."""
    count = 0
    for _ in range(seconds):
        count += one.client.query().status == 200
        one.clock.sleep(1)
    return count


@pytest.mark.parametrize(
    ("name", "least", "most"), [("limit-rival-first", 0, 0), ("limit-rival-regular", 0, 0), ("limit-rival", 1, 8)]
)
def test_another_integration_leaves_few_queries(clock: FakeClock, name: str, least: int, most: int) -> None:
    assert least <= opened(Tenant(clock, name), 600) <= most


def test_an_integration_that_asks_regularly_takes_no_query_that_is_not_free(clock: FakeClock) -> None:
    one = Tenant(clock)
    assert opened(one, 1) == 1
    Readings(["limit-rival-regular"]).set(one.environment)
    clock.sleep(10)
    assert opened(one, 1) == 0  # its first attempt, refused: it tries again in a minute
    clock.sleep(54)
    assert opened(one, 1) == 1
    assert opened(one, 100) == 1


def test_a_gateway_answers_200_with_an_error(clock: FakeClock) -> None:
    one = Tenant(clock, "answer-error").backlog(10)
    one.readings.begin(one.environment)
    cursor = one.client.query().json().get("cursorRef")
    while cursor is None:
        clock.sleep(60)
        cursor = one.client.query().json().get("cursorRef")
    answers = [one.client.results(cursor) for _ in range(50)]
    assert {answer.status for answer in answers} == {200}
    assert 1 < sum("errorMessage" in answer.json() for answer in answers) < 30


@pytest.mark.parametrize("size", [1, 3, 500])
@pytest.mark.parametrize("name", ["page-500-hour", "page-500-ever", "page-403", "page-429", "page-reset"])
def test_a_page_with_one_event_fails_at_any_size_until_it_is_healed(clock: FakeClock, name: str, size: int) -> None:
    one = Tenant(clock, name).backlog(40)
    one.readings.begin(one.environment)
    (failing,) = one.tenant.failing_events()
    cursor = one.client.open(size=size)
    for _ in range(failing // size):
        _, cursor = one.client.page(cursor)
    answer = one.client.results(cursor)
    assert answer.ending == "reset" if name == "page-reset" else answer.status in (500, 403, 429)
    clock.sleep(HOUR + 1)
    assert (one.client.results(cursor).status == 200) == (name != "page-500-ever")
    one.tenant.heal_pages()
    assert one.client.results(cursor).status == 200
    assert one.tenant.failing_events() == []


def test_events_without_a_uuid_are_known_again(clock: FakeClock) -> None:
    one = Tenant(clock, "identity-none").backlog(20)
    texts, _ = one.client.drain(one.client.open())
    assert all("uuid" not in json.loads(text) for text in texts)
    one.client.push(texts)
    assert (one.environment.ledger.lost(), one.environment.ledger.snapshot().altered) == ([], 0)


@pytest.mark.parametrize("order", ["order-event-time", "order-roughly", "order-arrival", "order-none"])
def test_two_contents_under_one_uuid_stand_in_one_page(clock: FakeClock, order: str) -> None:
    one = Tenant(clock, "identity-twins", order).backlog(21)
    texts, _ = one.client.page(one.client.open(size=30))
    assert len(set(texts)) == 21
    assert len({json.loads(text)["uuid"] for text in texts}) == 18
    one.client.push(texts[:-1])
    assert one.environment.ledger.lost() == texts[-1:]
    assert one.environment.ledger.snapshot().duplicates == 0


def test_twins_that_were_shown_in_two_pages_need_not_both_be_delivered(clock: FakeClock) -> None:
    one = Tenant(clock, "identity-twins").backlog(7)
    texts, _ = one.client.drain(one.client.open(size=6))
    one.client.push(texts[:-1])
    assert one.environment.ledger.lost() == []


def test_an_event_can_stand_twice_in_its_page(clock: FakeClock) -> None:
    one = Tenant(clock, "identity-repeated").backlog(90)
    texts, _ = one.client.page(one.client.open())
    assert len(set(texts)) == 90 < len(texts)


def test_a_query_of_seven_days_can_be_refused(clock: FakeClock) -> None:
    one = Tenant(clock, "query-week")
    assert one.client.query(iso(START - 7 * 86400)).status == 400
    assert one.client.query(iso(START - 7 * 86400 + 1)).status == 200


def test_a_large_page_can_be_refused(clock: FakeClock) -> None:
    one = Tenant(clock, "query-500")
    assert one.client.query(size=1000).status == 400
    assert one.client.query(size=500).status == 200


def test_an_event_of_two_lines_is_known_by_its_text_in_one(clock: FakeClock) -> None:
    one = Tenant(clock, "events-lines")
    one.readings.begin(one.environment)
    texts = json.loads(one.client.results(one.client.open()).body, strict=False)["data"]
    assert len(texts) == 2
    one.client.push([json.dumps(event) for event in texts])
    assert (one.environment.ledger.lost(), one.environment.ledger.snapshot().altered) == ([], 0)


def test_selected_fields_bring_the_arrival(clock: FakeClock) -> None:
    one = Tenant(clock)
    one.tenant.add(time=START - 50, arrival=START - 40)
    query = {
        "query": {
            "pageSize": 10,
            "selectedFields": ["uuid", "arrival_timestamp"],
            "filterModel": {"date": {"dateFrom": iso(START - HOUR)}},
        }
    }
    texts, _ = one.client.page(one.client.post(CREATE_QUERY, query).json()["cursorRef"])
    assert json.loads(texts[0])["arrival_timestamp"] == (START - 40) * 1000


@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_the_intake_refuses_one_event_whatever_else_there_is(clock: FakeClock, status: int) -> None:
    one = Tenant(clock, f"intake-{status}").backlog(10)
    one.readings.begin(one.environment)
    texts, _ = one.client.page(one.client.open())
    assert one.client.push(texts).status == status
    answers = {text: one.client.push([text]).status for text in texts}
    assert sorted(answers.values()) == sorted([200] * 9 + [status])
    assert one.environment.ledger.lost() == []
    assert one.environment.ledger.snapshot().waiting == 0


def test_the_intake_counts_bytes_or_resets_large_requests(clock: FakeClock) -> None:
    one = Tenant(clock, "intake-bytes")
    one.readings.begin(one.environment)
    assert one.client.push(["é" * 130_000]).status == 400
    one.environment.sekoia.settings.counts_bytes = False
    assert one.client.push(["é" * 130_000]).status == 200
    one.environment.sekoia.settings.reset_above = 100_000
    assert one.client.push(["x" * 101_000]).ending == "reset"


@pytest.mark.parametrize("answer", ["healthy", "ok", "empty", "error"])
def test_what_is_no_intake_answers_200_and_takes_nothing(clock: FakeClock, answer: str) -> None:
    one = Tenant(clock).backlog(3)
    texts, _ = one.client.page(one.client.open())
    one.environment.sekoia.settings.acceptance = answer  # type: ignore[assignment]
    assert one.client.push(texts).status == 200
    assert len(one.environment.ledger.lost()) == 3
    one.environment.sekoia.settings.acceptance = "empty-object"
    assert one.client.push(texts).json() == {}
    assert one.environment.ledger.lost() == []


@pytest.mark.parametrize("name", sorted(READINGS))
def test_every_reading_has_settings_that_exist_and_is_described(clock: FakeClock, name: str) -> None:
    one = Tenant(clock, name).backlog(50)
    one.readings.begin(one.environment)
    assert set(READINGS[name].faults) <= set(FAULTS)
    assert name in describe_readings()


def test_readings_of_one_row_exclude_one_another() -> None:
    with pytest.raises(ValueError, match="order"):
        Readings(["order-none", "order-arrival"])
    with pytest.raises(KeyError):
        Readings(["order-of-merit"])


def test_every_combination_shows_every_event_to_who_reads_long_enough(clock: FakeClock) -> None:
    for seed in range(40):
        drawn = Readings.drawn(random.Random(seed))
        one = Tenant(clock, *drawn.names).backlog(120)
        one.tenant.settings.results_spacing = one.tenant.settings.call_spacing = 0
        one.tenant.settings.rival_period = None
        cursor, found = one.client.open(iso(clock() - 2 * HOUR), size=30), set[str]()
        for _ in range(200):
            texts, following = read_page(one.client.results(cursor).body or b'{"data":[]}')
            found |= set(texts)
            cursor = following or cursor
        assert len(found) == 120, drawn.unusual


def test_millions_of_events_are_read_in_order_of_event_time_without_delay(clock: FakeClock) -> None:
    one = Tenant(clock).backlog(300_000, 86400 * 6)
    cursor = one.client.open(iso(START - 3 * 86400), size=500)
    texts, _ = one.client.page(cursor)
    assert json.loads(texts[0])["timestamp"] >= (START - 3 * 86400) * 1000
