"""Delivery: everything is pushed until it is accepted, held, or too large; nothing waits for one event."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from collection.values import NOW, OVERLAP_MS, checkpoint
from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.audit_api.events import Event, read_event
from cyberark_modules.checkpoint.value import Checkpoint, Held
from cyberark_modules.clock import TenantClock
from cyberark_modules.collection.delivery import (
    HELD_AT_LEAST_MS,
    HELD_AT_MOST,
    HELD_ATTEMPTS,
    HELD_CHARACTERS_AT_MOST,
    HELD_RETRY_S,
    HELD_WITHOUT_FILE_AT_MOST,
    HELD_WITHOUT_FILE_CHARACTERS_AT_MOST,
    LETTERS_COUNTED_S,
    Delivered,
    Delivery,
)
from cyberark_modules.collection.surroundings import Surroundings
from cyberark_modules.intake import DeadLetters, Intake
from cyberark_modules.intake.dead_letters import FILE_NAME
from cyberark_modules.platform import stop
from cyberark_modules.platform.background import Background
from cyberark_modules.platform.connector import PlatformConnector
from cyberark_modules.platform.stop import Stop, Stopping
from cyberark_modules.telemetry.reporter import Reporter
from fakes.connector import connector_to, events
from fakes.intake_server import Answer, IntakeServer
from fakes.scene import FakeClock


class Scenery:
    """A delivery to an intake on loopback."""

    def __init__(self, connector: PlatformConnector, server: IntakeServer, clock: FakeClock, folder: Path) -> None:
        self.server, self.clock, self.folder = server, clock, folder
        self.lines: list[tuple[str, str]] = []
        self.confirmed: list[Delivered] = []
        self.forwarded = 0
        self.stop = threading.Event()
        around = Surroundings(
            clock,
            TenantClock(clock),
            Background(self.stop, clock),
            Stop(self.stop, clock.monotonic),
            lambda: None,
            OVERLAP_MS,
        )
        reporter = Reporter(
            lambda text, level: self.lines.append((level, text)), clock.monotonic, clock.now_ms, lambda: 0.0
        )
        self.delivery = Delivery(
            around,
            Intake(connector.channel, monotonic=clock.monotonic),
            DeadLetters(folder),
            reporter,
            Backoff(),
            clock.monotonic,
            self.forward,
            lambda: None,
        )

    def forward(self, accepted: int, _too_large: int, _seconds: float) -> None:
        self.forwarded += accepted

    def push(self, pushed: list[Event], held: tuple[Held, ...] = ()) -> None:
        self.delivery.push(pushed, held, self.clock.now_ms(), self.confirmed.append)

    def stop_after(self, seconds: float) -> None:
        self.clock.alarms.append((self.clock.passed + seconds, self.stop.set))

    def retry(self, state: Checkpoint) -> Checkpoint:
        """Wait until a held event is due, and push it."""
        if state.held:
            self.clock.passed += self.delivery.held_wait_s(state)
        return self.delivery.retry_held(state, self.clock.now_ms())

    @property
    def texts(self) -> list[str]:
        """What was settled, in that order."""
        return [event.text for each in self.confirmed for event in each.done]


@pytest.fixture
def scenery(tmp_path: Path) -> Iterator[Scenery]:
    with IntakeServer() as server, connector_to(server.url, tmp_path) as connector:
        yield Scenery(connector, server, FakeClock(), tmp_path)


def test_what_the_intake_accepts_is_confirmed_and_nothing_is_waited_for(scenery: Scenery) -> None:
    pushed = events(20)
    scenery.push(pushed)
    assert scenery.texts == [event.text for event in pushed]
    assert (scenery.clock.waits, scenery.lines, scenery.forwarded) == ([], [], 20)
    scenery.push([])
    assert len(scenery.server.requests) == 1


def test_during_an_outage_everything_is_retried_at_growing_pauses_of_a_minute_at_most(scenery: Scenery) -> None:
    times: list[float] = []

    def respond(_texts: list[str], _size: int) -> Answer | None:
        times.append(scenery.clock.passed)
        return Answer(503) if len(set(times)) <= 40 else None

    scenery.server.respond = respond
    scenery.push(events(3))
    pauses = [later - earlier for earlier, later in pairwise(sorted(set(times)))]
    assert len(scenery.texts) == 3
    assert len(pauses) == 40
    assert pauses[0] <= 1
    assert 40 < pauses[-1] <= 60
    assert max(pauses) <= 60
    assert [level for level, _ in scenery.lines] == ["warning", "info"]
    assert set(scenery.server.accepted.values()) == {1}


@pytest.mark.parametrize("asked", [{"Retry-After": "7"}, {}])
def test_an_intake_that_limits_the_rate_is_waited_for_and_no_event_is_blamed(
    scenery: Scenery, asked: dict[str, str]
) -> None:
    """It accepts a request every seven seconds. Smaller requests would only be more of them."""
    times = [-7.0]
    refused: list[float] = []

    def respond(_texts: list[str], _size: int) -> Answer | None:
        if scenery.clock.passed - times[-1] < 7:
            refused.append(scenery.clock.passed)
            return Answer(429, headers=asked)
        times.append(scenery.clock.passed)
        return None

    scenery.server.respond = respond
    pushed = events(600)
    for start in range(0, 600, 60):
        scenery.push(pushed[start : start + 60])
    assert scenery.texts == [event.text for event in pushed]
    assert not any(each.held for each in scenery.confirmed)
    assert set(scenery.server.accepted.values()) == {1}
    assert len(times) == 1 + 10  # no request was made smaller
    if asked:
        assert all(later - earlier >= 7 for earlier, later in pairwise(refused))


def test_after_part_was_accepted_a_429_is_waited_for_as_long_as_it_asks_and_blames_no_event(scenery: Scenery) -> None:
    requests: list[int] = []

    def respond(texts: list[str], _size: int) -> Answer | None:
        requests.append(len(texts))
        return Answer(429, headers={"Retry-After": "30"}) if len(texts) == 1 and requests.count(1) == 1 else None

    scenery.server.respond = respond
    scenery.push(events(48, size=200_000))  # the last of them in a request of its own
    assert sorted(requests) == [1, 1, 47]
    assert sum(scenery.clock.waits) >= 30
    assert not any(each.held for each in scenery.confirmed)


def test_a_stop_during_an_outage_ends_the_push_and_settles_nothing(scenery: Scenery) -> None:
    scenery.server.respond = lambda _texts, _size: Answer(503)
    scenery.stop_after(2)
    with pytest.raises(Stopping):
        scenery.push(events(3))
    assert scenery.confirmed == []


def test_what_was_accepted_before_a_stop_is_confirmed(scenery: Scenery) -> None:
    """One of three requests is refused, then the connector stops."""
    big = events(90, size=235_000)  # of which the SDK makes three requests
    refused = big[45].text
    scenery.server.respond = lambda texts, _size: Answer(503) if refused in texts else None
    scenery.stop_after(0.5)
    with pytest.raises(Stopping):
        scenery.push(big)
    assert 0 < len(scenery.texts) < len(big)
    assert set(scenery.texts) == set(scenery.server.accepted)
    assert refused not in scenery.texts


def test_an_event_of_exactly_the_intakes_limit_is_delivered_and_one_character_more_is_left_out(
    scenery: Scenery,
) -> None:
    def of_length(length: int, uuid: str) -> Event:
        head = json.dumps({"uuid": uuid, "p": ""})
        text = head[:-2] + "x" * (length - len(head)) + head[-2:]
        assert len(text) == length
        return read_event(text)

    fits = of_length(250_000, "00000001-0000-4000-8000-000000000000")
    too_large = of_length(250_001, "00000002-0000-4000-8000-000000000000")
    scenery.push([fits, too_large, *events(1, start=9)])
    assert scenery.server.accepted[fits.text] == 1
    assert too_large.text not in scenery.server.accepted
    assert set(scenery.texts) == {fits.text, too_large.text, *(event.text for event in events(1, start=9))}
    [(level, line)] = scenery.lines
    assert level == "error"
    assert "00000002-0000-4000-8000-000000000000" in line


def refusing(scenery: Scenery, *refused: Event, status: int = 400) -> None:
    texts = {event.text for event in refused}
    scenery.server.respond = lambda pushed, _size: Answer(status) if texts & set(pushed) else None


def test_an_event_that_is_refused_by_itself_is_held_and_everything_else_delivered(scenery: Scenery) -> None:
    pushed = events(50)
    refusing(scenery, pushed[20])
    scenery.push(pushed)
    assert len(scenery.server.accepted) == 49
    assert set(scenery.texts) == {event.text for event in pushed}
    [held] = [each for part in scenery.confirmed for each in part.held]
    assert (held.text, held.uuid, held.status, held.attempts) == (pushed[20].text, pushed[20].uuid, 400, 1)
    assert any(str(pushed[20].uuid) in line for level, line in scenery.lines if level == "warning")


@pytest.mark.parametrize(
    "full",
    [(Held("{}", None, 400, NOW),) * HELD_AT_MOST, (Held("x" * HELD_CHARACTERS_AT_MOST, None, 400, NOW),)],
    ids=["events", "characters"],
)
def test_what_is_refused_beyond_what_the_state_can_hold_is_set_aside(scenery: Scenery, full: tuple[Held, ...]) -> None:
    pushed = events(20)
    refusing(scenery, pushed[3])
    scenery.push(pushed, full)
    assert len(scenery.server.accepted) == 19
    assert pushed[3].text in scenery.texts
    [delivered] = scenery.confirmed[-1:]
    assert delivered.held == ()
    [letter] = (scenery.folder / FILE_NAME).read_text().splitlines()
    assert json.loads(letter)["text"] == pushed[3].text


def test_what_cannot_be_set_aside_is_held_beyond_that(scenery: Scenery) -> None:
    pushed = events(20)
    refusing(scenery, pushed[3], pushed[7])
    (scenery.folder / FILE_NAME).mkdir()
    scenery.push(pushed, (Held("{}", None, 400, NOW),) * (HELD_WITHOUT_FILE_AT_MOST - 2))
    assert len(scenery.server.accepted) == 18
    assert sum(len(each.held) for each in scenery.confirmed) == 2
    assert sum(level == "error" for level, _ in scenery.lines) == 1


@pytest.mark.parametrize(
    "full",
    [
        (Held("{}", None, 400, NOW),) * HELD_WITHOUT_FILE_AT_MOST,
        (Held("x" * HELD_WITHOUT_FILE_CHARACTERS_AT_MOST, None, 400, NOW),),
    ],
    ids=["events", "characters"],
)
def test_what_can_neither_be_held_nor_set_aside_is_pushed_again(scenery: Scenery, full: tuple[Held, ...]) -> None:
    pushed = events(20)
    refusing(scenery, pushed[3])
    (scenery.folder / FILE_NAME).mkdir()
    scenery.stop_after(20)
    with pytest.raises(Stopping):
        scenery.push(pushed, full)
    assert len(scenery.server.accepted) == 19
    assert pushed[3].text not in scenery.texts


def refusing_held(scenery: Scenery) -> None:
    """Refuse what these tests hold, numbers for events, and accept others."""
    scenery.server.respond = lambda pushed, _size: Answer(400) if any(text.isdigit() for text in pushed) else None


def holding(*held: Held) -> Checkpoint:
    return replace(checkpoint(), held=held)


def test_a_held_event_that_is_accepted_is_no_longer_held(scenery: Scenery) -> None:
    state = scenery.retry(holding(Held("{}", "some-uuid", 400, NOW)))
    assert state.held == ()
    assert scenery.server.accepted["{}"] == 1
    assert scenery.forwarded == 1
    assert any("some-uuid" in line for _, line in scenery.lines)
    assert scenery.retry(state) is state


def test_a_held_event_is_retried_for_a_while_then_set_aside(scenery: Scenery) -> None:
    [poison] = events(1)
    refusing(scenery, poison)
    scenery.push(events(1, start=5))
    state = holding(Held(poison.text, poison.uuid, 400, scenery.clock.now_ms()))
    started, attempts = scenery.clock.passed, 1
    while state.held and attempts < 50:
        scenery.clock.passed += 1
        scenery.push(events(1, start=100 + attempts))  # others are accepted meanwhile
        state, attempts = scenery.retry(state), attempts + 1
    assert attempts >= HELD_ATTEMPTS
    assert scenery.clock.passed - started >= HELD_AT_LEAST_MS / 1000
    [letter] = (scenery.folder / FILE_NAME).read_text().splitlines()
    assert json.loads(letter) | {"refused_at": ""} == {
        "uuid": poison.uuid,
        "status": 400,
        "refused_at": "",
        "text": poison.text,
    }
    assert any(level == "error" and str(poison.uuid) in line for level, line in scenery.lines)


def test_while_the_intake_refuses_everything_nothing_is_set_aside(scenery: Scenery) -> None:
    scenery.server.respond = lambda _texts, _size: Answer(400)
    state = holding(Held("{}", None, 400, scenery.clock.now_ms()))
    before = scenery.clock.passed
    for _ in range(30):
        state = scenery.retry(state)
    assert [each.attempts for each in state.held] == [1]
    assert not (scenery.folder / FILE_NAME).exists()
    assert scenery.clock.passed - before >= 29 * HELD_RETRY_S


def test_held_events_are_retried_in_turn(scenery: Scenery) -> None:
    refusing_held(scenery)
    state = holding(Held("1", None, 400, NOW), Held("2", None, 400, NOW))
    scenery.clock.passed += 1
    scenery.push(events(1))
    state = scenery.retry(state)
    assert [(each.text, each.attempts) for each in state.held] == [("2", 1), ("1", 2)]
    assert scenery.delivery.held_wait_s(state) == HELD_RETRY_S / 2
    assert scenery.delivery.retry_held(state, NOW) is state


def test_once_a_held_event_is_accepted_the_others_follow_at_once_and_are_held_again(scenery: Scenery) -> None:
    state = holding(*(Held(str(number), None, 503, NOW, HELD_ATTEMPTS + 3) for number in range(20)))
    state = scenery.retry(state)
    assert {each.attempts for each in state.held} == {1}
    while state.held:
        assert scenery.delivery.held_wait_s(state) == 0
        state = scenery.retry(state)
    assert len(scenery.server.accepted) == 20


def test_in_an_outage_many_held_events_are_asked_about_no_more_often_than_one(scenery: Scenery) -> None:
    scenery.server.respond = lambda _texts, _size: Answer(503)
    state = holding(*(Held(str(number), None, 503, NOW) for number in range(HELD_AT_MOST)))
    started = scenery.clock.passed
    for _ in range(10):
        state = scenery.retry(state)
    assert scenery.clock.passed - started >= 9 * HELD_RETRY_S


def test_a_stop_while_the_intake_hangs_for_a_held_event_keeps_it_and_is_orderly(
    scenery: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "STOP_WITHIN_S", 0.3)
    answered = threading.Event()

    def hang(_texts: list[str], _size: int) -> None:
        answered.wait(20)

    scenery.server.respond = hang
    threading.Timer(0.3, scenery.stop.set).start()
    started = time.monotonic()
    with pytest.raises(Stopping):
        scenery.retry(holding(Held("{}", None, 400, NOW)))
    answered.set()
    assert time.monotonic() - started < 2
    [(level, line)] = scenery.lines
    assert (level, "it is unknown whether 1 events were accepted" in line) == ("error", True)


def test_one_refused_event_does_not_blame_the_intake_key(scenery: Scenery) -> None:
    pushed = events(50)
    refusing(scenery, pushed[20], status=403)
    scenery.push(pushed)
    assert len(scenery.server.accepted) == 49
    assert [level for level, _ in scenery.lines] == ["warning"]
    assert scenery.clock.passed < 3


def test_a_refused_intake_key_is_reported_within_seconds_then_asked_about_every_few_minutes(scenery: Scenery) -> None:
    scenery.server.respond = lambda _texts, _size: Answer(403)
    scenery.clock.alarms.append((5.0, lambda: reported.extend(scenery.lines)))
    reported: list[tuple[str, str]] = []
    scenery.stop_after(600)
    with pytest.raises(Stopping):
        scenery.push(events(50))
    assert [level for level, _ in reported] == ["critical"]
    assert len(scenery.server.requests) <= 7


def test_an_event_that_cannot_be_set_aside_stays_held_and_that_is_said_once(scenery: Scenery) -> None:
    [poison] = events(1)
    refusing(scenery, poison)
    (scenery.folder / FILE_NAME).mkdir()
    state = holding(Held(poison.text, None, 400, scenery.clock.now_ms() - HELD_AT_LEAST_MS, HELD_ATTEMPTS))
    for number in range(3):
        scenery.push(events(1, start=5 + number))
        state = scenery.retry(state)
    assert len(state.held) == 1
    assert [level for level, _ in scenery.lines] == ["error"]


def test_many_held_events_are_not_retried_more_often_than_fifty(scenery: Scenery) -> None:
    refusing_held(scenery)
    scenery.clock.passed += 1
    scenery.push(events(1))
    state = holding(*(Held(str(number), None, 400, NOW) for number in range(1000)))
    assert scenery.delivery.held_wait_s(scenery.retry(state)) == pytest.approx(HELD_RETRY_S / HELD_AT_MOST)


def test_how_many_letters_the_file_holds_is_shown_from_the_start_until_a_person_has_removed_it(
    scenery: Scenery,
) -> None:
    def shown_becomes(count: int) -> bool:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            scenery.delivery.retry_held(holding(), NOW)
            if REGISTRY.get_sample_value("symphony_module_cyberark_dead_letters") == count:
                return True
            time.sleep(0.01)
        return False

    (scenery.folder / FILE_NAME).write_text("{}\n{}\n")
    assert shown_becomes(2)
    (scenery.folder / FILE_NAME).unlink()
    scenery.clock.passed += LETTERS_COUNTED_S
    assert shown_becomes(0)
