"""Killed at any instant: the page in flight may come again, nothing else does, and nothing is lost."""

import time

import pytest

from faults.scene import PAGE, Scene
from sandbox.http import Response, html_response

KILLS = 20
BACKLOG = 50_000


@pytest.mark.parametrize("kills", [4, pytest.param(KILLS, marks=pytest.mark.long)])
def test_kills_at_random_instants_cost_at_most_a_page_each(scene: Scene, kills: int) -> None:
    scene.tenant.add_backlog(BACKLOG * kills // KILLS, 3000)
    scene.tenant.settings.page_latency = 0.3
    scene.sandbox.sekoia.settings.push_latency = 0.1
    scene.sandbox.faults.add("intake-refusals", 0.1)
    scene.tenant.produce(20)
    scene.start()
    most_twice = 0
    for _ in range(kills):
        before = scene.snapshot().duplicates
        time.sleep(scene.rng.uniform(0.3, 5.0))
        scene.kill()
        most_twice = max(most_twice, scene.snapshot().duplicates - before)
        scene.connector.start()
    scene.tenant.settings.page_latency = 0
    scene.sandbox.faults.clear()
    scene.until_delivered(within=130)
    scene.judge(duplicates=kills * PAGE, most_a_kill=most_twice)
    assert most_twice <= PAGE


@pytest.mark.parametrize(
    ("endpoint", "answer", "again"),
    [
        pytest.param("results", Response(ending="hang"), 0, id="fetching", marks=pytest.mark.long),
        pytest.param("intake", Response(ending="hang"), 0, id="pushing"),
        pytest.param(
            *("intake", html_response("Service Unavailable", 503), 0),
            id="waiting to push again",
            marks=pytest.mark.long,
        ),
        pytest.param("intake", None, PAGE, id="waiting for the answer to a push"),
    ],
)
def test_a_kill_between_fetch_and_commit_leaves_the_page_to_be_sent_again(
    scene: Scene, endpoint: str, answer: Response | None, again: int
) -> None:
    """It is duplicated only if the intake accepted it, and its answer was lost."""
    scene.tenant.add_backlog(5000, 600)
    scene.tenant.settings.page_latency = 0.1
    scene.start()
    scene.until_accepted(1000)
    if answer is None:
        scene.sandbox.sekoia.settings.push_latency = 5
    else:
        scene.answer(endpoint, 1, answer)
    asked = scene.asked(endpoint)
    scene.until(lambda: scene.asked(endpoint) > asked, 10, "a request")
    time.sleep(0.3)
    accepted = scene.snapshot().accepted
    scene.kill()
    scene.sandbox.faults.clear()
    scene.sandbox.sekoia.settings.push_latency = 0
    scene.connector.start()
    scene.until_delivered()
    seen = scene.judge(duplicates=again, accepted_before=accepted)
    assert seen.duplicates == again
    assert accepted < 5000


def test_a_restart_reads_on_from_the_kept_cursor_at_once(scene: Scene) -> None:
    scene.tenant.add_backlog(20_000, 3000)
    scene.tenant.settings.page_latency = 0.1
    scene.start()
    scene.until_accepted(5000)
    scene.kill()
    queries, accepted = scene.asked("query"), scene.snapshot().accepted
    scene.connector.start()
    waited = scene.until_accepted(accepted + 2 * PAGE, within=20)
    assert scene.asked("query") == queries
    scene.until_delivered()
    scene.judge(duplicates=PAGE, first_pages_after=waited)
    assert scene.asked("query") == queries
