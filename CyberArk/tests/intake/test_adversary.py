"""An intake with several faults at once: whatever they are, every event is in one place, and accepted once."""

import random
from collections import Counter

import pytest

from cyberark_modules.audit_api.events import Event
from fakes.connector import Time, events
from fakes.intake_server import Answer, IntakeServer
from intake.conftest import Caller

STATUSES = [0, 400, 403, 413, 429, 500, 503]


class Adversary:
    """Refuses some events, large requests, requests at random, and everything for a while."""

    def __init__(self, rng: random.Random, pushed: list[Event]) -> None:
        self._rng = rng
        self.poison = {event.text for event in rng.sample(pushed, rng.choice([0, 1, 3, 20]))}
        self._limit = rng.choice([10**9, 10**9, 60_000, 200_000])
        self._flaky = rng.choice([0.0, 0.0, 0.2])
        self._answers = {cause: Answer(rng.choice(STATUSES)) for cause in ("poison", "limit", "flaky", "outage")}
        self.is_down = False

    def __call__(self, texts: list[str], size: int) -> Answer | None:
        causes = [
            ("outage", self.is_down),
            ("poison", not self.poison.isdisjoint(texts)),
            ("limit", size > self._limit),
            ("flaky", self._rng.random() < self._flaky),
        ]
        return next((self._answers[cause] for cause, holds in causes if holds), None)


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(5, 30))])
def test_every_event_is_in_one_place(caller: Caller, server: IntakeServer, time: Time, seed: int) -> None:
    rng = random.Random(seed)
    pushed = events(1200, size=800)
    adversary = server.respond = Adversary(rng, pushed)
    held: list[Event] = []
    for start in range(0, len(pushed), 200):
        page = pushed[start : start + 200]
        adversary.is_down = rng.random() < 0.2
        remaining, attempts = tuple(page), 0
        while remaining:
            outcome = caller.intake.push(remaining)
            isolated = [one.event for one in outcome.isolated]
            places = Counter(event.key for event in (*outcome.accepted, *isolated, *outcome.remaining))
            assert places == Counter(event.key for event in remaining)
            held += isolated
            remaining = outcome.remaining
            attempts += 1
            time.now += 0 if outcome.made_progress else 2 ** min(attempts, 6)
            if attempts == 8:
                adversary.is_down = False
            assert attempts < 60, "it does not come to an end"
    assert adversary.poison <= {event.text for event in held}
    refused = {event.text for event in held}
    assert set(server.accepted) == {event.text for event in pushed} - refused
    for event in held:
        if event.text not in adversary.poison:
            while caller.intake.push_one(event.text):
                pass
    assert server.accepted == Counter(event.text for event in pushed if event.text not in adversary.poison)
    assert len(held) < len(adversary.poison) + 60
