"""The dead-letter file: bounded, and nothing is in it, or out of it, that was not written for good."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules.files import DiskFile
from cyberark_modules.http import Http
from cyberark_modules.intake import dead_letters
from cyberark_modules.intake.dead_letters import FILE_NAME, DeadLetters
from fakes import s3
from intake.world import Caller, events, named


def letters_in(folder: Path) -> DeadLetters:
    letters = DeadLetters(folder, Http("1"), lambda _: None)
    letters.load()
    return letters


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_bytes().splitlines()]


def test_a_line_has_the_fields_of_the_second_edition(folder: Path) -> None:
    letters = letters_in(folder)
    assert letters.add(events(1), 403)
    assert letters.add([events(1)[0]._replace(text="text", uuid=None)], None)
    assert lines(folder) == [
        {"uuid": events(1)[0].uuid, "status": 403, "text": events(1)[0].text},
        {"uuid": None, "status": None, "text": "text"},
    ]


def test_every_text_survives_a_restart(folder: Path) -> None:
    texts = ['{"cut": "\ud83d"}', '{"é": "\\ud83d\\n"}', '"} \u2028 "text": ', "[" * 2000]
    assert letters_in(folder).add(named(*texts), 500)
    letters = letters_in(folder)
    assert list(letters.lines) == texts
    letters.remove({texts[0], texts[3]})
    assert list(letters_in(folder).lines) == texts[1:3]


def test_it_is_by_text_so_that_nothing_is_in_it_twice(folder: Path) -> None:
    letters = letters_in(folder)
    assert letters.add(named("a", "b"), 403)
    assert letters.add(named("b", "c"), 403)
    assert [line["text"] for line in lines(folder)] == ["a", "b", "c"]


def test_a_line_that_a_person_has_broken_spoils_no_other(folder: Path) -> None:
    letters_in(folder).add(named("a", "b"), 403)
    content = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(content[:-20] + b'\n[]\n{"text": 3}\n' + content)
    assert "a" in letters_in(folder).lines
    assert "b" in letters_in(folder).lines


def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LETTERS_AT_MOST", 2)
    letters = letters_in(tmp_path)
    assert letters.add(named("a", "b"), 403)
    assert not letters.add(named("c"), 403)
    assert letters.fault == "is full (2 events)"
    letters.remove({"a"})
    assert letters.add(named("c"), 403)
    monkeypatch.setattr(dead_letters, "BYTES_AT_MOST", 1000)
    assert not letters.add(named("x" * 900), 403)


def test_a_storage_that_fails_holds_what_it_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    letters = letters_in(tmp_path)
    assert letters.add(named("a", "b"), 403)
    with monkeypatch.context() as patched:
        patched.setattr(DiskFile, "write", full)
        assert not letters.add(named("c"), 403)
        letters.remove({"a"})
        assert list(letters.lines) == ["b"]
    assert [line["text"] for line in lines(tmp_path)] == ["a", "b"]
    assert not letters.is_saved


def test_what_cannot_be_read_is_not_written_over(tmp_path: Path, s3_address: str) -> None:
    (tmp_path / FILE_NAME).mkdir()
    assert not letters_in(tmp_path).add(named("a"), 403)
    assert not letters_in(s3.bucket(s3_address, create=False)).add(named("a"), 403)


def test_a_storage_that_hangs_is_given_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "STORED_WITHIN_S", 0.1)
    released, write = threading.Event(), DiskFile.write

    def hanging(file: DiskFile, content: bytes) -> None:
        released.wait(10)
        write(file, content)

    letters = letters_in(tmp_path)
    letters.add(named("a"), 403)
    monkeypatch.setattr(DiskFile, "write", hanging)
    started = time.monotonic()
    assert not letters.add(named("late"), 403)
    assert not letters.add(named("later"), 403)
    assert time.monotonic() - started < 1
    released.set()
    while not letters.add(named("b"), 403):
        time.sleep(0.01)
    assert [line["text"] for line in lines(tmp_path)] == ["a", "b"]


def test_a_full_file_is_an_outage_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LETTERS_AT_MOST", 3)
    caller = Caller(tmp_path)
    rejected = {event.text for event in events(6)}
    caller.http.rule = lambda sent, _now: 403 if rejected & set(sent) else 200
    caller.arrive(events(6))
    caller.run(60)
    caller.arrive(events(20, 100))
    caller.run(300, 1)
    faults = [text for text in caller.errors if "dead-letter file is full" in text]
    assert len(faults) == 1
    assert len(caller.in_file()) <= 3
    assert {event.text for event in events(20, 100)} <= set(caller.http.accepted)
    caller.http.rule = lambda *_: 200
    caller.run(600)
    assert rejected <= set(caller.http.accepted)
    assert set(caller.http.accepted.values()) == {1}
