"""What the intake accepted, and what is done about what it does not accept."""

import json
import random
import time as real_time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cyberark_modules.audit_api.events import Event, read_event
from cyberark_modules.errors import ConfigurationError, FailureKind, Throttled, TransientError
from cyberark_modules.intake import Intake, channel
from cyberark_modules.intake.halving import THROTTLED_AT_MOST
from cyberark_modules.platform.connector import PlatformConnector
from fakes.connector import KEY, Time, connector_to, events
from fakes.intake_server import Answer, IntakeServer
from intake.conftest import Caller


def test_events_are_accepted_with_one_request_and_the_intake_key(intake: Intake, server: IntakeServer) -> None:
    pushed = events(20)
    outcome = intake.push(pushed)
    assert outcome.accepted == tuple(pushed)
    assert (outcome.remaining, outcome.failure) == ((), None)
    assert len(server.requests) == 1
    assert server.keys == {KEY}


@pytest.mark.parametrize("body", [b"{}", b'{"event_ids": []}', b' {"event_ids": ["1"], "more": true}'])
def test_an_answer_with_event_ids_or_nothing_is_an_acceptance(
    intake: Intake, server: IntakeServer, body: bytes
) -> None:
    server.respond = lambda _texts, _size: Answer(200, body)
    outcome = intake.push(events(3))
    assert len(outcome.accepted) == 3


@pytest.mark.parametrize(
    "body",
    [b'{"status":"healthy"}', b"OK", b"", b'{"error":"x"}', b"<html></html>", b"[]", b"null", b'{"event_ids":null}'],
)
def test_a_200_that_is_no_acceptance_comes_from_no_intake(intake: Intake, server: IntakeServer, body: bytes) -> None:
    server.respond = lambda _texts, _size: Answer(200, body)
    pushed = events(3)
    for _ in range(5):
        outcome = intake.push(pushed)
        assert outcome.remaining == tuple(pushed)
        assert (outcome.accepted, outcome.isolated) == ((), ())
        assert isinstance(outcome.failure, TransientError)
        assert outcome.failure.failure.kind is FailureKind.NOT_INTAKE


@pytest.mark.parametrize("status", [400, 403, 413, 429, 500, 503, 0])
@pytest.mark.parametrize("position", [0, 1, 199])
def test_an_event_that_is_refused_alone_costs_only_itself(
    caller: Caller, server: IntakeServer, status: int, position: int
) -> None:
    pushed = events(200)
    poison = pushed[position]
    caller.intake.push(events(1, start=1000))
    server.respond = lambda texts, _size: Answer(status) if poison.text in texts else None
    outcomes = caller.push_all(pushed)
    assert [one.event for outcome in outcomes for one in outcome.isolated] == [poison]
    assert [outcome.isolated[0].failure.failure.status or 0 for outcome in outcomes if outcome.isolated] == [status]
    assert all(server.accepted[event.text] == (event is not poison) for event in pushed)
    assert len(server.requests) < 40
    # A status that refuses is looked into by the next push. What may pass by itself is tried three times first (a 429,
    # which is about the rate, six times), and the event alone twice.
    assert len(outcomes) <= (2 if status in (400, 403, 413) else THROTTLED_AT_MOST + 2 if status == 429 else 4)


@pytest.mark.parametrize("status", [500, 503, 0])
@pytest.mark.parametrize("position", [0, 1])
def test_in_a_page_of_two_it_is_found_as_soon(
    caller: Caller, server: IntakeServer, status: int, position: int
) -> None:
    pushed = events(2)
    poison = pushed[position]
    server.respond = lambda texts, _size: Answer(status) if poison.text in texts else None
    outcomes = caller.push_all(pushed)
    assert [one.event for outcome in outcomes for one in outcome.isolated] == [poison]
    assert server.accepted == {pushed[1 - position].text: 1}
    # One push more where the event that is sent ahead is the refused one.
    assert len(outcomes) <= 5


