"""The Audit API's rules: who may ask, how often, and what is shown."""

import base64
import json
from email.utils import parsedate_to_datetime

import pytest
from sandbox_client import START, Client, FakeClock, iso, read_page

from sandbox.environment import Environment
from sandbox.http import Request
from sandbox.tenant.settings import Drained, RetryAfter

DAY = 86400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(clock: FakeClock) -> Client:
    return Client.of(Environment(clock)).log_in()


def uuids(texts: list[str]) -> list[str]:
    return [json.loads(text)["uuid"] for text in texts]


def test_the_api_key_is_asked_for_after_the_token(client: Client) -> None:
    assert client.query().status == 200
    client.headers["x-api-key"] = "another"
    assert client.query().status == 403
    client.headers["authorization"] = "Bearer nonsense"
    assert client.query().status == 401


def test_an_unknown_path_is_answered_by_the_gateway(client: Client) -> None:
    answer = client.send("audit", Request("POST", "/oauth2/token/x", client.headers))
    assert (answer.status, answer.json()["message"]) == (403, "Missing Authentication Token")


def test_one_query_a_minute_is_taken(client: Client, clock: FakeClock) -> None:
    assert client.query().status == 200
    clock.sleep(59.9)
    assert client.query().status == 429
    clock.sleep(0.1)
    assert client.query().status == 200


def test_a_malformed_query_does_not_use_up_the_minute(client: Client) -> None:
    assert client.query("yesterday").status == 400
    assert client.query(colour=[{"op": "include", "params": ["red"]}]).status == 400
    assert client.query(action=[{"op": "include", "params": []}]).status == 400
    assert client.query(size=0).status == 400
    assert client.query().status == 200


@pytest.mark.parametrize("form", ["seconds", "date", "absent"])
def test_the_pause_to_make_is_said_in_each_of_its_forms(client: Client, clock: FakeClock, form: RetryAfter) -> None:
    client.environment.tenant.settings.retry_after = form
    client.query()
    clock.sleep(20)
    said = client.query().headers.get("Retry-After")
    if form == "absent":
        assert said is None
    elif form == "seconds":
        assert said == "40"
    else:
        assert said is not None
        assert parsedate_to_datetime(said).timestamp() == START + 60


