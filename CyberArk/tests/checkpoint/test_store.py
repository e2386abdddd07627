"""The state's bytes: written whole or not at all, by one instance, in seconds, on disk and in S3."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from s3path import S3Path

from cyberark_modules.checkpoint import disk
from cyberark_modules.checkpoint import s3 as objects
from cyberark_modules.checkpoint.store import BACKUP_NAME, FILE_NAME, CheckpointStore, Stored
from cyberark_modules.errors import StateTaken, StateUnreadable, StateUnwritable
from fakes import s3

STATE = b'{"version": 2}'


def loaded(folder: Path) -> CheckpointStore:
    store = CheckpointStore(folder)
    store.load()
    return store


def test_where_nothing_is_stored_nothing_is_found(folder: Path) -> None:
    assert CheckpointStore(folder).load() == Stored(None, None)
    # Nor by an instance that was ended before it had saved anything.
    assert CheckpointStore(folder).load() == Stored(None, None)


def test_what_is_saved_is_found(folder: Path) -> None:
    store = loaded(folder)
    store.save(STATE, backup=True)
    store.save(b"newer")
    assert CheckpointStore(folder).load() == Stored(b"newer", STATE)


def test_saving_goes_on_after_a_load(folder: Path) -> None:
    loaded(folder).save(STATE)
    store = loaded(folder)
    for number in range(3):
        store.save(b"%d" % number)
        store.check()
    assert CheckpointStore(folder).load().content == b"2"


def test_the_state_of_the_published_connector_is_found_and_stays_readable(folder: Path) -> None:
    state = {"most_recent_date_seen": "2026-01-31T10:00:00+00:00", "events_cache": ["a"]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE_NAME).write_text(json.dumps(state))
    assert json.loads(CheckpointStore(folder).load().content or b"") == state
    assert json.loads((folder / FILE_NAME).read_bytes()) == state


@pytest.mark.parametrize("damaged", [b"", b'{"version": 2, "seen"', b"\xff\x00"])
def test_a_damaged_state_is_no_empty_one_and_can_be_set_aside(folder: Path, damaged: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE_NAME).write_bytes(damaged)
    store = CheckpointStore(folder)
    assert store.load().content == damaged
    name = store.set_aside(damaged)
    assert store.set_aside(damaged) == name
    assert (folder / name).read_bytes() == damaged
    store.save(STATE)
    assert CheckpointStore(folder).load().content == STATE


def test_the_instance_that_loads_last_takes_the_state(folder: Path) -> None:
    older = loaded(folder)
    older.save(STATE)
    newer = loaded(folder)
    with pytest.raises(StateTaken):
        older.save(b"of the older one")
    assert (folder / FILE_NAME).read_bytes().strip() == STATE
    newer.save(b"of the newer one")
    with pytest.raises(StateTaken):
        older.save(b"once more")
    with pytest.raises(StateTaken):
        older.check()
    assert CheckpointStore(folder).load().content == b"of the newer one"
    (folder / FILE_NAME).unlink()
    with pytest.raises(StateTaken):
        older.save(b"and once more")


def test_it_is_taken_even_before_anything_was_stored(folder: Path) -> None:
    older, newer = loaded(folder), loaded(folder)
    with pytest.raises(StateTaken):
        older.save(b"of the older one")
    newer.save(b"of the newer one")


def test_an_instance_whose_state_was_taken_can_load_it_again(folder: Path) -> None:
    first, second = loaded(folder), loaded(folder)
    second.save(STATE)
    assert first.load().content == STATE
    first.save(b"again")
    with pytest.raises(StateTaken):
        second.save(b"too late")


def test_on_disk_it_is_known_before_a_push(tmp_path: Path) -> None:
    older = loaded(tmp_path)
    older.check()
    loaded(tmp_path)
    with pytest.raises(StateTaken):
        older.check()


def test_a_state_replaced_by_hand_while_stopped_is_fine(folder: Path) -> None:
    loaded(folder).save(STATE)
    (folder / FILE_NAME).write_bytes(b'{"by": "hand"}')
    store = CheckpointStore(folder)
    assert store.load().content == b'{"by": "hand"}'
    store.save(STATE)


def test_a_state_removed_while_running_is_written_again(folder: Path) -> None:
    store = loaded(folder)
    store.save(STATE)
    (folder / FILE_NAME).unlink()
    store.check()
    store.save(b"again")
    assert CheckpointStore(folder).load().content == b"again"


def test_two_instances_never_leave_half_a_state(tmp_path: Path) -> None:
    """What the shared temporary file of the first edition did in 31 of 5957 reads."""
    size, stop = 200_000, threading.Event()

    def write(digit: bytes) -> None:
        while not stop.is_set():
            store = loaded(tmp_path)
            try:
                for _ in range(5):
                    store.save(digit * size)
            except StateTaken:
                continue

    writers = [threading.Thread(target=write, args=(digit,)) for digit in (b"1", b"2")]
    for writer in writers:
        writer.start()
    end, read = time.monotonic() + 0.5, 0
    while time.monotonic() < end:
        try:
            content = (tmp_path / FILE_NAME).read_bytes().rstrip()
        except FileNotFoundError:
            continue
        assert content in (b"{}", b"1" * size, b"2" * size)
        read += 1
    stop.set()
    for writer in writers:
        writer.join()
    assert read > 50


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    loaded(tmp_path).save(STATE)
    left = [tmp_path / f".{FILE_NAME}.abc123.tmp", tmp_path / f"{FILE_NAME}.tmp"]
    others = [tmp_path / "notes.tmp", tmp_path / f".{BACKUP_NAME}.abc.txt"]
    for path in left + others:
        path.write_bytes(b"half")
    loaded(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_a_write_that_fails_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = loaded(tmp_path)
    store.save(STATE)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_disk)
        with pytest.raises(StateUnwritable, match="No space"):
            store.save(b"newer")
    assert (tmp_path / FILE_NAME).read_bytes() == STATE
    assert list(tmp_path.glob(".*.tmp")) == []
    store.save(b"newer")


def full_disk(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_state_that_cannot_be_read_is_no_first_run(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StateUnreadable):
        CheckpointStore(tmp_path).load()


def test_a_storage_that_cannot_be_written_can_be_loaded_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(tmp_path).save(STATE)
    store = CheckpointStore(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_disk)
        assert store.load().content == STATE
    store.save(b"newer")


def test_a_lock_that_is_held_for_ever_costs_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LOCK_WITHIN_S", 0.3)
    store = loaded(tmp_path)
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / f".{FILE_NAME}.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline()
        started = time.monotonic()
        with pytest.raises(StateUnwritable, match="held by another process"):
            store.save(STATE)
        assert time.monotonic() - started < 1
    store.save(STATE)


def test_an_s3_that_never_answers_costs_a_second_and_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert objects.CONNECT_TIMEOUT_S <= 2
    assert objects.READ_TIMEOUT_S <= 2
    monkeypatch.setattr(objects, "READ_TIMEOUT_S", 0.2)
    with s3.silent_server() as silent:
        store = CheckpointStore(s3.bucket(silent, create=False))
        started = time.monotonic()
        with pytest.raises(StateUnwritable):
            store.save(b"x" * 500_000)
        assert time.monotonic() - started < 2.5


def test_a_bucket_that_is_not_there_can_neither_be_read_nor_written(s3_address: str) -> None:
    store = CheckpointStore(s3.bucket(s3_address, create=False))
    with pytest.raises(StateUnreadable):
        store.load()
    with pytest.raises(StateUnwritable):
        store.save(STATE)


@pytest.fixture
def s3_folder(s3_address: str) -> S3Path:
    return s3.bucket(s3_address)


def test_a_write_whose_answer_was_lost_is_our_own(s3_folder: S3Path) -> None:
    store = loaded(s3_folder)
    store.save(STATE)
    with losing_answers(store):
        with pytest.raises(StateUnwritable):
            store.save(b"second")
        with pytest.raises(StateUnwritable):
            store.save(b"third")
    assert (s3_folder / FILE_NAME).read_bytes() == b"second"
    store.save(b"fourth")
    assert CheckpointStore(s3_folder).load().content == b"fourth"


def test_an_s3_without_conditional_writes_is_written_all_the_same(s3_folder: S3Path) -> None:
    store = loaded(s3_folder)
    with answering(store, lambda parameters: "IfMatch" in parameters, "NotImplemented", 501):
        store.save(STATE)
    assert CheckpointStore(s3_folder).load().content == STATE


def test_an_s3_that_refuses_for_another_reason_is_no_conflict(s3_folder: S3Path) -> None:
    store = loaded(s3_folder)
    with (
        answering(store, lambda _: True, "AccessDenied", 403),
        pytest.raises(StateUnwritable, match="AccessDenied"),
    ):
        store.save(STATE)
    store.save(STATE)


class losing_answers:  # noqa: N801 # used like a function
    """The first write arrives, its answer is lost; what follows fails at once."""

    def __init__(self, store: CheckpointStore) -> None:
        self._events = store._file._client.meta.events  # type: ignore[attr-defined]

    def __enter__(self) -> None:
        self._events.register("after-call.s3.PutObject", self._lose)

    def __exit__(self, *_: object) -> None:
        self._events.unregister("after-call.s3.PutObject", self._lose)

    def _lose(self, **_: Any) -> None:
        raise TimeoutError("the answer was lost")


class answering:  # noqa: N801 # used like a function
    """S3 answers some writes with an error."""

    def __init__(self, store: CheckpointStore, applies: Callable[[dict[str, Any]], bool], code: str, status: int):
        self._events = store._file._client.meta.events  # type: ignore[attr-defined]
        self._applies, self._code, self._status = applies, code, status
        self._is_hit = False

    def __enter__(self) -> None:
        self._events.register("provide-client-params.s3.PutObject", self._look)
        self._events.register("before-send.s3.PutObject", self._answer)

    def __exit__(self, *_: object) -> None:
        self._events.unregister("provide-client-params.s3.PutObject", self._look)
        self._events.unregister("before-send.s3.PutObject", self._answer)

    def _look(self, params: dict[str, Any], **_: Any) -> None:
        self._is_hit = self._applies(params)

    def _answer(self, request: Any, **_: Any) -> AWSResponse | None:
        if not self._is_hit:
            return None
        body = f"<Error><Code>{self._code}</Code><Message>no</Message></Error>".encode()
        response = AWSResponse(request.url, self._status, {"content-type": "application/xml"}, None)
        response._content = body
        return response
