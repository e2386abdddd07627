"""A file is written whole or not at all, and by its owner only: on disk, and in S3."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cyberark_modules.errors import StateTaken
from cyberark_modules.files import DiskFile, S3File, stored_file
from fakes import s3


def test_whoever_has_put_a_mark_last_is_the_owner_and_nobody_else_writes(folder: Path) -> None:
    older, newer = stored_file(folder / "a.json"), stored_file(folder / "a.json")
    assert older.read() is None
    older.write(b"older 1")
    older.write_owned(b"older 2", b"older")
    older.write_owned(b"older 3", b"older")
    assert newer.read() == b"older 3"
    newer.write(b"newer 1")
    with pytest.raises(StateTaken):
        older.write_owned(b"older 4", b"older")
    newer.write_owned(b"newer 2", b"newer")
    assert older.read() == b"newer 2"


def test_a_file_that_is_gone_is_written_by_its_owner(folder: Path) -> None:
    file = stored_file(folder / "a.json")
    file.write(b"mine 1")
    (folder / "a.json").unlink()
    file.write_owned(b"mine 2", b"mine")
    assert file.read() == b"mine 2"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    file = DiskFile(tmp_path / "a.json")
    file.write(b"before")
    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(OSError, match="no space"):
        file.write(b"after")
    assert file.read() == b"before"


def test_what_a_killed_process_left_unfinished_goes_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / ".a.json.tmp").write_bytes(b"half")
    DiskFile(tmp_path / "a.json").write(b"whole")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


LOST = "the answer of a write that was done"


@pytest.mark.parametrize(
    ("answers", "error", "calls"),
    [
        ([LOST], None, 2),
        (["NotImplemented"], None, 2),  # a store without conditions
        (["PreconditionFailed", "412", "NoSuchKey"], StateTaken, 3),
        (["AccessDenied"], ClientError, 1),
    ],
)
def test_a_conditional_write_to_s3(
    s3_address: str, answers: list[str], error: type[Exception] | None, calls: int
) -> None:
    file, conditional = S3File(s3.bucket(s3_address) / "a.json"), list[bool]()
    file.write(b"mine 1")
    put, pending = file._client.put_object, list(answers)

    def scripted(**arguments: Any) -> Any:
        conditional.append("IfMatch" in arguments)
        code = pending.pop(0) if pending else ""
        answer = put(**arguments) if code in ("", LOST) else {}
        if code:
            raise ClientError({"Error": {"Code": "PreconditionFailed" if code == LOST else code}}, "PutObject")
        return answer

    file._client.put_object = scripted
    with pytest.raises(error) if error else nullcontext():
        file.write_owned(b"mine 2", b"mine")
    assert file.read() == (b"mine 1" if error else b"mine 2")
    assert len(conditional) == calls
    assert conditional[-1] is (answers != ["NotImplemented"])
