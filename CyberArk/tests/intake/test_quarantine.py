"""What becomes of what the intake rejects, in virtual time: by cases, and by a day of each kind of outage."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cyberark_modules.errors import FailureKind
from cyberark_modules.files import DiskFile
from cyberark_modules.intake.dead_letters import FILE_NAME
from intake.world import BLOCK_PAGE, EMPTY, NOT_INTAKE, RESET, SILENCE, Caller, Rule, events, named

KINDS = {"403": 403, "500": 500, "block page": BLOCK_PAGE, "silence": SILENCE, "reset": RESET}


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    """A caller whose intake has accepted two events."""
    caller = Caller(tmp_path)
    caller.arrive(events(2))
    caller.run(5)
    assert len(caller.http.accepted) == 2
    return caller


def all_but(texts: set[str], answer: int) -> Rule:
    """Accept everything but requests that hold one of those."""
    return lambda sent, _now: answer if texts & set(sent) else 200


def until(end: float, answer: int) -> Rule:
    return lambda _sent, now: answer if now < end else 200


@pytest.fixture
def letters(tmp_path: Path) -> list[str]:
    """Twelve texts that a start finds in the file."""
    texts = [r'{"cut": "\ud83d"}', '{"uuid": 3}', *(event.text for event in events(10, 9000))]
    lines = [json.dumps({"uuid": None, "status": 403, "refused_at": "2026-01-31", "text": text}) for text in texts]
    (tmp_path / FILE_NAME).write_text("\n".join(lines))
    return texts


@pytest.mark.parametrize("answer", [200, EMPTY])
def test_an_accepted_push_is_one_request(tmp_path: Path, answer: int) -> None:
    caller = Caller(tmp_path)
    caller.http.rule = lambda *_: answer
    caller.arrive(events(500))
    outcome = caller.push()
    assert (outcome.accepted, len(outcome.done), outcome.remaining, outcome.pause_s) == (500, 500, (), 0.0)
    assert len(caller.http.requests) == 1


@pytest.mark.parametrize("body", [b"OK", b"", b"[]", b"null", b'{"status": "up"}', b'{"event_ids": null}', b"\xff"])
def test_another_200_is_no_intake(tmp_path: Path, body: bytes) -> None:
    caller = Caller(tmp_path)
    caller.http.rule, caller.http.content = lambda *_: NOT_INTAKE, body
    caller.arrive(events(3))
    outcome = caller.push()
    assert len(outcome.remaining) == 3
    [(_, error)] = caller.intake._failed
    assert error.failure.kind is FailureKind.SHAPE


@pytest.mark.parametrize("rate", [0, 20], ids=["quiet", "20/s"])
@pytest.mark.parametrize("answer", KINDS.values(), ids=KINDS)
def test_one_rejected_event_delays_no_other(caller: Caller, answer: int, rate: int) -> None:
    page = events(100, 1000)
    rejected = page[57]
    caller.http.rule = all_but({rejected.text}, answer)
    caller.arrive(page)
    caller.run(300, rate)
    caller.arrive(events(3, 5000))
    caller.run(300)
    assert caller.in_file() == [rejected.text]
    assert all(event.text in caller.http.accepted for event in page if event is not rejected)
    assert max(at - caller.arrived_at[text] for text, at in caller.http.accepted_at.items()) < 60
    [line] = caller.errors
    assert f"The intake rejected event {rejected.uuid} (" in line
    assert set(caller.http.accepted.values()) == {1}
    assert all(outcome.failure is None for outcome in caller.outcomes)


@pytest.mark.parametrize("answer", KINDS.values(), ids=KINDS)
def test_a_rejected_event_alone_blames_nothing_and_holds_nothing(caller: Caller, answer: int) -> None:
    rejected, *later = events(6, 1000)
    caller.http.rule = all_but({rejected.text}, answer)
    caller.arrive([rejected])
    for event in later:
        caller.run(60)
        caller.arrive([event])
        caller.run(2)
        assert event.text in caller.http.accepted
    caller.run(300)
    assert caller.in_file() == [rejected.text]
    assert len(caller.errors) == 1
    assert all(outcome.failure is None for outcome in caller.outcomes)


def test_many_rejected_events_are_found(caller: Caller) -> None:
    page = events(500, 1000)
    rejected = {event.text for event in page[::10]}
    caller.http.rule = all_but(rejected, 403)
    caller.arrive(page)
    caller.run(900, 20)
    assert set(caller.in_file()) == rejected
    assert len(caller.errors) == len(rejected)


@pytest.mark.parametrize("answer", [403, SILENCE, 503, 429], ids=["403", "silence", "503", "429"])
def test_an_outage_of_an_hour_is_bounded_and_heals(caller: Caller, answer: int) -> None:
    caller.run(60, 20)
    started = caller.timeline.now
    end = started + 3600
    caller.http.rule = until(end, answer)
    before = len(caller.http.requests)
    caller.run(3600, 5, 60.0)
    times = [at for at, _, _ in caller.http.requests[before:]]
    late = [at for at in times if at > started + 600]
    assert len(late) <= (3600 - 600) / 60 + 2
    assert len(times) - len(late) <= 600
    assert caller.quarantined == (0 if answer == 429 else 5)  # after 3, 6, 12, 24 and 48 failures
    assert caller.outcomes[-1].failure is not None
    in_file = set(caller.in_file())
    caller.run(600, 20)
    assert caller.in_file() == []
    assert in_file <= set(caller.http.accepted)
    assert set(caller.http.accepted.values()) == {1}
    assert max(caller.http.accepted_at[text] for text, at in caller.arrived_at.items() if at < end) < end + 600


@pytest.mark.parametrize("answer", [403, 500])
def test_sixty_percent_of_requests_fail(caller: Caller, answer: int) -> None:
    dice, end = random.Random(7), caller.timeline.now + 300
    caller.http.rule = lambda _sent, now: answer if now < end and dice.random() < 0.6 else 200
    caller.run(300, 20)
    assert len(caller.pending) + len(caller.waiting) < 1000
    caller.run(300, 20)
    assert caller.in_file() == []
    assert set(caller.http.accepted.values()) == {1}
    assert len(caller.http.accepted) >= len(caller.arrived_at) - 100


def test_a_relay_of_one_request_a_second(caller: Caller) -> None:
    last = [0.0]

    def relay(_sent: list[str], now: float) -> int:
        if now - last[0] < 1:
            return 503
        last[0] = now
        return 200

    caller.http.rule = relay
    before = len(caller.http.requests)
    caller.arrive(events(20_000, 100_000))
    caller.run(600, 20, 1.0)
    assert len(caller.http.requests) - before <= 610
    assert caller.in_file() == []
    assert len(caller.http.accepted) > len(caller.arrived_at) - 100


def test_a_throttled_push_puts_nothing_in_the_file_and_waits_as_requested(caller: Caller) -> None:
    caller.http.rule, caller.http.headers = until(caller.timeline.now + 400, 429), {"Retry-After": "100"}
    caller.arrive(events(10, 1000))
    started = caller.timeline.now
    caller.run(390)
    assert [round(at - started) for at, _, answer in caller.http.requests if answer == 429] == [0, 100, 200, 300]
    assert caller.in_file() == []
    caller.run(60)
    assert len(caller.http.accepted) == 12


def test_a_size_that_does_not_pass_is_halved_for_an_hour(caller: Caller) -> None:
    caller.http.rule = lambda sent, _now: 413 if sum(map(len, sent)) > 50_000 else 200
    caller.arrive(events(2000, 1000, 400))
    caller.run(120)
    refused = sum(answer == 413 for _, _, answer in caller.http.requests)
    assert len(caller.http.accepted) == 2002
    assert caller.in_file() == []
    caller.arrive(events(2000, 10_000, 400))
    caller.run(3000)
    assert sum(answer == 413 for _, _, answer in caller.http.requests) == refused
    caller.run(600)
    caller.arrive(events(2000, 20_000, 400))
    caller.run(120)
    assert sum(answer == 413 for _, _, answer in caller.http.requests) > refused
    assert len(caller.http.accepted) == 6002


def test_an_event_that_is_too_large_alone_is_a_dead_letter(caller: Caller) -> None:
    [large] = events(1, 1000, 100_000)
    caller.http.rule = lambda sent, _now: 413 if sum(map(len, sent)) > 50_000 else 200
    caller.arrive([large, *events(5, 2000)])
    caller.run(60, 20)
    assert caller.in_file() == [large.text]


def test_what_no_request_can_hold_is_counted(caller: Caller) -> None:
    large, *others = named("x" * 250_001, "x" * 250_000, "y")
    outcome = caller.intake.push([large, *others])
    assert (outcome.accepted, len(outcome.done), outcome.too_large, outcome.remaining) == (2, 3, (large,), ())


def test_a_slow_intake_is_given_its_whole_deadline(caller: Caller) -> None:
    """From one moment on it accepts after 20 s: what it is sent before that is known may be sent twice."""
    caller.http.latency_s = 20.0
    caller.run(1500, 20)
    twice = sum(count - 1 for count in caller.http.accepted.values())
    assert twice <= 400
    caller.run(600, 20)
    assert sum(count - 1 for count in caller.http.accepted.values()) == twice
    assert caller.in_file() == []


def test_an_executor_that_is_closed_accepts_nothing(caller: Caller) -> None:
    def closed(_texts: list[str]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    caller.intake._sdk_push = closed
    outcome = caller.intake.push(events(2, 1000))
    assert (len(outcome.remaining), outcome.failure) == (2, None)


@pytest.mark.parametrize("step", [lambda: None, lambda: 1 / 0])
def test_a_defect_on_the_way_is_a_failed_request(caller: Caller, step: Callable[[], object]) -> None:
    caller.http.step = step  # type: ignore[assignment]
    outcome = caller.intake.push(events(2, 1000))
    assert len(outcome.remaining) == (0 if outcome.accepted else 2)


def test_a_throttled_resend_waits_and_is_not_cut(tmp_path: Path, letters: list[str]) -> None:
    caller = Caller(tmp_path)
    caller.http.rule = until(caller.timeline.now + 60, 429)
    caller.run(50)
    assert caller.in_file() == letters
    assert {len(sent) for _, sent, answer in caller.http.requests if answer == 429} == {2}
    caller.run(120)
    assert set(letters) <= set(caller.http.accepted)


def test_a_file_that_could_not_be_written_is_written_later(
    tmp_path: Path, letters: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    caller = Caller(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(DiskFile, "write", full)
        caller.run(30)
        assert set(caller.http.accepted) == set(letters)
        assert caller.in_file() == letters
    caller.run(2)
    assert caller.in_file() == []
