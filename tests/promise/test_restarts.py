"""What a restart sends again, and what it goes on from: nothing is ever lost by one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from judge import Judged

_FIXTURE = Path(__file__).with_name("second_edition_state.json")
_ARMED_AFTER_S = 95.3
_ONE_PUSH, _ONE_MINUTE, _ALL = 120, 1400, 3000


def _damaged(*names: str) -> Callable[[Judged], None]:
    def damage(simulation: Judged) -> None:
        simulation.kill()
        for name in names:
            content = simulation.read(name)
            Path(simulation.folder.path, name).write_bytes(content[: len(content) * 6 // 10])

    return damage


# Twenty events a second. What ends the process; how many events are sent again at most; what the log says.
RESTARTS: dict[str, tuple[Callable[[Judged], object], int, str]] = {
    "killed before a push": (lambda s: s.kill_at_request(1, "intake", after=False), 0, "Resuming"),
    "killed after a push": (lambda s: s.kill_at_request(1, "intake", after=True), _ONE_PUSH, "Resuming"),
    "killed while it saves": (lambda s: s.kill_at_write(1, "unfinished"), _ONE_PUSH, "Resuming"),
    "killed after it saved": (lambda s: s.kill_at_write(1, "after"), 0, "Resuming"),
    "killed after its first query": (lambda s: s.kill_at_request(1, "audit", after=True), 0, "Resuming"),
    "stopped": (lambda s: s.connector.stop(), 0, "Stopped; what the intake has accepted is saved"),
    "state damaged": (_damaged("context.json"), _ONE_MINUTE, "since then are sent again"),
    "both copies damaged": (_damaged("context.json", "context.previous.json"), _ALL, "before are sent again"),
}


@pytest.mark.parametrize("name", RESTARTS)
def test_a_restart_loses_nothing_and_sends_again_what_could_not_be_saved(name: str) -> None:
    end, most, said = RESTARTS[name]
    with Judged(3) as simulation:
        simulation.world.add_backlog(1000, 1800)
        simulation.world.produce(20)
        if "first query" in name:
            end(simulation)
        simulation.start()
        if "first query" not in name:
            simulation.run_for(_ARMED_AFTER_S)
            end(simulation)
        assert simulation.run_until(lambda: not simulation.is_running, 20, step=0.1)
        simulation.start()
        simulation.run_for(240)
        assert simulation.world.ledger.duplicates <= most
        simulation.duplicates_allowed = most
        assert simulation.broken(30) == []
        assert any(said in line.message for line in simulation.lines)


# What 1.0.0 had delivered: events a second, for how many seconds; how far its date is ahead, and how long the upgrade
# took.
UPGRADES = {
    "an hour later": (0.2, 1200, 0, 3600),
    "a busy tenant": (50.0, 600, 0, 300),
    "a date half an hour ahead": (0.3, 1800, 1800, 60),
    "a date five hours ahead": (0.1, 1800, 18_000, 60),
}


@pytest.mark.parametrize("name", UPGRADES)
def test_the_state_of_the_published_connector_is_gone_on_from(name: str) -> None:
    rate, span, ahead, gap = UPGRADES[name]
    with Judged(3) as simulation:
        world, count = simulation.world, int(rate * span)
        world.add_backlog(count, span)
        texts = [world.index.text(number) for number in range(count)]
        world.ledger.accept(texts, simulation.now)
        newest = datetime.fromtimestamp(max(world.index.times_ms) / 1000 + ahead, UTC)
        uuids = [json.loads(text)["uuid"] for text in texts[-1000:]]
        _store(simulation, {"most_recent_date_seen": newest.isoformat(), "events_cache": uuids})
        world.produce(1)
        simulation.run_for(gap)
        simulation.start()
        simulation.run_for(900)
        assert simulation.broken(60) == []


def test_a_state_of_the_second_edition_is_gone_on_from_in_the_middle_of_a_backlog() -> None:
    """It was stored 75 s after a start on 240 events of 36 hours, and one event more every 20 s."""
    stored = json.loads(_FIXTURE.read_text(encoding="utf-8"))
    with Judged(1, start_time=40) as simulation:
        world = simulation.world
        world.add_backlog(240, 36 * 3600)
        world.produce(0.05)
        simulation.run_for(75)
        world.catch_up()
        delivered = [world.index.text(number) for first, end in stored["delivered"] for number in range(first, end)]
        world.ledger.accept(delivered, simulation.now)
        _store(simulation, json.loads(json.dumps(stored["state"]).replace(stored["tenant"], world.factory.tenant_id)))
        simulation.start()
        simulation.run_for(900)
        assert simulation.broken(60) == []


def _store(simulation: Judged, state: dict[str, Any]) -> None:
    Path(simulation.folder.path, "context.json").write_text(json.dumps(state), encoding="utf-8")
