"""Many events: within one second, within ten minutes, and for long on a stream that never comes empty."""

import pytest

from faults.scene import Scene

BUSY_PER_S = 334


def test_thousands_of_events_of_one_second_are_more_than_a_page_and_come_once(scene: Scene) -> None:
    """They all have dates of the same second, which is how finely the API's filter tells them apart."""
    scene.tenant.add_backlog(1000, 600)
    second = int(scene.sandbox.clock()) - 20
    for number in range(5000):
        scene.tenant.add(time=second + (number % 7) / 7, arrival=second + 1)
    scene.start(overlap=1)
    scene.until_delivered()
    scene.until_lookbacks(1)
    scene.sandbox.faults.add("burst", 5000)
    scene.until_delivered(within=90)
    scene.until_lookbacks(2)
    again = scene.metric("symphony_module_cyberark_events_total", outcome="already_delivered")
    scene.judge(shown_again=again)
    assert again >= 5000


@pytest.mark.long
def test_200_000_events_of_the_last_ten_minutes_are_caught_up_with_and_come_once(scene: Scene) -> None:
    scene.tenant.add_backlog(200_000, 600)
    scene.tenant.produce(20)
    scene.start()
    caught_up = scene.until_accepted(200_000, within=150)
    scene.until_lookbacks(3, within=200)
    scene.until_delivered(within=90)
    again = scene.metric("symphony_module_cyberark_events_total", outcome="already_delivered")
    kept = scene.metric("symphony_module_cyberark_seen_keys")
    state = scene.context_file.stat().st_size
    scene.judge(caught_up_in_s=caught_up, shown_again=again, kept=kept, state_bytes=state)
    assert again > 90_000, "two queries have shown five minutes of them again"


@pytest.mark.long
def test_200_000_events_within_ten_minutes_as_they_happen(scene: Scene) -> None:
    scene.tenant.add_backlog(10_000, 600)
    scene.tenant.produce(BUSY_PER_S)
    scene.start()
    scene.until(lambda: scene.elapsed > 600, 610, "ten minutes")
    kept = scene.metric("symphony_module_cyberark_seen_keys")
    state = scene.context_file.stat().st_size
    delays = scene.snapshot().lag
    scene.until_delivered(within=90)
    seen = scene.judge(kept=kept, state_bytes=state, lag=delays)
    assert seen.made > 200_000
    # Twelve minutes' worth, over an overlap of five and a minute between queries.
    assert kept < 12 * 60 * BUSY_PER_S
