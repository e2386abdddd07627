"""SIGTERM, SIGKILL, SIGSTOP and a second instance: it ends in time, and what was accepted is not sent again."""

import random
import signal
import time

import pytest

from processes.scene import PAGE, STOPS_WITHIN_S, Scene


def at_work(scene: Scene, backlog: int = 5000) -> None:
    """Start a connector that is busy with a backlog for a while."""
    scene.world.add_backlog(backlog, 600)
    scene.world.settings.audit.page_latency_s = 0.2
    scene.world.settings.sekoia.push_latency_s = 0.2
    scene.start()
    scene.until_accepted(PAGE)


def test_a_stop_while_the_intake_takes_seven_seconds_costs_nothing(scene: Scene) -> None:
    at_work(scene)
    scene.world.settings.sekoia.push_latency_s = 7.0
    scene.until_asked("push", "200")
    taken = scene.stop()
    accepted = scene.world.ledger.accepted
    scene.world.settings.sekoia.push_latency_s = 0.0
    scene.connector.start()
    scene.until_more(PAGE)
    scene.until_delivered()
    scene.judge()
    assert accepted >= 2 * PAGE
    assert 5.0 < taken < STOPS_WITHIN_S
    assert scene.said("Stopped; what the intake has accepted is saved")


def test_a_stop_while_everything_hangs_ends_in_time_and_a_second_signal_changes_nothing(scene: Scene) -> None:
    scene.world.produce(20)
    at_work(scene)
    scene.world.faults.add("push-hang", 1.0)
    scene.until_asked("push", "hang")
    for call in ("token", "query", "results", "logs"):
        scene.world.faults.add(f"{call}-hang", 1.0)
    began = time.monotonic()
    scene.connector.send(signal.SIGTERM)
    scene.wait(1.0)
    scene.connector.send(signal.SIGTERM)
    assert scene.connector.wait(timeout=20) == 0
    assert time.monotonic() - began < STOPS_WITHIN_S, scene.output()
    assert scene.said("Stopped; ")
    scene.world.faults.clear()
    scene.connector.start()
    scene.until_delivered()
    scene.judge()


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_kills_at_random_instants_lose_nothing_and_repeat_what_was_being_pushed(scene: Scene, kills: int) -> None:
    at_work(scene, backlog=5000 * kills)  # more than is read between two kills
    instants = random.Random(kills)
    for _ in range(kills):
        scene.wait(instants.uniform(0.0, 1.5))
        scene.connector.kill()
        scene.connector.start()
        scene.until_more(PAGE)
    scene.until_delivered(within=150.0)
    scene.judge(duplicates=kills * PAGE)


def test_of_two_instances_on_one_state_the_older_one_stops_with_one_line(scene: Scene) -> None:
    scene.world.produce(10)
    at_work(scene)
    older = scene.connector
    newer = scene.start()
    scene.until(lambda: not older.is_running, "the older one ends")
    assert older.wait() == 0
    assert len(scene.said("Another instance", connector=older)) == 1
    scene.until_delivered()
    scene.judge(duplicates=PAGE)
    assert newer.is_running
    assert not scene.said("Another instance", connector=newer)


@pytest.mark.long
def test_a_process_that_is_paused_for_a_minute_goes_on(scene: Scene) -> None:
    scene.world.produce(20)
    at_work(scene)
    scene.connector.send(signal.SIGSTOP)
    scene.wait(60.0)
    scene.connector.send(signal.SIGCONT)
    scene.wait(20.0)
    scene.world.ledger.measure_from_now()
    scene.wait(20.0)
    scene.until_delivered()
    scene.judge(duplicates=PAGE)  # what was on its way to the intake is sent again
    assert scene.snapshot().delay["p100"] < 15.0
    assert not scene.platform_lines("error", "critical")