def test_the_first_page_of_all_may_hold_the_refused_event(caller: Caller, server: IntakeServer) -> None:
    pushed = events(50)
    server.respond = lambda texts, _size: Answer(403) if pushed[0].text in texts else None
    outcomes = caller.push_all(pushed)
    assert [one.event for outcome in outcomes for one in outcome.isolated] == [pushed[0]]
    assert len(server.accepted) == 49


def test_many_refused_events_are_found_in_a_bounded_number_of_requests_a_push(
    caller: Caller, server: IntakeServer
) -> None:
    pushed = events(300)
    poison = {event.text for event in pushed[::10]}
    server.respond = lambda texts, _size: Answer(400) if poison & set(texts) else None
    outcomes = caller.push_all(pushed)
    assert {one.event.text for outcome in outcomes for one in outcome.isolated} == poison
    assert set(server.accepted) == {event.text for event in pushed} - poison
    assert set(server.accepted.values()) == {1}
    assert len(server.requests) <= 105 * len(outcomes)


def test_an_event_alone_in_its_page_does_not_hold_a_quiet_tenant(caller: Caller, server: IntakeServer) -> None:
    caller.intake.push(events(1, start=1000))
    [poison] = pushed = events(1)
    server.respond = lambda texts, _size: Answer(403) if poison.text in texts else None
    outcomes = caller.push_all(pushed)
    assert len(outcomes) == 3
    assert [one.event for one in outcomes[-1].isolated] == [poison]
    # The key worked a moment ago: it is tried again soon, and nobody is asked to look at it.
    assert isinstance(outcomes[0].failure, TransientError)


@pytest.mark.parametrize(
    "status", [403, 500, 0, *(pytest.param(status, marks=pytest.mark.long) for status in (401, 404, 413, 429, 503))]
)
def test_a_refusal_of_everything_is_an_outage_and_isolates_nothing(
    caller: Caller, server: IntakeServer, status: int
) -> None:
    caller.intake.push(events(1, start=1000))
    server.respond = lambda _texts, _size: Answer(status)
    pushed = events(200)
    before = len(server.requests)
    outcomes = caller.push_all(pushed, attempts=60)
    assert all(outcome.remaining == tuple(pushed) for outcome in outcomes)
    assert not any(outcome.isolated or outcome.too_large for outcome in outcomes)
    assert len(server.requests) - before == len(outcomes)  # it is not asked more often for what may be one event
    server.respond = lambda _texts, _size: None
    assert caller.push_all(pushed)[-1].remaining == ()
    assert all(server.accepted[event.text] == 1 for event in pushed)


def test_a_request_that_is_larger_than_the_intake_takes_at_a_time_is_made_smaller(
    caller: Caller, server: IntakeServer
) -> None:
    server.respond = lambda _texts, size: Answer(429) if size > 60_000 else None
    pushed = events(200, size=1000)
    outcomes = caller.push_all(pushed, attempts=20)
    assert not outcomes[-1].remaining
    assert set(server.accepted.values()) == {1}
    assert len(server.requests) < THROTTLED_AT_MOST + 10


@pytest.mark.parametrize("status", [403, 503])
def test_a_refusal_of_everything_leaves_no_small_requests_behind(
    caller: Caller, server: IntakeServer, status: int
) -> None:
    server.respond = lambda _texts, _size: Answer(status) if len(server.requests) <= 4 else None
    caller.push_all(events(500, size=1000))
    before = len(server.requests)
    assert accepted_at_once(caller, events(500, size=1000, start=500)) == 500
    assert len(server.requests) - before == 1


def test_an_outage_on_a_quiet_tenant_isolates_few(caller: Caller, server: IntakeServer, time: Time) -> None:
    caller.intake.push(events(1, start=1000))
    server.respond = lambda _texts, _size: Answer(500)
    isolated = 0
    for number in range(50):
        outcomes = caller.push_all(events(1, start=number), attempts=10)
        isolated += sum(len(outcome.isolated) for outcome in outcomes)
    assert isolated <= 10


