"""Each reading of what queries and pages hold is played as its name says."""

import json
from itertools import pairwise

import pytest
from reading_tenant import HOUR, Tenant
from sandbox_client import START, FakeClock, iso, read_page

from sandbox.readings import ROWS
from sandbox.tenant.audit_api import CREATE_QUERY


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def descents(times: list[int]) -> list[int]:
    return [before - after for before, after in pairwise(times) if after < before]


@pytest.mark.parametrize(
    ("name", "most"), [("order-event-time", 0), ("order-roughly", 10_000), ("order-minute", 120_000)]
)
def test_pages_come_in_the_order_asked_for_within_the_jitter(clock: FakeClock, name: str, most: int) -> None:
    times = Tenant(clock, name).backlog(1200).times()
    assert len(set(times)) == 1200
    assert max(descents(times), default=0) <= most
    assert bool(descents(times)) == (most > 0)


def test_an_order_by_arrival_shows_late_events_at_its_end_and_none_after_a_cursor(clock: FakeClock) -> None:
    one = Tenant(clock, "order-arrival").backlog(30)
    _, cursor = one.client.drain(one.client.open(size=10))
    one.tenant.add(time=START - 1800, arrival=START + 10)
    assert one.client.page(cursor)[0] == []
    clock.sleep(11)
    assert len(one.client.page(cursor)[0]) == 1


def test_no_order_is_another_one_for_each_query_and_the_same_for_one_query(clock: FakeClock) -> None:
    one = Tenant(clock, "order-none").backlog(300)
    cursor = one.client.open(size=50)
    first = one.client.page(cursor)[0]
    assert one.client.page(cursor)[0] == first
    clock.sleep(60)
    times = [one.times()]
    clock.sleep(60)
    times.append(one.times())
    assert sorted(times[0]) == sorted(times[1])
    assert times[0] != times[1]
    assert len(descents(times[0])) > 100


def test_a_query_without_a_sort_model_has_no_order(clock: FakeClock) -> None:
    one = Tenant(clock).backlog(300)
    query = {"query": {"pageSize": 500, "filterModel": {"date": {"dateFrom": iso(START - HOUR)}}}}
    texts, _ = one.client.page(one.client.post(CREATE_QUERY, query).json()["cursorRef"])
    assert len(texts) == 300
    assert descents([json.loads(text)["timestamp"] for text in texts])


@pytest.mark.parametrize(("name", "found"), [("from-event", 1), ("from-arrival", 2)])
@pytest.mark.parametrize("order", ["order-event-time", "order-arrival", "order-roughly", "order-none"])
def test_date_from_is_compared_with_the_event_or_its_arrival(
    clock: FakeClock, name: str, order: str, found: int
) -> None:
    one = Tenant(clock, name, order)
    one.tenant.add(time=START - HOUR, arrival=START - 10)
    one.tenant.add(time=START - 20, arrival=START - 15)
    one.tenant.add(time=START - 100, arrival=START - 90)
    assert len(one.times(date_from=iso(START - 30))) == found


@pytest.mark.parametrize(("name", "found"), [("to-in", 11), ("to-out", 10), ("to-ignored", 100)])
@pytest.mark.parametrize("order", ["order-event-time", "order-arrival", "order-none"])
def test_the_second_of_date_to_is_in_or_out_or_all_are(clock: FakeClock, name: str, order: str, found: int) -> None:
    one = Tenant(clock, name, order).backlog(100, 100)
    assert len(one.times(date={"dateFrom": iso(START - 100), "dateTo": iso(START - 90)})) == found


@pytest.mark.parametrize(
    ("name", "least", "most"), [("shown-at-once", 0.1, 0.1), ("shown-5s", 5, 5), ("shown-60s", 30, 60)]
)
def test_events_are_shown_late_by_as_much_as_is_said(clock: FakeClock, name: str, least: float, most: float) -> None:
    one = Tenant(clock, name)
    one.live(60)
    assert least - 0.01 < min(one.arrivals()) <= max(one.arrivals()) < most + 0.01


