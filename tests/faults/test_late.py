"""Events that arrive late or in disorder: the query of each minute looks again over the whole overlap."""

import time

import pytest

from faults.scene import Scene

OVERLAP_S = 60


def test_events_that_arrive_late_within_the_overlap_are_delivered_by_the_next_query(scene: Scene) -> None:
    """Some two thousand others of the overlap are shown again by then, and none of them is duplicated."""
    now = scene.sandbox.clock()
    scene.tenant.add_backlog(3000, 900)
    for number in range(2000):
        scene.tenant.add(time=now - 55 + number / 40, arrival=now)
    for _ in range(200):
        late_s = scene.rng.uniform(5, OVERLAP_S - 1)
        arrival = now + scene.rng.uniform(10, 50)
        scene.tenant.add(time=arrival - late_s, arrival=arrival)
    scene.tenant.produce(20)
    scene.start(overlap=1)
    scene.until_lookbacks(2)
    scene.until_delivered()
    again = scene.metric("symphony_module_cyberark_events_total", outcome="already_delivered")
    scene.judge(late=200, shown_again=again)
    assert again > 1000


def test_disorder_at_the_head_of_the_stream_waits_for_no_query(scene: Scene) -> None:
    """All but a few events, shown just when the first query ends, arrive within seconds."""
    scene.tenant.delays.most = 2.5
    scene.tenant.add_backlog(1000, 600)
    scene.tenant.produce(50)
    scene.start()
    scene.until(lambda: scene.elapsed > 30, 40, "half a minute of live events")
    scene.until_delivered(within=60)
    delays = scene.snapshot().lag_since_arrival
    scene.judge(lag=delays)
    assert delays["p95"] < 25


@pytest.mark.long
def test_what_arrives_later_than_the_overlap_is_found_by_no_lookback(scene: Scene) -> None:
    """Within minutes: the reconciliation of the hour finds it."""
    scene.tenant.add_backlog(2000, 100)
    scene.start(overlap=1)
    scene.until_lookbacks(1)
    now = scene.sandbox.clock()
    scene.tenant.add(time=now - 3 * OVERLAP_S, arrival=now)
    scene.until_lookbacks(2)
    time.sleep(1)
    lost = len(scene.ledger.lost())
    scene.figures["more"] = f"later than the overlap {lost}"
    assert lost == 1


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("overlap", [5, 0])
def test_a_fifth_of_the_events_late_by_up_to_the_overlap(scene: Scene, overlap: int) -> None:
    if overlap:
        scene.sandbox.faults.add("late", overlap * 60 - 2)
    scene.tenant.add_backlog(10_000, 3000)
    scene.tenant.produce(30)
    scene.start(overlap=overlap)
    scene.until(lambda: scene.elapsed > 200, 210, "three minutes of events")
    scene.until_delivered(within=overlap * 60 + 90)
    scene.judge(overlap=f"{overlap} min")