def test_an_outage_that_begins_while_parts_are_sent_is_still_an_outage(caller: Caller, server: IntakeServer) -> None:
    pushed = events(500)

    def respond(texts: list[str], _size: int) -> Answer | None:
        return Answer(400) if len(server.requests) > 3 or pushed[0].text in texts else None

    server.respond = respond
    caller.intake.push(events(1, start=1000))
    outcomes = caller.push_all(pushed, attempts=40)
    assert sum(len(outcome.isolated) for outcome in outcomes) < 12
    assert len(server.requests) < 30 + 3 * len(outcomes)


def test_a_relay_that_resets_large_requests_still_gets_everything(caller: Caller, server: IntakeServer) -> None:
    server.respond = lambda _texts, size: Answer(0) if size > 200_000 else None
    first = events(500, size=1500)
    outcomes = caller.push_all(first)
    assert outcomes[-1].remaining == ()
    assert not any(outcome.isolated for outcome in outcomes)
    # What was found is remembered: the next pages begin at a size that passes.
    before = len(server.requests)
    second = events(500, size=1500, start=500)
    assert accepted_at_once(caller, second) == 500
    assert len(server.requests) - before <= 10
    assert all(server.accepted[event.text] == 1 for event in first + second)


def test_the_size_of_requests_is_raised_again_when_the_limit_is_gone(
    caller: Caller, server: IntakeServer, time: Time
) -> None:
    server.respond = lambda _texts, size: Answer(413) if size > 100_000 else None
    caller.push_all(events(200, size=1500))
    server.respond = lambda _texts, _size: None
    used = []
    for number in range(1, 12):
        time.now += 61
        before = len(server.requests)
        assert accepted_at_once(caller, events(200, size=1500, start=200 * number)) == 200
        used.append(len(server.requests) - before)
    assert used[0] > 1
    assert used[-1] == 1


def test_raising_the_size_too_early_costs_little(caller: Caller, server: IntakeServer, time: Time) -> None:
    too_large: list[int] = []

    def respond(_texts: list[str], size: int) -> Answer | None:
        if size > 100_000:
            too_large.append(size)
        return Answer(0) if size > 100_000 else None

    server.respond = respond
    caller.push_all(events(200, size=1500))
    too_large.clear()
    for number in range(1, 100):
        time.now += 61
        assert accepted_at_once(caller, events(120, size=1500, start=200 * number)) == 120
    assert 0 < len(too_large) < 15  # the attempts become rarer and rarer


def accepted_at_once(caller: Caller, pushed: list[Event]) -> int:
    """Push once, and return how many were accepted."""
    return len(caller.intake.push(pushed).accepted)


def test_an_intake_that_hangs_on_large_requests_gets_small_ones(
    caller: Caller, connector: PlatformConnector, server: IntakeServer
) -> None:
    connector.channel.timeout_s = 0.1

    def respond(_texts: list[str], size: int) -> Answer | None:
        if size > 30_000:
            real_time.sleep(1.5)
            return Answer(500)
        return None

    server.respond = respond
    pushed = events(40, size=1500)
    assert caller.push_all(pushed)[-1].remaining == ()
    assert all(server.accepted[event.text] == 1 for event in pushed)


def test_what_helped_a_moment_ago_is_tried_by_the_next_push(caller: Caller, server: IntakeServer) -> None:
    pushed = events(200)
    poison = {pushed[5].text, pushed[150].text}
    server.respond = lambda texts, _size: None if poison.isdisjoint(texts) else Answer(500)
    assert len(caller.push_all(pushed[:100])) == 4
    assert len(caller.push_all(pushed[100:])) == 3


def test_an_intake_that_fails_at_random_has_few_events_isolated(caller: Caller, server: IntakeServer) -> None:
    """Else more were held than the state takes, and the rest became dead letters."""
    seed = random.SystemRandom().getrandbits(32)
    draw = random.Random(seed)

    def respond(_texts: list[str], size: int) -> Answer | None:
        # Small requests are many, and soon single events.
        return Answer(draw.choice((0, 500, 502, 503))) if size > 12_000 or draw.random() < 0.4 else None

    server.respond = respond
    isolated = 0
    for start in range(0, 5000, 500):
        outcomes = caller.push_all(events(500, size=1000, start=start), attempts=200)
        assert not outcomes[-1].remaining
        isolated += sum(len(outcome.isolated) for outcome in outcomes)
    assert isolated < 20, f"{isolated}, seed {seed}"