def test_pages_hold_every_event_once_in_order_and_no_more_than_the_limit(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add_backlog(1234, 3600)
    texts, _ = client.page(client.open(size=1000))
    assert len(texts) == 500
    client.environment.tenant.settings.page_limit = 1000
    clock.sleep(60)
    everything, _ = client.drain(client.open(size=1000))
    times = [json.loads(text)["timestamp"] for text in everything]
    assert len(set(uuids(everything))) == 1234
    assert times == sorted(times)


def test_the_date_filter_ignores_fractions(client: Client) -> None:
    for fraction in (0.1, 0.5, 0.9):
        client.environment.tenant.add(time=START - 100 + fraction)
    client.environment.tenant.add(time=START - 100.1)
    texts, _ = client.drain(client.open(iso(START - 100 + 0.7)))
    assert len(texts) == 3


def test_a_query_with_an_end_shows_nothing_after_it(client: Client) -> None:
    client.environment.tenant.add_backlog(100, 100)
    texts, _ = client.drain(client.open(date={"dateFrom": iso(START - 60), "dateTo": iso(START - 50.5)}))
    assert len(texts) == 10


def test_filters_include_what_they_name(client: Client) -> None:
    client.environment.tenant.add_backlog(500, 3600)
    client.environment.tenant.add('{"uuid":"1","applicationCode":"PAM","auditType":"Info","action":"Add Owner"}')
    wanted = [{"op": "include", "params": ["PAM", "ITDR"]}]
    texts, _ = client.drain(client.open(applicationCode=wanted, action=[{"op": "include", "params": ["Add Owner"]}]))
    events = [json.loads(text) for text in texts]
    assert {(event["applicationCode"], event["action"]) for event in events} == {("PAM", "Add Owner")}
    assert "1" in [event["uuid"] for event in events]
    assert 20 < len(events) < 100


def test_what_is_older_than_seven_days_is_not_shown(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add(time=START - 7 * DAY - 2)
    client.environment.tenant.add(time=START - 7 * DAY + 30)
    cursor = client.open(iso(START - 30 * DAY))
    assert len(client.page(cursor)[0]) == 1
    clock.sleep(31)
    assert len(client.page(cursor)[0]) == 0


def test_a_cursor_can_be_used_again(client: Client) -> None:
    client.environment.tenant.add_backlog(1000, 3600)
    first = client.open()
    page, second = client.page(first)
    assert client.page(first)[0] == page
    assert client.page(second)[0] != page


def test_a_drained_cursor_shows_what_arrives_later_unless_it_has_a_ceiling(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add_backlog(10, 60)
    _, drained = client.drain(client.open())
    client.environment.tenant.add(time=START + 1)
    clock.sleep(5)
    assert len(client.page(drained)[0]) == 1
    client.environment.tenant.settings.cursor_ceiling = True
    assert len(client.page(drained)[0]) == 0


def test_an_event_that_arrives_late_follows_the_cursor(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.add(time=START - 10)
    client.environment.tenant.add(time=START - 30, arrival=START + 20)
    seen, drained = client.drain(client.open())
    clock.sleep(60)
    assert client.page(drained)[0] == []
    again, _ = client.drain(client.open())
    assert len(seen) == 1
    assert len(again) == 2


@pytest.mark.parametrize(
    "reference",
    [None, 12, "", "not base64!", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"size":1}').decode()],
)
def test_a_bad_cursor_is_refused(client: Client, reference: object) -> None:
    request = Request(
        "POST", "/api/audits/stream/results", client.headers, json.dumps({"cursorRef": reference}).encode()
    )
    assert client.send("audit", request).status == 400


def test_cursors_expire_and_can_be_refused(client: Client, clock: FakeClock) -> None:
    cursor = client.open()
    client.environment.tenant.refuse_cursors()
    assert client.results(cursor).status == 400
    clock.sleep(60)
    newer = client.open()
    assert client.results(newer).status == 200
    client.environment.tenant.settings.cursor_lifetime = 100
    clock.sleep(101)
    assert client.results(newer).status == 400


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ("null-data", {"data": None}),
        ("no-paging", {"data": []}),
        ("null-cursor", {"data": [], "paging": {"cursor": {"cursorRef": None}}}),
    ],
)
def test_the_end_of_a_query_has_the_shape_asked_for(
    client: Client, shape: Drained, content: dict[str, object]
) -> None:
    client.environment.tenant.settings.drained = shape
    answer = client.results(client.open()).json()
    assert {name: answer[name] for name in content} == content
    assert ("paging" in answer) == (shape != "no-paging")


def test_the_end_of_a_query_can_repeat_its_cursor(client: Client) -> None:
    cursor = client.open()
    assert client.page(cursor)[1] != cursor
    client.environment.tenant.settings.drained = "same-cursor"
    assert client.page(cursor)[1] == cursor


def test_pages_can_be_throttled_too(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.settings.results_spacing = 15
    cursor = client.open()
    assert client.results(cursor).status == 200
    clock.sleep(14)
    assert client.results(cursor).status == 429
    clock.sleep(1)
    assert client.results(cursor).status == 200


def test_calls_of_any_kind_can_share_one_allowance(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.settings.call_spacing = 60
    cursor = client.open()
    assert client.results(cursor).status == 429
    clock.sleep(60)
    assert client.results(cursor).status == 200
    assert client.query().status == 429
    clock.sleep(60)
    assert client.query().status == 200


def test_another_integration_can_use_up_the_minute(client: Client, clock: FakeClock) -> None:
    client.environment.tenant.use_up_the_minute()
    assert client.query().status == 429
    assert client.environment.ledger.queries_too_soon == 0
    clock.sleep(60)
    assert client.query().status == 200


def test_live_events_arrive_a_little_after_they_happened(client: Client, clock: FakeClock) -> None:
    tenant = client.environment.tenant
    tenant.produce(20)
    cursor = client.open()
    seen: list[str] = []
    for _ in range(10):
        clock.sleep(1)
        texts, cursor = client.page(cursor)
        assert all(json.loads(text)["timestamp"] < (clock() - 0.1) * 1000 for text in texts)
        seen += texts
    tenant.stop_production()
    clock.sleep(60)
    everything, _ = client.drain(client.open())
    assert len(everything) == 201
    # The jitter at the live edge is what a cursor alone misses.
    assert 0 < len(everything) - len(seen) < 120


def test_timestamps_can_be_strings(clock: FakeClock) -> None:
    client = Client.of(Environment(clock, string_timestamps=True)).log_in()
    client.environment.tenant.add()
    texts, _ = client.page(client.open())
    assert json.loads(texts[0])["timestamp"] == str(int(START * 1000))
    client.push(texts)
    assert client.environment.ledger.snapshot().accepted == 1


def test_a_page_takes_as_long_as_it_is_set_to(client: Client) -> None:
    client.environment.tenant.settings.page_latency = 0.3
    assert client.results(client.open()).delay == 0.3


def test_pages_of_an_empty_tenant_are_read_without_a_cursor_getting_lost(client: Client) -> None:
    texts, cursor = read_page(client.results(client.open()).body)
    assert texts == []
    assert cursor is not None
