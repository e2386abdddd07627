"""Two instances on one state, and a state that cannot be written while the intake is down."""

from pathlib import Path

import pytest

from cyberark_modules.checkpoint.disk import DiskFile
from cyberark_modules.checkpoint.store import CheckpointStore
from cyberark_modules.errors import StateTaken
from faults.scene import PAGE, Scene, ShortenedProcess
from sandbox.demo.process import ConnectorProcess

BACKLOG = 8000


@pytest.mark.parametrize(
    "is_told", [False, pytest.param(True, marks=pytest.mark.long)], ids=["left alone", "told to stop"]
)
def test_of_two_instances_on_one_state_the_older_one_stops(scene: Scene, is_told: bool) -> None:
    """A rolling update tells it to stop once the newer one runs. Each has ports of its own, as in containers."""
    scene.tenant.add_backlog(BACKLOG, 600)
    scene.tenant.settings.page_latency = 0.2
    scene.sandbox.sekoia.settings.push_latency = 0.2
    scene.tenant.produce(20)
    scene.start()
    scene.until_accepted(2000)
    older = scene.connector
    newer = ConnectorProcess(scene.sandbox, scene.state_dir)
    try:
        newer.start()
        if is_told:
            scene.until(lambda: any("continues from" in line for line in newer.lines), 10, "the newer one runs")
            older.terminate()
        ended_after = scene.until(lambda: not older.running, 15, "the older one ends", may_end=True)
        scene.connector = newer
        scene.until_accepted(BACKLOG)
        scene.until_delivered()
    finally:
        if newer.running:
            newer.kill()
    said = sum("Another instance" in line for line in older.lines)
    scene.judge(duplicates=PAGE, ended_after=ended_after, said=said)
    assert older.wait() == 0
    assert said == 1 or is_told


def test_a_state_that_was_not_written_is_written_while_the_intake_is_down(scene: Scene) -> None:
    scene.tenant.add_backlog(BACKLOG, 600)
    scene.tenant.settings.page_latency = 0.2
    scene.tenant.produce(20)
    scene.start(kind=ShortenedProcess)
    scene.until_accepted(2000)
    with scene.connector.state_unwritable():
        accepted = scene.snapshot().accepted
        scene.until_accepted(accepted + 2 * PAGE)
        scene.sandbox.faults.add("intake-down", 60, duration=300)
        refused = scene.asked("intake", "503")
        scene.until(lambda: scene.asked("intake", "503") > refused + 1, 20, "the intake is down")
    written = scene.until_said("State recovered", within=15)
    accepted = scene.snapshot().accepted
    scene.kill()
    scene.sandbox.faults.clear()
    scene.connector.start()
    scene.until_delivered()
    scene.judge(written_after=written, accepted_before=accepted)


def test_the_newer_instance_has_the_state_although_the_older_one_writes_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = CheckpointStore(tmp_path), CheckpointStore(tmp_path)
    older.load()
    older.save(b'{"n": 1}')
    read, writes = DiskFile.read, [b'{"n": 2}', b'{"n": 3}']

    def read_then_written(file: DiskFile) -> object:
        found = read(file)
        if writes:
            older.save(writes.pop(0))
        return found

    monkeypatch.setattr(DiskFile, "read", read_then_written)
    assert newer.load().content == b'{"n": 3}'
    newer.save(b'{"n": 4}')
    with pytest.raises(StateTaken):
        older.save(b'{"n": 5}')