def test_failures_that_take_long_come_to_an_end_too(caller: Caller, server: IntakeServer, time: Time) -> None:
    """One part that fails takes all the time of a push: the next push goes on from there."""

    def respond(_texts: list[str], size: int) -> Answer | None:
        if size > 30_000:
            time.now += 40
            return Answer(0)
        return None

    server.respond = respond
    pushed = events(200, size=1500)
    outcomes = caller.push_all(pushed)
    assert outcomes[-1].remaining == ()
    assert len(outcomes) < 20


def test_a_short_failure_of_a_small_page_makes_no_small_requests(caller: Caller, server: IntakeServer) -> None:
    server.respond = lambda _texts, _size: Answer(500) if len(server.requests) <= 3 else None
    caller.push_all(events(3))
    before = len(server.requests)
    assert accepted_at_once(caller, events(500, start=10)) == 500
    assert len(server.requests) - before == 1


def test_a_probe_is_not_given_the_time_of_a_page(
    caller: Caller, connector: PlatformConnector, server: IntakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "ANSWER_TIMEOUT_S", 0.1)
    connector.channel.timeout_s = 5

    def respond(texts: list[str], _size: int) -> Answer:
        if len(texts) == 1:
            real_time.sleep(1)
        return Answer(500)

    server.respond = respond
    started = real_time.monotonic()
    caller.push_all(events(3), attempts=3)
    assert real_time.monotonic() - started < 0.9


@pytest.mark.parametrize(
    ("answer", "isolated"),
    [(Answer(0), 1), (Answer(503), 1), (Answer(429), 1), (Answer(200, b"OK"), 0), (Answer(401), 0)],
)
def test_what_may_be_a_fault_of_the_event_alone_and_what_not(
    caller: Caller, server: IntakeServer, answer: Answer, isolated: int
) -> None:
    caller.intake.push(events(1, start=1000))
    server.respond = lambda _texts, _size: answer
    outcomes = caller.push_all(events(1), attempts=10)
    assert sum(len(outcome.isolated) for outcome in outcomes) == isolated


def test_after_an_acceptance_events_can_be_isolated_again(caller: Caller, server: IntakeServer) -> None:
    refused = {event.text for event in events(20)}
    server.respond = lambda texts, _size: None if refused.isdisjoint(texts) else Answer(403)
    isolated = 0
    for number in range(20):
        caller.intake.push(events(1, start=1000 + number))
        outcomes = caller.push_all(events(1, start=number), attempts=5)
        isolated += sum(len(outcome.isolated) for outcome in outcomes)
    assert isolated == 20


def test_a_stop_ends_the_sending_of_parts(intake: Intake, connector: PlatformConnector, server: IntakeServer) -> None:
    pushed = events(200)

    def respond(texts: list[str], _size: int) -> Answer | None:
        if len(server.requests) == 4:
            connector.stop()
        return Answer(403) if pushed[150].text in texts else None

    server.respond = respond
    assert intake.push(pushed).remaining == tuple(pushed)
    outcome = intake.push(pushed)
    assert len(server.requests) == 4
    assert outcome.remaining
    assert len(outcome.accepted) == sum(server.accepted.values())


def test_an_intake_that_is_slow_is_given_more_time(
    intake: Intake, connector: PlatformConnector, server: IntakeServer
) -> None:
    connector.channel.timeout_s = 0.3

    def respond(_texts: list[str], _size: int) -> None:
        real_time.sleep(0.4)

    server.respond = respond
    pushed = events(3)
    outcome = intake.push(pushed)
    assert outcome.failure is not None
    assert outcome.failure.failure.kind is FailureKind.TIMEOUT
    assert intake.push(pushed).accepted == tuple(pushed)


