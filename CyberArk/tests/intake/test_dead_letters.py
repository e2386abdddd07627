"""The dead-letter file: bounded, readable by a person, and nothing is in it that was not written for good."""

import json
import os
from pathlib import Path

import pytest

from cyberark_modules.intake import DeadLetter, DeadLetters
from cyberark_modules.intake.dead_letters import FILE_NAME
from fakes import s3

NOW_MS = 1_769_853_600_000


def letter(number: int, text: str = "") -> DeadLetter:
    return DeadLetter(text or json.dumps({"n": number, "user": "${jndi:x}"}), f"uuid-{number}", 403, NOW_MS)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines()]


def test_a_letter_holds_what_it_takes_to_resend_the_event(folder: Path) -> None:
    letters = DeadLetters(folder)
    assert letters.count() == 0
    assert letters.append(letter(1))
    assert letters.append(DeadLetter("text", None, None, NOW_MS))
    assert letters.count() == 2
    assert lines(folder) == [
        {"uuid": "uuid-1", "status": 403, "refused_at": "2026-01-31T10:00:00+00:00", "text": letter(1).text},
        {"uuid": None, "status": None, "refused_at": "2026-01-31T10:00:00+00:00", "text": "text"},
    ]


def test_every_text_survives(folder: Path) -> None:
    texts = ['{"cut": "\ud83d"}', '{"é": "\\ud83d\\n"}', '"} \u2028 "text": ']
    for number, text in enumerate(texts):
        assert DeadLetters(folder).append(letter(number, text))
    assert [line["text"] for line in lines(folder)] == texts


def test_a_letter_that_is_there_already_is_not_added_again(folder: Path) -> None:
    """After a kill between the letter and the next commit, the event is refused once more."""
    assert DeadLetters(folder).append(letter(1))
    assert DeadLetters(folder).append(letter(2))
    assert DeadLetters(folder).append(letter(1))
    assert DeadLetters(folder).count() == 2


def test_a_full_file_takes_no_letter_and_loses_none(folder: Path) -> None:
    letters = DeadLetters(folder, letters_at_most=2)
    assert letters.append(letter(1))
    assert letters.append(letter(2))
    assert not letters.append(letter(3))
    assert len(lines(folder)) == 2
    (folder / FILE_NAME).unlink()  # a person has resent them
    assert letters.append(letter(3))


def test_the_file_is_bounded_in_bytes(folder: Path) -> None:
    letters = DeadLetters(folder, bytes_at_most=1000)
    assert letters.append(letter(1, "x" * 800))
    assert not letters.append(letter(2, "y" * 800))
    assert letters.append(letter(3, "z"))


def test_a_line_that_was_cut_spoils_no_other(folder: Path) -> None:
    assert DeadLetters(folder).append(letter(1))
    content = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(content + content[:40])
    assert DeadLetters(folder).append(letter(2))
    assert [json.loads(line)["uuid"] for line in (folder / FILE_NAME).read_text().splitlines()[::2]] == [
        "uuid-1",
        "uuid-2",
    ]


def test_a_disk_that_is_full_takes_no_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert not DeadLetters(tmp_path).append(letter(1))
    assert DeadLetters(tmp_path).append(letter(2))


def test_a_file_that_cannot_be_read_takes_no_letter(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    letters = DeadLetters(tmp_path)
    assert not letters.append(letter(1))
    assert letters.count() is None


def test_an_s3_that_is_not_there_takes_no_letter(s3_address: str) -> None:
    assert not DeadLetters(s3.bucket(s3_address, create=False)).append(letter(1))
