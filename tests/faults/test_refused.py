"""Only what an intake accepts counts, and one event that is refused by itself costs itself only."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from faults.scene import Scene, ShortenedProcess
from sandbox.demo.process import ConnectorProcess
from sandbox.faults.fault import Instead, Stage
from sandbox.http import json_response
from sandbox.platform.settings import Acceptance
from sandbox.simulation import Simulation

STATUSES = (400, 403, 413, 500)
MARK = "${jndi:ldap://x}"
DAY_S = 86_400
LIVE_LAG_S = 30.0


def refused_event(now: float) -> str:
    """An event that something before the intake takes for an attack."""
    fields = {"uuid": "00000000-0000-4000-8000-00000000dead", "timestamp": int(now * 1000), "username": MARK}
    return json.dumps(fields)


def letters_in(folder: Path) -> list[dict[str, Any]]:
    """The dead letters."""
    file = Path(folder) / "dead_letters.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@contextmanager
def at_work(*, per_second: float = 5.0) -> Iterator[Simulation]:
    """A simulated connector that follows its tenant."""
    with Simulation(7) as simulation:
        simulation.environment.tenant.add_backlog(3000, 3000)
        simulation.environment.tenant.produce(per_second)
        simulation.start()
        simulation.run_for(180)
        simulation.environment.ledger.forget_delays()
        yield simulation


def end(simulation: Simulation) -> None:
    """Nothing more happens, what has happened arrives, once, and all else is as it should be."""
    environment = simulation.environment
    environment.tenant.stop_production()
    simulation.run_until(lambda: environment.ledger.snapshot().waiting <= 0, within=1800)
    assert environment.ledger.lost() == []
    snapshot = environment.ledger.snapshot()
    assert (snapshot.duplicates, snapshot.altered, snapshot.queries_too_soon) == (0, 0, 0)


@pytest.mark.parametrize(
    "answer", ["healthy", *(pytest.param(answer, marks=pytest.mark.long) for answer in ("ok", "empty", "error"))]
)
def test_a_200_of_something_that_is_no_intake_is_no_acceptance(scene: Scene, answer: Acceptance) -> None:
    scene.tenant.add_backlog(3000, 600)
    scene.tenant.settings.page_latency = 0.1
    scene.tenant.produce(20)
    scene.start(kind=ShortenedProcess)
    scene.until_accepted(1000)
    settings = scene.sandbox.sekoia.settings
    settings.acceptance = answer
    asked = scene.asked("intake")
    scene.until(lambda: scene.asked("intake") >= asked + 4, 20, "four pushes")
    accepted = scene.snapshot().accepted
    settings.acceptance = "ids"
    scene.until_delivered()
    said = scene.said(
        "The address of the intake server is not the address of a Sekoia intake", "Field “Intake server”"
    )
    scene.judge(accepted_before=accepted, said=said)
    assert accepted < 3000
    assert said == 1


@pytest.mark.parametrize(
    "status", [403, *(pytest.param(status, marks=pytest.mark.long) for status in STATUSES if status != 403)]
)
def test_an_event_refused_by_itself_becomes_a_dead_letter_and_holds_nothing(status: int) -> None:
    with at_work() as simulation:
        environment, text = simulation.environment, refused_event(simulation.now)
        environment.sekoia.settings.refused_texts = (MARK,)
        environment.sekoia.settings.refused_status = status
        environment.tenant.add(text)
        simulation.run_for(600)
        lag = environment.ledger.snapshot().lag
        end(simulation)
        letters = letters_in(simulation.folder.path)
        assert [(letter["text"], letter["status"]) for letter in letters] == [(text, status)]
        assert (
            sum(letters[0]["uuid"] in line and "dead_letters.jsonl" in line for line in simulation.said("error")) == 1
        )
        assert lag["p95"] < LIVE_LAG_S
        assert not any("key" in line for line in simulation.said("critical")), "the key is not blamed"


@pytest.mark.timeout(600)
@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "kind", "within"),
    [(403, ConnectorProcess, 400), *((status, ShortenedProcess, 40) for status in (400, 413, 500))],
)
def test_an_event_refused_by_itself_is_set_aside_within_minutes(
    scene: Scene, status: int, kind: type[ConnectorProcess], within: float
) -> None:
    """The same with the real process: once it takes the minutes that it takes."""
    text = refused_event(scene.sandbox.clock())
    settings = scene.sandbox.sekoia.settings
    settings.refused_texts, settings.refused_status = (MARK,), status
    scene.tenant.add_backlog(5000, 600)
    scene.tenant.produce(20)
    scene.start(kind=kind)
    scene.until_accepted(5000)
    scene.tenant.add(text)
    held_after = scene.until_said("sent alone", "held", within=30)
    set_aside_after = scene.until_said("ERROR", "dead_letters.jsonl", within=within)
    lag = scene.snapshot().lag
    scene.until_delivered()
    scene.judge(held_after=held_after, set_aside_after=set_aside_after, lag=lag)
    assert [(letter["text"], letter["status"]) for letter in letters_in(scene.state_dir)] == [(text, status)]
    assert lag["p95"] < LIVE_LAG_S


def test_while_one_event_is_refused_everything_else_is_delivered(scene: Scene) -> None:
    """An event of the backlog, in the middle of its page; a restart holds it as well."""
    settings = scene.sandbox.sekoia.settings
    settings.refused_texts, settings.refused_status = (MARK,), 403
    scene.tenant.add_backlog(2000, 600)
    scene.tenant.add(refused_event(scene.sandbox.clock() - 300), time=scene.sandbox.clock() - 300)
    scene.tenant.produce(20)
    scene.start()
    scene.until_said("sent alone", "held", within=30)
    scene.until_accepted(2100)
    assert scene.connector.stop() == 0
    settings.refused_texts = ()
    scene.connector.start()
    accepted = scene.until_said("The intake has accepted event", "which was held", within=60)
    scene.until_delivered()
    scene.judge(refused=scene.asked("intake", "403"), accepted_after=accepted)
    assert letters_in(scene.state_dir) == []
    assert scene.said("CRITICAL") == 0


def test_a_relay_that_resets_large_requests_is_sent_smaller_ones(scene: Scene) -> None:
    scene.sandbox.sekoia.settings.reset_above = 200_000
    scene.tenant.add_backlog(5000, 600)
    scene.tenant.produce(20)
    scene.start(kind=ShortenedProcess)
    scene.until_delivered()
    resets = scene.asked("intake") - scene.asked("intake", "200")
    scene.judge(resets=resets, taken=scene.asked("intake", "200"))
    assert resets < 20, "the size that passes is remembered"
    assert letters_in(scene.state_dir) == []


@pytest.mark.parametrize("status", [500, pytest.param(403, marks=pytest.mark.long)])
def test_an_intake_that_refuses_everything_for_a_day_sets_nothing_aside(status: int) -> None:
    with at_work(per_second=0.2) as simulation:
        environment = simulation.environment
        stage = Stage(
            environment.tenant, environment.sekoia, environment.ledger, environment.now, random.Random(status)
        )
        refusing = Instead(stage, {"intake"}, 1.0, lambda: json_response({"message": "refused"}, status))
        environment.faults.hold(refusing, duration=DAY_S)
        simulation.run_for(DAY_S + 1200)
        end(simulation)
        assert letters_in(simulation.folder.path) == []


def test_a_full_dead_letter_file_keeps_the_event_held_and_is_logged() -> None:
    with at_work(per_second=5.0) as simulation:
        environment, text = simulation.environment, refused_event(simulation.now)
        file = Path(simulation.folder.path) / "dead_letters.jsonl"
        file.write_text('{"text": "{}"}\n' * 1000)
        environment.sekoia.settings.refused_texts = (MARK,)
        environment.tenant.add(text)
        simulation.run_for(600)
        lag = environment.ledger.snapshot().lag
        checkpoint = simulation.connector.checkpoint
        assert checkpoint is not None
        assert [held.text for held in checkpoint.held] == [text]
        assert sum("full or cannot be written" in line for line in simulation.said("error")) == 1
        assert len(letters_in(simulation.folder.path)) == 1000
        assert lag["p95"] < LIVE_LAG_S
        file.unlink()  # a person has resent them
        assert simulation.run_until(lambda: bool(letters_in(simulation.folder.path)), within=800)
        assert [letter["text"] for letter in letters_in(simulation.folder.path)] == [text]
        end(simulation)


def test_more_refused_events_than_the_dead_letter_file_takes_hold_nothing_else() -> None:
    """Somebody chooses such names on purpose, and nobody has emptied the file."""
    with at_work(per_second=5.0) as simulation:
        environment = simulation.environment
        file = Path(simulation.folder.path) / "dead_letters.jsonl"
        file.write_text('{"text": "{}"}\n' * 1000)
        environment.sekoia.settings.refused_texts = (MARK,)
        for number in range(120):
            fields = {"uuid": f"{number:08x}-0000-4000-8000-00000000dead", "username": MARK}
            now = simulation.now
            environment.tenant.add(json.dumps(fields | {"timestamp": int(now * 1000)}), time=now)
            simulation.run_for(1)
        simulation.run_for(300)
        lag = environment.ledger.snapshot().lag
        checkpoint = simulation.connector.checkpoint
        assert checkpoint is not None
        assert len(checkpoint.held) == 120
        assert lag["p95"] < LIVE_LAG_S
        environment.sekoia.settings.refused_texts = ()
        end(simulation)
