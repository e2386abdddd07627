"""The checkpoint is saved before more is pushed; nothing waits for a storage that is slow, hangs or fails."""

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from checkpoint.values import at, checkpoint
from collection.conftest import Engine
from cyberark_modules.checkpoint.encoding import first_run
from cyberark_modules.checkpoint.store import BACKUP_NAME, FILE_NAME, CheckpointStore
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.collection.saved import SavedCheckpoint
from cyberark_modules.context import Stopping
from cyberark_modules.errors import Backoff
from cyberark_modules.files import DiskFile
from cyberark_modules.telemetry import metrics


class Storage:
    """The disk, as slow as `seconds`; `fails` while that is true."""

    def __init__(self, engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.fails = False
        self.writes = 0
        self.folder = folder
        write = DiskFile.write_owned

        def write_owned(file: DiskFile, content: bytes, mark: bytes) -> None:
            self.writes += 1
            engine.time.pass_s(self.seconds)
            if self.fails:
                raise OSError("no space left")
            if self.seconds < inf:
                write(file, content, mark)

        monkeypatch.setattr(DiskFile, "write_owned", write_owned)

    def number(self, name: str = FILE_NAME) -> int:
        return int(json.loads((self.folder / name).read_bytes())["events_cache"][0])


@pytest.fixture
def storage(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setattr("os.fsync", lambda _file: None)
    return Storage(engine, tmp_path, monkeypatch)


def loaded(engine: Engine, storage: Storage, tenant_id: str = "t-1") -> SavedCheckpoint:
    saved = SavedCheckpoint(
        CheckpointStore(storage.folder), engine.context, engine.reporter, Backoff(first=1.0, longest=4.0)
    )
    assert saved.load(lambda: tenant_id, 2) == ()
    return saved


def numbered(seconds: int) -> Checkpoint:
    return checkpoint(live_s=9000, uuids=(str(seconds),))


def test_the_state_of_another_tenant_is_left_but_for_the_spacing(engine: Engine, storage: Storage) -> None:
    loaded(engine, storage).commit(replace(numbered(5), tenant_id="t-1", queried_ms=at(7)))
    saved = loaded(engine, storage, "t-2")
    assert saved.value == replace(first_run(at(-7200)), tenant_id="t-2", queried_ms=at(7))
    assert engine.lines[-2][1].startswith("The account belongs to tenant t-2, the saved state to tenant t-1.")
    assert engine.lines[-1][1].startswith("Starting collection for tenant t-2")


def test_nothing_is_collected_until_the_state_can_be_read_or_it_is_to_stop(engine: Engine, storage: Storage) -> None:
    (storage.folder / FILE_NAME).mkdir()
    engine.time.at(20.0, (storage.folder / FILE_NAME).rmdir)
    loaded(engine, storage)
    assert 20 <= engine.time.monotonic() < 24
    unread, recovered, started = (text for _, text in engine.lines)
    assert unread.startswith("The state cannot be read. Nothing is collected until it can be read (IsADirectoryError")
    assert recovered.startswith("Checkpoint recovered after ")
    assert started.startswith("Starting collection")
    (storage.folder / FILE_NAME).unlink()
    (storage.folder / FILE_NAME).mkdir()
    engine.time.at(40.0, engine.stop_event.set)
    with pytest.raises(Stopping):
        loaded(engine, storage)


def test_what_is_worth_it_is_written_and_the_backup_where_it_is_asked_for(engine: Engine, storage: Storage) -> None:
    saved, written = loaded(engine, storage), metrics.CHECKPOINT_WRITES.labels("written")
    before = written._sum.get()
    saved.commit(numbered(1), write=False)
    assert (storage.writes, saved.value) == (0, numbered(1))
    saved.commit(numbered(2))
    assert (storage.number(), (storage.folder / BACKUP_NAME).exists()) == (2, False)
    saved.commit(numbered(3), backup=True)
    assert (storage.number(), storage.number(BACKUP_NAME)) == (3, 3)
    saved.commit(numbered(4))
    saved.save()
    assert (storage.number(), storage.number(BACKUP_NAME), storage.writes) == (4, 3, 3)
    assert written._sum.get() > before


def test_nothing_waits_for_a_slow_storage_and_the_latest_is_saved_once_it_is_quick(
    engine: Engine, storage: Storage
) -> None:
    saved = loaded(engine, storage)
    storage.seconds = 6.0
    saved.commit(numbered(1))
    assert engine.time.monotonic() == 4.0
    for number in range(2, 20):
        engine.time.pass_s(1)
        saved.commit(numbered(number))
    assert (engine.time.monotonic(), storage.writes) == (22.0, 4)  # one at a time
    [unsaved] = (text for level, text in engine.lines if level == "error")
    assert unsaved.endswith("(the storage does not answer)")
    storage.seconds = 0.1
    for _ in range(8):
        engine.time.pass_s(1)
        saved.save()
    assert storage.number() == 19
    engine.time.pass_s(1)
    saved.commit(numbered(30))
    saved.commit(numbered(31))
    assert storage.number() == 31
    assert engine.lines[-1][1].startswith("Checkpoint recovered after ")


def test_of_a_failing_storage_one_line_is_said_and_saving_is_tried_again(engine: Engine, storage: Storage) -> None:
    saved = loaded(engine, storage)
    storage.fails = True
    saved.commit(numbered(1))
    for _ in range(40):
        saved.save()
        engine.time.pass_s(0.5)
    assert 6 <= storage.writes <= 9  # after pauses of 1, 2, 4, 4 … s less a quarter at most
    not_saved = "The state cannot be saved. Collection continues; if the connector restarts before the state is saved"
    why = ", it sends again what it delivered since the last save (OSError: no space left)"
    assert engine.lines[1:] == [("error", not_saved + why)]
    storage.fails = False
    engine.time.pass_s(4)
    saved.save()
    assert (storage.number(), storage.number(BACKUP_NAME)) == (1, 1)
    assert engine.lines[-1][1].startswith("Checkpoint recovered after 2")


@pytest.mark.parametrize(
    ("before", "storage_at_the_end", "is_saved", "written_s", "waited_s"),
    [
        ([(1, 5.0)], (3.0, False), True, 1, 5),
        ([(1, 5.0), (2, 3.0)], (3.0, False), True, 2, 8),
        ([(1, 5.0), (2, 3.0)], (inf, False), False, 1, 12),
        ([(1, 0.0), (2, inf)], (0.0, False), False, 1, 12),
        ([(1, 5.0), (2, 3.0)], (0.0, True), False, 1, 5),
    ],
)
def test_the_last_save_is_of_everything_within_its_time(
    engine: Engine,
    storage: Storage,
    before: list[tuple[int, float]],
    storage_at_the_end: tuple[float, bool],
    is_saved: bool,
    written_s: int,
    waited_s: float,
) -> None:
    saved = loaded(engine, storage)
    for second, storage.seconds in before:
        saved.commit(numbered(second))
    storage.seconds, storage.fails = storage_at_the_end
    assert saved.save_last(8.0) is is_saved
    assert engine.time.monotonic() == waited_s
    assert storage.number() == written_s