def test_batches_arrive_every_twelve_minutes(clock: FakeClock) -> None:
    one = Tenant(clock, "shown-12min")
    one.live(1500)
    assert {arrival % 720 for arrival in one.environment.ledger.index.arrivals} == {0}
    assert 3 <= len(set(one.environment.ledger.index.arrivals)) <= 4


def test_one_source_is_hours_late_among_others(clock: FakeClock) -> None:
    one = Tenant(clock, "shown-hours")
    one.live(300)
    kinds = [one.environment.ledger.index.kind(number).application for number in range(len(one.arrivals()))]
    late = {kind for kind, delay in zip(kinds, one.arrivals(), strict=True) if delay > HOUR}
    assert late == {"ITDR"}
    assert {"IDP", "PAM"} <= set(kinds)


@pytest.mark.parametrize("name", [each.name for each in ROWS["end of a stream"] if each.name != "end-never"])
def test_each_end_of_a_stream_looks_as_it_is_called(clock: FakeClock, name: str) -> None:
    one = Tenant(clock, name).backlog(25, 250)
    cursor = one.client.open(size=10)
    for _ in range(3):
        texts, cursor = one.client.page(cursor)
    answer = one.client.results(cursor)
    if name == "end-204":
        assert (answer.status, answer.body) == (204, b"")
        return
    again, following = read_page(answer.body)
    if name in ("end-last-page", "end-last-second"):
        assert set(texts) <= set(again) if name == "end-last-page" else again == texts[-1:]
        assert following is not None
        return
    assert again == []
    expected = {"end-same-cursor": following == cursor, "end-null-cursor": following is None}
    assert expected.get(name, following is None if name == "end-no-paging" else following not in (None, cursor))
    if name == "end-null-data":
        assert answer.json()["data"] is None


def test_the_last_second_comes_in_rotation(clock: FakeClock) -> None:
    one = Tenant(clock, "end-last-second")
    for number in range(8):
        one.tenant.add(time=START - 10 + number / 10)
    _, cursor = one.client.page(one.client.open(size=5))
    _, cursor = one.client.page(cursor)
    pages = []
    for _ in range(4):
        texts, cursor = one.client.page(cursor)
        pages.append(texts)
    assert len({text for page in pages for text in page}) == 8
    assert all(len(page) == 5 for page in pages)
    assert pages[0] != pages[1]


@pytest.mark.parametrize(("name", "in_a_row"), [("middle-empty", 1), ("middle-sparse", 5)])
@pytest.mark.parametrize("order", ["order-event-time", "order-none"])
def test_empty_pages_stand_in_the_middle_with_new_cursors(
    clock: FakeClock, name: str, in_a_row: int, order: str
) -> None:
    one = Tenant(clock, name, order).backlog(300)
    cursor, found, lengths = one.client.open(size=20), set[str](), list[int]()
    while len(found) < 300:
        texts, following = one.client.page(cursor)
        assert following != cursor
        assert not found & set(texts)
        found |= set(texts)
        lengths.append(len(texts))
        cursor = following
    runs = "".join("." if length else "o" for length in lengths).split(".")
    assert max(map(len, runs)) == in_a_row
    assert 0 < min(length for length in lengths if length) < 20


def test_a_filter_may_come_after_the_scan(clock: FakeClock) -> None:
    one = Tenant(clock).backlog(400)
    one.tenant.settings.scan_page, one.tenant.settings.scan_hole_every = 5, 10**9
    cursor, found, empty = one.client.open(applicationCode=[{"op": "include", "params": ["ITDR"]}]), 0, 0
    for _ in range(80):
        texts, cursor = one.client.page(cursor)
        found, empty = found + len(texts), empty + (not texts)
    assert found == sum(one.environment.ledger.index.kind(number).application == "ITDR" for number in range(400))
    assert empty > 10


def test_pages_can_be_shorter_than_asked_for(clock: FakeClock) -> None:
    one = Tenant(clock, "middle-short").backlog(250)
    assert len(one.client.page(one.client.open(size=500))[0]) == 100