def test_of_several_requests_only_the_refused_one_remains(intake: Intake, server: IntakeServer) -> None:
    pushed = events(50, size=240_000)
    server.respond = lambda texts, _size: Answer(503) if pushed[0].text in texts else None
    outcome = intake.push(pushed)
    assert 0 < len(outcome.accepted) < 50
    assert pushed[0] in outcome.remaining
    server.respond = lambda _texts, _size: None
    assert intake.push(outcome.remaining).accepted == outcome.remaining
    assert set(server.accepted.values()) == {1}


def test_an_event_too_large_for_any_request_does_not_hold_the_others(intake: Intake, server: IntakeServer) -> None:
    small = events(3)
    fits, large = read_event(json.dumps({"p": "x" * 249_991})), read_event(json.dumps({"p": "x" * 249_992}))
    assert (len(fits.text), len(large.text)) == (250_000, 250_001)
    outcome = intake.push([small[0], large, *small[1:], fits])
    assert outcome.accepted == (*small, fits)
    assert outcome.too_large == (large,)
    assert outcome.remaining == ()


def test_an_event_that_the_intake_finds_too_large_is_too_large(intake: Intake, server: IntakeServer) -> None:
    """At most 250 000 characters, but more bytes than that."""
    large = read_event(json.dumps({"p": "é" * 130_000}, ensure_ascii=False))
    server.respond = lambda texts, _size: Answer(413) if large.text in texts else None
    pushed = [*events(5), large, *events(5, start=5)]
    assert intake.push(pushed).in_doubt
    outcome = intake.push(pushed)
    assert outcome.too_large == (large,)
    assert len(outcome.accepted) == 10
    alone = intake.push([large])
    assert (alone.too_large, alone.remaining) == ((large,), ())


def test_two_events_of_one_uuid_are_both_accepted_or_both_remain(intake: Intake, server: IntakeServer) -> None:
    uuid = "00000001-0000-4000-8000-000000000000"
    pushed = [read_event(json.dumps({"uuid": uuid, "n": number})) for number in range(2)]
    server.respond = lambda texts, _size: Answer(503) if pushed[1].text in texts else None
    assert intake.push([pushed[0]]).accepted == (pushed[0],)
    assert intake.push(pushed).remaining == tuple(pushed)


@pytest.mark.parametrize(
    ("answer", "kind", "error"),
    [
        (Answer(307, headers={"Location": "http://127.0.0.1:1/batch"}), FailureKind.REDIRECT, ConfigurationError),
        (Answer(429, headers={"Retry-After": "9"}), FailureKind.STATUS, Throttled),
        (Answer(503, headers={"Retry-After": "9"}), FailureKind.STATUS, TransientError),
        (Answer(401), FailureKind.STATUS, ConfigurationError),
        (Answer(404), FailureKind.STATUS, ConfigurationError),
        (Answer(202), FailureKind.STATUS, TransientError),
        (Answer(0), FailureKind.CONNECTION, TransientError),
    ],
)
def test_a_failure_says_what_the_caller_has_to_do(
    intake: Intake, server: IntakeServer, answer: Answer, kind: FailureKind, error: type[Exception]
) -> None:
    server.respond = lambda _texts, _size: answer
    failure = intake.push(events(1)).failure
    assert failure is not None
    assert type(failure) is error
    assert (failure.failure.kind, failure.failure.status) == (kind, answer.status or None)
    assert getattr(failure, "retry_after", None) == (9 if "Retry-After" in answer.headers else None)


def test_push_one_says_whether_the_event_is_accepted_now(intake: Intake, server: IntakeServer) -> None:
    text = events(1)[0].text
    server.respond = lambda _texts, _size: Answer(403)
    failure = intake.push_one(text)
    assert failure is not None
    assert failure.failure.status == 403
    server.respond = lambda _texts, _size: None
    assert intake.push_one(text) is None
    assert server.accepted[text] == 1


