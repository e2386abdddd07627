"""The state in memory goes on whatever its storage does: a write that hangs is given seconds once, then nothing."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collection.values import NOW, checkpoint
from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.checkpoint.encoding import decode, encode
from cyberark_modules.checkpoint.store import BACKUP_NAME, FILE_NAME, CheckpointStore
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.clock import Clock
from cyberark_modules.collection import state as state_module
from cyberark_modules.collection.state import State
from cyberark_modules.platform.background import Background
from cyberark_modules.telemetry.reporter import Reporter

WITHIN_S, SHORTLY_S = 0.4, 0.1


class Scenery:
    """A state on a disk that answers no write while `answers` is cleared."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
        self.answers = threading.Event()
        self.answers.set()
        fsync = os.fsync

        def slow(descriptor: int) -> None:
            self.answers.wait(10)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", slow)
        monkeypatch.setattr(state_module, "WRITE_WITHIN_S", WITHIN_S)
        monkeypatch.setattr(state_module, "WRITE_SHORTLY_S", SHORTLY_S)
        reporter = Reporter(
            lambda text, level: self.lines.append((level, text)), time.monotonic, lambda: NOW, lambda: 0.0
        )
        background = Background(threading.Event(), Clock())
        self.state = State(
            CheckpointStore(folder), reporter, Backoff(first=0.01, longest=0.01), background, time.monotonic
        )
        assert self.state.load(NOW, NOW) == 0

    def commit(self, queried_ms: int, delivered: bool = True) -> float:
        """Commit a checkpoint that is known by this number; return how long it took (s)."""
        started = time.monotonic()
        self.state.commit(replace(checkpoint(), queried_ms=queried_ms), delivered=delivered)
        return time.monotonic() - started

    @property
    def stored(self) -> int | None:
        return decode((self.folder / FILE_NAME).read_bytes(), NOW).queried_ms


@pytest.fixture
def scenery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scenery]:
    scenery = Scenery(tmp_path, monkeypatch)
    yield scenery
    scenery.answers.set()


def test_a_commit_of_what_was_delivered_is_stored_when_it_returns(scenery: Scenery) -> None:
    for number in range(1, 20):
        scenery.commit(number)
        assert scenery.stored == number
    assert scenery.lines == []


def test_a_write_that_hangs_is_waited_for_once_and_that_is_said_once(scenery: Scenery) -> None:
    scenery.commit(1)
    scenery.answers.clear()
    assert WITHIN_S <= scenery.commit(2) < 2 * WITHIN_S
    assert max(scenery.commit(number) for number in range(3, 20)) < SHORTLY_S
    assert [level for level, _ in scenery.lines] == ["error"]
    assert scenery.stored == 1
    scenery.answers.set()
    end = time.monotonic() + 5
    while scenery.stored != 19 and time.monotonic() < end:
        scenery.state.retry()
        time.sleep(0.01)
    assert scenery.stored == 19
    assert scenery.state.save_last(5)
    assert [level for level, _ in scenery.lines] == ["error", "info"]


def test_a_write_that_hangs_is_waited_for_once_although_the_state_takes_long_to_encode(
    scenery: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(state: Checkpoint) -> bytes:
        time.sleep(0.02)
        return encode(state)

    monkeypatch.setattr(state_module, "encode", slow)
    scenery.answers.clear()
    assert scenery.commit(1) >= WITHIN_S
    assert scenery.commit(2) < WITHIN_S / 2


def test_what_brings_nothing_that_was_delivered_waits_shortly_for_a_write_that_hangs(scenery: Scenery) -> None:
    scenery.answers.clear()
    assert SHORTLY_S <= scenery.commit(1, delivered=False) < WITHIN_S
    assert scenery.lines == []


def test_before_the_end_the_newest_is_stored_after_the_write_in_flight(scenery: Scenery) -> None:
    scenery.answers.clear()
    scenery.commit(1)
    scenery.commit(2)
    threading.Timer(0.2, scenery.answers.set).start()
    assert scenery.state.save_last(5)
    assert scenery.stored == 2


def test_at_the_end_a_write_that_hangs_is_given_up_in_time(scenery: Scenery) -> None:
    scenery.answers.clear()
    scenery.commit(1)
    started = time.monotonic()
    assert not scenery.state.save_last(0.3)
    assert 0.3 <= time.monotonic() - started < 0.6


def test_writes_that_are_slow_but_succeed_are_said_once_at_most(
    scenery: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(1.3 * WITHIN_S))
    for number in range(4):
        scenery.commit(number)
        assert scenery.state.save_last(5)
    assert [level for level, _ in scenery.lines] == ["error"]
    monkeypatch.setattr(os, "fsync", lambda _: None)
    scenery.commit(4)
    assert scenery.state.save_last(5)
    assert [level for level, _ in scenery.lines] == ["error", "info"]


def test_a_write_in_flight_and_the_next_one_are_waited_for_no_longer_than_one(
    scenery: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep(0.8 * WITHIN_S))
    scenery.commit(1, delivered=False)
    assert scenery.commit(2) < 1.3 * WITHIN_S
    assert scenery.state.save_last(5)
    assert scenery.stored == 2


def test_the_intent_of_a_query_is_stored_before_the_query_is_sent(
    scenery: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `Loop._open_query` commits it, on a storage that is slow and works."""
    monkeypatch.setattr(os, "fsync", lambda _: time.sleep((SHORTLY_S + WITHIN_S) / 2))
    scenery.state.commit(replace(checkpoint(), queried_ms=7), backup=True)
    stored_now = (scenery.folder / FILE_NAME).read_bytes()
    assert scenery.state.save_last(5)
    assert decode(stored_now, NOW).queried_ms == 7


def test_the_backup_of_a_query_is_written_although_another_write_is_in_flight(scenery: Scenery) -> None:
    scenery.answers.clear()
    scenery.commit(1, delivered=False)
    scenery.state.commit(replace(checkpoint(), queried_ms=2), backup=True)
    scenery.answers.set()
    assert scenery.state.save_last(5)
    assert decode((scenery.folder / BACKUP_NAME).read_bytes(), NOW).queried_ms == 2


def test_a_backup_that_could_not_be_written_is_written_with_the_next_write(
    scenery: Scenery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        scenery.state.commit(replace(checkpoint(), queried_ms=2), backup=True)
    assert not (scenery.folder / BACKUP_NAME).exists()
    assert scenery.state.save_last(5)
    assert decode((scenery.folder / BACKUP_NAME).read_bytes(), NOW).queried_ms == 2
