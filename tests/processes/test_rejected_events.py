"""An intake's filter rejects one event: everything else is delivered within a minute, and a person is told."""

import json

from processes.scene import PAGE, Scene


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