def test_an_intake_that_is_slow_for_everything_gets_the_whole_request_again(
    caller: Caller, connector: PlatformConnector, server: IntakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single events alone, at no more than the first timeout, would never be accepted."""
    monkeypatch.setattr(channel, "ANSWER_TIMEOUT_S", 0.1)
    connector.channel.timeout_s = 0.1

    def respond(_texts: list[str], _size: int) -> None:
        real_time.sleep(0.3)

    server.respond = respond
    outcomes = caller.push_all(events(20), attempts=8)
    assert not outcomes[-1].remaining


def test_an_intake_that_hangs_for_a_single_event_gives_pages_no_more_time(
    intake: Intake, connector: PlatformConnector, server: IntakeServer
) -> None:
    connector.channel.timeout_s = before = 0.1
    server.respond = lambda _texts, _size: real_time.sleep(0.5)
    failure = intake.push_one(events(1)[0].text)
    assert failure is not None
    assert failure.failure.kind is FailureKind.TIMEOUT
    assert connector.channel.timeout_s == before


def test_a_refusal_is_in_doubt_until_single_events_have_been_refused_too(caller: Caller, server: IntakeServer) -> None:
    server.respond = lambda _texts, _size: Answer(403)
    outcomes = caller.push_all(events(20), attempts=4)
    assert [outcome.in_doubt for outcome in outcomes] == [True, True, False, False]
    assert [len(texts) for texts in server.requests] == [20, 1, 1, 1]
    assert len({texts[0] for texts in server.requests[1:]}) == 3


def test_what_says_nothing_of_the_events_is_in_no_doubt(intake: Intake, server: IntakeServer) -> None:
    server.respond = lambda _texts, _size: Answer(503)
    assert not intake.push(events(20)).in_doubt


def test_whether_others_are_accepted_is_known(caller: Caller, server: IntakeServer, time: Time) -> None:
    assert not caller.intake.accepted_within(120)
    caller.intake.push(events(1))
    time.now += 100
    assert caller.intake.accepted_within(120)
    assert not caller.intake.accepted_within(99)
    server.respond = lambda _texts, _size: Answer(503)
    caller.intake.push_one(events(1)[0].text)
    time.now += 30
    assert not caller.intake.accepted_within(120)
    server.respond = lambda _texts, _size: None
    caller.intake.push_one(events(1)[0].text)
    assert caller.intake.accepted_within(1)


def test_a_lone_surrogate_reaches_the_intake(intake: Intake, server: IntakeServer) -> None:
    event = read_event('{"n": "\ud83d"}')
    assert intake.push([event]).accepted == (event,)
    assert server.accepted[event.text] == 1


def test_a_stopped_connector_sends_what_it_was_given_but_no_parts(
    intake: Intake, connector: PlatformConnector, server: IntakeServer
) -> None:
    pushed = events(10)
    connector.stop()
    server.respond = lambda texts, _size: Answer(403) if pushed[0].text in texts else None
    assert intake.push(pushed).remaining == tuple(pushed)
    assert len(server.requests) == 1
    assert intake.push(pushed[1:]).accepted == tuple(pushed[1:])


def test_what_the_sdk_could_not_send_remains(intake: Intake, connector: PlatformConnector) -> None:
    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    connector._executor = closed
    pushed = events(3)
    outcome = intake.push(pushed)
    assert outcome.remaining == tuple(pushed)
    assert isinstance(outcome.failure, TransientError)
    assert isinstance(intake.push_one(pushed[0].text), TransientError)


def test_nothing_pushed_sends_nothing(intake: Intake, server: IntakeServer) -> None:
    assert intake.push([]).accepted == ()
    assert server.requests == []


def test_an_address_where_nobody_listens_is_no_reason_to_isolate(tmp_path: Path) -> None:
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        for _ in range(4):
            outcome = connector.intake.push(events(2))
            assert len(outcome.remaining) == 2
            assert outcome.failure is not None
            assert outcome.failure.failure.kind is FailureKind.CONNECTION
