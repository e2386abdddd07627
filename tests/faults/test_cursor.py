"""Cursors that are refused, missing or repeated, and every shape of the end of a query."""

import pytest

from faults.scene import Scene

BACKLOG = 6000


def at_work(scene: Scene) -> None:
    """A connector in the middle of a backlog."""
    scene.at_work(BACKLOG, accepted=1500)


def test_a_cursor_refused_in_the_middle_of_a_query_costs_a_new_query_a_minute_later(scene: Scene) -> None:
    at_work(scene)
    scene.tenant.refuse_cursors()
    scene.until(lambda: scene.asked("results", "400"), 10, "a refusal")
    scene.until_delivered(within=80)
    seen = scene.judge(refused=scene.asked("results", "400"))
    assert seen.queries == 2
    assert scene.asked("results", "400") == 1, "a refused cursor is not asked for again"
    assert scene.said("the next query continues") == 1


@pytest.mark.long
def test_a_cursor_refused_after_a_restart_costs_a_new_query_a_minute_after_the_last(scene: Scene) -> None:
    at_work(scene)
    scene.kill()
    scene.tenant.refuse_cursors()
    scene.connector.start()
    scene.until_delivered(within=80)
    seen = scene.judge(duplicates=500, refused=scene.asked("results", "400"))
    assert seen.queries == 2


@pytest.mark.parametrize("fault", ["cursor-null", "cursor-missing", "cursor-unchanged", "paging-missing"])
def test_pages_that_lead_nowhere_end_a_query_and_lose_nothing(scene: Scene, fault: str) -> None:
    at_work(scene)
    scene.sandbox.faults.add(fault, 1, duration=3)
    scene.until_delivered(within=140)
    scene.judge(pages=scene.asked("results"))
    assert scene.asked("results") < 120, "a repeated cursor is not chased"


@pytest.mark.parametrize(
    "fault", ["end-null-data", "end-no-paging", "end-null-cursor", "end-same-cursor", "end-last-second"]
)
def test_every_shape_of_the_end_is_an_end(scene: Scene, fault: str) -> None:
    scene.sandbox.faults.add(fault)
    scene.tenant.add_backlog(1200, 600)
    scene.start()
    scene.until_delivered()
    scene.until_lookbacks(1)
    scene.tenant.produce(20)
    accepted = scene.snapshot().accepted
    scene.until_accepted(accepted + 100)
    scene.until_delivered()
    scene.judge(pages=scene.asked("results"))
    assert scene.asked("results") < 20, "an end is not asked for again at once"


@pytest.mark.long
@pytest.mark.parametrize("fault", ["cursor", "cursor-refused", "cursor-expiring", "ceiling"])
def test_cursors_that_fail_for_minutes(scene: Scene, fault: str) -> None:
    scene.outlast(fault, backlog=20_000)
    scene.judge(pages=scene.asked("results"), refused=scene.asked("results", "400"))
