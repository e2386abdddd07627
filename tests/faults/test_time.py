"""Long absences, and clocks that jump."""

import pytest

from faults.scene import Scene

DAY_S = 86_400
HOUR_S = 3600


def off_for(scene: Scene, days: int) -> None:
    """A connector that had caught up is stopped, and started so many days later."""
    scene.tenant.add_backlog(2000, 600)
    scene.start()
    scene.until_delivered()
    scene.until_lookbacks(1)
    assert scene.connector.stop() == 0
    scene.sandbox.clock.offset += days * DAY_S
    scene.tenant.add_backlog(500 * days, days * DAY_S - 60)
    scene.tenant.produce(20)
    scene.connector.start()


def test_after_three_days_off_all_of_them_are_collected(scene: Scene) -> None:
    off_for(scene, days=3)
    accepted = scene.snapshot().accepted
    scene.until_accepted(accepted + 100)
    scene.until_delivered(within=80)
    scene.judge(expired=scene.ledger.expired())
    assert scene.ledger.expired() == 0
    assert scene.said("Lost:") == 0


def test_after_nine_days_off_it_says_what_is_gone_and_collects_the_rest(scene: Scene) -> None:
    off_for(scene, days=9)
    scene.until_delivered(within=30)
    scene.until_said("Lost: the events from", within=90)  # with the next query: a kept cursor is read at once
    scene.judge(expired=scene.ledger.expired(), said=scene.said("ERROR", "Lost: the events from"))
    assert 900 < scene.ledger.expired() < 1100
    assert scene.said("ERROR", "Lost: the events from", "7 days") == 1


def add_late(scene: Scene) -> None:
    """Events of the last minutes that the API shows only now: within the overlap, so a query has to find them."""
    now = scene.sandbox.clock()
    for _ in range(50):
        scene.tenant.add(time=now - scene.rng.uniform(20, 200), arrival=now)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(HOUR_S, id="forward, then back"),
        pytest.param(-HOUR_S, id="back, then forward", marks=pytest.mark.long),
    ],
)
def test_jumps_of_the_wall_clock_by_an_hour_change_nothing(scene: Scene, first: int) -> None:
    scene.tenant.add_backlog(3000, 600)
    scene.tenant.produce(20)
    scene.prepare(clock_file=scene.state_dir.parent / "clock")
    scene.connector.jump_clock(first)
    scene.connector.start()
    scene.until_accepted(3000)
    scene.until_lookbacks(1)
    scene.connector.jump_clock(-first)
    add_late(scene)
    scene.until_lookbacks(2)
    scene.until_delivered()
    delays = scene.snapshot().lag_since_arrival
    scene.judge(lag=delays)
    assert delays["p50"] < 15


@pytest.mark.long
def test_jumps_of_the_wall_clock_between_queries_change_nothing(scene: Scene) -> None:
    scene.tenant.add_backlog(3000, 600)
    scene.tenant.produce(20)
    scene.start(clock_file=scene.state_dir.parent / "clock")
    for number, jump in enumerate((HOUR_S, 0, -HOUR_S, 0, HOUR_S), start=1):
        scene.until_lookbacks(number)
        scene.connector.jump_clock(jump)
        add_late(scene)
    scene.until_lookbacks(6)
    scene.until_delivered()
    scene.judge(lag=scene.snapshot().lag_since_arrival)


@pytest.mark.long
@pytest.mark.parametrize("offset", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_a_restart_with_another_wall_clock_changes_nothing(scene: Scene, offset: int) -> None:
    """The machine's clock was wrong, and was set while the connector was down."""
    scene.tenant.add_backlog(3000, 600)
    scene.tenant.produce(20)
    scene.start(clock_file=scene.state_dir.parent / "clock")
    scene.until_accepted(3000)
    scene.until_lookbacks(1)
    scene.kill()
    scene.connector.jump_clock(offset)
    scene.connector.start()
    scene.until_lookbacks(2)
    scene.until_delivered()
    scene.judge(duplicates=500)
