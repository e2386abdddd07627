"""A state that cannot be written, is damaged, is of the earlier connector, or is read by it again."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from faults.scene import PAGE, Scene

BACKLOG = 5000
SPAN_S = 1200


def at_work(scene: Scene, accepted: int = 2000) -> None:
    """A connector in the middle of a backlog."""
    scene.at_work(BACKLOG, accepted, span=SPAN_S)


def test_a_state_that_cannot_be_written_for_a_while_stops_nothing_and_is_said_once(scene: Scene) -> None:
    at_work(scene)
    with scene.connector.state_unwritable():
        accepted = scene.snapshot().accepted
        scene.until_accepted(accepted + 2000)
        assert scene.said("The state cannot be written") == 1
    scene.until_said("State recovered", within=40)
    # What was delivered meanwhile is in the state now: after a kill it does not come again.
    scene.until_delivered()
    scene.until_said("Lookback since")
    time.sleep(2)
    scene.kill()
    scene.connector.start()
    scene.until_said("continues from", times=2)
    time.sleep(15)
    scene.judge(duplicates=0, said=scene.said("The state cannot be written"))
    assert scene.said("The state cannot be written") == 1


def test_a_kill_while_the_state_cannot_be_written_costs_what_was_delivered_since(scene: Scene) -> None:
    at_work(scene)
    stored = scene.snapshot().accepted
    with scene.connector.state_unwritable():
        scene.until_accepted(stored + 2000)
        scene.kill()
    unstored = scene.snapshot().accepted - stored
    scene.connector.start()
    scene.until_delivered()
    scene.judge(duplicates=unstored + PAGE, delivered_since=unstored)


def damage(scene: Scene, how: str) -> None:
    content = scene.context_file.read_bytes()
    if how == "truncated":
        scene.context_file.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        scene.context_file.write_bytes(b"")
    elif how == "zeros":
        scene.context_file.write_bytes(bytes(len(content)))


@pytest.mark.parametrize(
    ("how", "copy"),
    [
        pytest.param("truncated", True, id="truncated"),
        pytest.param("empty", False, id="empty, and no copy", marks=pytest.mark.long),
        pytest.param("empty", True, id="empty", marks=pytest.mark.long),
        pytest.param("truncated", False, id="truncated, and no copy", marks=pytest.mark.long),
        pytest.param("zeros", True, id="zeros", marks=pytest.mark.long),
        pytest.param("zeros", False, id="zeros, and no copy", marks=pytest.mark.long),
    ],
)
def test_a_damaged_state_is_set_aside_and_said_and_loses_nothing(scene: Scene, how: str, copy: bool) -> None:
    at_work(scene)
    scene.kill()
    accepted = scene.snapshot().accepted
    damage(scene, how)
    if not copy:
        scene.state_dir.joinpath("context.previous.json").unlink()
    scene.connector.start()
    scene.until_delivered(within=90)
    aside = list(scene.state_dir.glob("context.json.unreadable-*"))
    scene.judge(duplicates=accepted, said=scene.said("ERROR", "cannot be used"))
    assert len(aside) == 1
    assert scene.said("ERROR", "The stored state cannot be used", aside[0].name) == 1


@pytest.mark.long
def test_a_damaged_state_of_long_ago_is_no_first_run(scene: Scene) -> None:
    """The form asks for one hour of history at the first run; what was missed for a day is read all the same."""
    at_work(scene)
    scene.until_delivered()
    scene.kill()
    damage(scene, "empty")
    scene.state_dir.joinpath("context.previous.json").unlink()
    accepted = scene.snapshot().accepted
    scene.sandbox.clock.offset += 86_400
    scene.tenant.add_backlog(4000, 86_400)
    scene.connector.start()
    scene.until_delivered(within=80)
    scene.judge(duplicates=accepted, said=scene.said("ERROR"))


def earlier_state(path: Path, date: float, uuids: list[str]) -> None:
    """As the earlier connector of this identity leaves it."""
    content = {"most_recent_date_seen": datetime.fromtimestamp(date, UTC).isoformat(), "events_cache": uuids}
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))


def test_an_upgrade_goes_on_from_the_date_of_the_earlier_connector_and_sends_none_of_its_events(scene: Scene) -> None:
    now = scene.sandbox.clock()
    scene.tenant.add_backlog(3000, 3000)
    index = scene.ledger.index
    texts = [index.text(sequence).decode() for sequence in range(len(index))]
    # It had delivered the first half; the API shows the last ones of it again, for the boundary second at least.
    scene.ledger.accept(texts[:1500], at=now)
    uuids = [json.loads(text)["uuid"] for text in texts[500:1500]]
    earlier_state(scene.context_file, index.times_ms[1400] / 1000, uuids)
    scene.start()
    scene.until_delivered()
    scene.until_lookbacks(1)
    scene.judge(goes_on_from="its date", shown_again=scene.metric("symphony_module_cyberark_events_total"))
    assert scene.said("ERROR") == 0


def test_a_downgrade_can_read_the_state(scene: Scene) -> None:
    at_work(scene)
    scene.until_delivered()
    scene.until_lookbacks(1)
    assert scene.connector.stop() == 0
    context = scene.context()
    newest_ms = max(scene.ledger.index.times_ms)
    date = datetime.fromisoformat(context["most_recent_date_seen"])
    uuids = context["events_cache"]
    scene.judge(uuids=len(uuids))
    assert date.tzinfo is not None
    # The watermark: what arrives late within the overlap (five minutes) is still to come.
    assert 0 <= newest_ms - date.timestamp() * 1000 < 1000 * (300 + 60)
    index = scene.ledger.index
    newest = sorted(range(len(index)), key=lambda sequence: index.times_ms[sequence])[-200:]
    assert {json.loads(index.text(sequence))["uuid"] for sequence in newest} <= set(uuids)
    assert len(uuids) == len(set(uuids)) == 1000


def test_pages_that_bring_nothing_cost_no_write(scene: Scene) -> None:
    scene.tenant.add_backlog(1200, 600)
    scene.start()
    scene.until_delivered()
    scene.until_lookbacks(1)
    time.sleep(1)
    written, pages = scene.context_file.stat(), scene.asked("results")
    scene.until(lambda: scene.asked("results") >= pages + 4, 60, "four pages without anything new")
    after = scene.context_file.stat()
    scene.judge(pages_without_a_write=scene.asked("results") - pages)
    assert (after.st_mtime_ns, after.st_ino) == (written.st_mtime_ns, written.st_ino)
