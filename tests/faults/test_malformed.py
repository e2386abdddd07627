"""Events of any form among good ones: each goes through as the API sent it, and none holds or moves anything."""

import json
import random
from datetime import datetime

import pytest

from faults.scene import Scene
from sandbox.events.malformed import malformed_events
from sandbox.simulation import Simulation

ROUNDS = 5


def with_malformed(scene: Scene) -> dict[str, str]:
    """Good events, with malformed ones of every kind among them; returns the last of each kind."""
    scene.tenant.add_backlog(1500, 600)
    events: dict[str, str] = {}
    now = scene.sandbox.clock()
    for number in range(ROUNDS):
        at = now - 500 + 100 * number
        events = malformed_events(at, scene.rng)
        for text in events.values():
            scene.tenant.add(text, time=at)
    return events


def test_malformed_events_go_through_as_they_are_and_are_not_sent_again() -> None:
    """Over half an hour of simulated time, in which lookbacks and a reconciliation show each of them many times."""
    with Simulation(3) as simulation:
        environment = simulation.environment
        environment.tenant.add_backlog(1500, 600)
        rng = random.Random(3)
        for number in range(ROUNDS):
            at = simulation.now - 500 + 100 * number
            for text in malformed_events(at, rng).values():
                environment.tenant.add(text, time=at)
        environment.tenant.produce(2)
        simulation.start()
        simulation.run_for(2000)
        environment.tenant.stop_production()
        assert simulation.run_until(lambda: environment.ledger.snapshot().waiting <= 0, within=600)
        seen, index = environment.ledger.snapshot(), environment.ledger.index
        assert (environment.ledger.lost(), seen.duplicates, seen.altered) == ([], 0, 0)
        assert seen.accepted == len(index) - ROUNDS
        for sequence in index.too_large:
            uuid = json.loads(index.text(sequence))["uuid"]
            assert sum(uuid in line for line in simulation.said("error")) == 1
        assert not any("Unexpected error" in line for line in simulation.said("error"))


@pytest.mark.long
def test_malformed_events_go_through_as_they_are_and_come_once(scene: Scene) -> None:
    """What the intake cannot take is reported once with its uuid, counted, and holds nothing."""
    events = with_malformed(scene)
    too_large = [scene.ledger.index.text(sequence).decode() for sequence in scene.ledger.index.too_large]
    scene.tenant.produce(20)
    scene.start()
    # The second query shows them all again: what has no uuid or no date is known by its content.
    scene.until_lookbacks(2)
    reported = [scene.said("larger than the intake accepts", json.loads(text)["uuid"]) for text in too_large]
    counted = scene.metric("symphony_module_cyberark_events_total", outcome="too_large")
    position = datetime.fromisoformat(scene.context()["most_recent_date_seen"]).timestamp()
    ahead = position - scene.sandbox.clock()
    for text in malformed_events(scene.sandbox.clock(), scene.rng).values():
        scene.tenant.add(text)
    scene.until_delivered()
    shown = len(scene.ledger.index)
    seen = scene.judge(malformed=len(events) * (ROUNDS + 1), too_large=counted, reported=sum(reported))
    assert seen.accepted == shown - ROUNDS - 1
    assert reported == [1] * ROUNDS
    assert counted == ROUNDS
    assert any("larger than the intake accepts" in str(log) for log in scene.sandbox.sekoia.logs)
    assert ahead < 1
    assert scene.said("Unexpected error") == 0


@pytest.mark.long
def test_an_event_ahead_of_the_clock_moves_nothing_past_now(scene: Scene) -> None:
    """On-premises clocks can be hours ahead: such an event stands at the end of the stream until its time comes."""
    scene.tenant.add_backlog(2000, 600)
    for hours in (1, 5, 24):
        at = scene.sandbox.clock() + hours * 3600
        text = json.dumps({"uuid": f"00000000-0000-4000-8000-{hours:012x}", "timestamp": int(at * 1000)})
        scene.tenant.add(text, time=at, arrival=scene.sandbox.clock())
    scene.tenant.produce(20)
    scene.start()
    scene.until_lookbacks(2)
    accepted = scene.snapshot().accepted
    scene.until_accepted(accepted + 300, within=30)
    position = datetime.fromisoformat(scene.context()["most_recent_date_seen"]).timestamp()
    ahead = position - scene.sandbox.clock()
    scene.kill()
    scene.connector.start()
    scene.until_delivered(within=90)
    scene.judge(duplicates=500, position_ahead_s=ahead)
    assert ahead < 1
