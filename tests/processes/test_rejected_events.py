"""An intake's filter rejects one event: everything else is delivered within a minute, and a person is told."""

import json

import pytest

from processes.scene import PAGE, Scene

WITHIN_S = 60.0


def add_rejected(scene: Scene, how: str) -> str:
    """Put in an event that the intake rejects that way, of now; return its uuid."""
    scene.world.settings.sekoia.rejection = how  # type: ignore[assignment]
    scene.world.reject_event(len(scene.world.index))
    scene.world.add()
    return scene.world.settings.sekoia.rejected_texts[0]


def dead_letters(scene: Scene) -> list[str | None]:
    """Return the uuids in the dead-letter file."""
    file = scene.connector.state_folder / "dead_letters.jsonl"
    content = file.read_text("utf-8") if file.exists() else ""
    return [json.loads(line)["uuid"] for line in content.splitlines()]


def judge(scene: Scene, uuid: str) -> None:
    scene.judge()
    assert dead_letters(scene) == [uuid]
    assert len(scene.said("ERROR", f"The intake rejected event {uuid}", "It is in the dead-letter file")) == 1
    assert len(scene.platform_lines("error", "critical")) == 1
    assert not scene.said("the intake key")


def test_a_rejected_event_waits_in_the_file_and_is_sent_again_by_itself(scene: Scene) -> None:
    scene.world.add_backlog(50, 600)
    scene.start(is_quick=True)
    scene.until_accepted(50)
    uuid = add_rejected(scene, "403")
    scene.world.produce(5)
    scene.until_said("The intake rejected event")
    scene.until(lambda: dead_letters(scene) == [uuid], "the innocent ones have left the file")
    scene.until_delivered()
    judge(scene, uuid)
    scene.connector.kill()  # the file outlives the process
    scene.world.settings.sekoia.rejected_texts = ()
    scene.connector.start()
    scene.until(lambda: not dead_letters(scene), "the file is empty")
    assert scene.world.ledger.accepted == len(scene.world.index)
    scene.judge(duplicates=PAGE)


@pytest.mark.long
@pytest.mark.parametrize("how", ["403", "500", "block-page", "drop"])
@pytest.mark.parametrize("rate", [0.2, 20.0], ids=["on a quiet night", "among many"])
def test_with_the_real_pauses_all_others_are_delivered_within_a_minute(scene: Scene, rate: float, how: str) -> None:
    scene.world.add_backlog(100, 600)
    scene.world.produce(rate if rate > 1 else 0)
    scene.start()
    scene.until_accepted(100)
    scene.wait(120.0)
    uuid = add_rejected(scene, how)
    scene.world.produce(rate)
    scene.until(lambda: dead_letters(scene) == [uuid] and scene.said("The intake rejected"), "it is alone", 240.0)
    scene.wait(20.0)
    scene.until_delivered()
    judge(scene, uuid)
    assert scene.snapshot().delay["p100"] < WITHIN_S
