"""The instance that loaded the state last owns it; what cannot be read is never taken for a first run."""

from pathlib import Path

import pytest

from cyberark_modules.checkpoint.store import FILE_NAME, CheckpointStore
from cyberark_modules.errors import StateTaken, StorageFailed
from fakes import s3


def without_mark(content: bytes | None) -> bytes:
    """What the store has written, without the owner's mark."""
    assert content is not None
    mark, comma, rest = content.partition(b",")
    assert mark.startswith(b'{"owner":"')
    return b"{" + rest if comma else b"{}"


def test_what_was_saved_is_loaded_by_the_next_instance(folder: Path) -> None:
    store = CheckpointStore(folder)
    assert store.load() == (None, None)
    assert without_mark((folder / FILE_NAME).read_bytes()) == b"{}"
    store.save(b'{"a":1}', backup=True)
    store.save(b'{"a":2}')
    content, backup = CheckpointStore(folder).load()
    assert without_mark(content) == b'{"a":2}'
    assert backup == b'{"a":1}'


@pytest.mark.parametrize(
    ("found", "claimed"),
    [
        (b'{"a":1}', b'","a":1}'),
        (b'{"owner":"0a","a":1}', b'","a":1}'),
        (b'{ "a":1}', b'", "a":1}'),
        (b"{}\n", b'"}\n'),
        (b"half a file", b'",half a file'),
    ],
)
def test_a_claim_puts_the_mark_first_and_leaves_the_rest(tmp_path: Path, found: bytes, claimed: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(found)
    store = CheckpointStore(tmp_path)
    assert store.load()[0] == (None if b"a" not in found.removeprefix(b'{"owner":"0a"') else found)
    content = (tmp_path / FILE_NAME).read_bytes()
    assert content.startswith(b'{"owner":"')
    assert content.endswith(claimed)
    store.save(b"{}")


def test_the_instance_that_loaded_last_is_the_owner_and_the_other_writes_nothing_more(folder: Path) -> None:
    older, newer = CheckpointStore(folder), CheckpointStore(folder)
    older.load()
    older.save(b'{"a":1}')
    assert without_mark(newer.load()[0]) == b'{"a":1}'
    for _ in range(2):
        with pytest.raises(StateTaken):
            older.save(b'{"a":2}', backup=True)
    newer.save(b'{"a":3}')
    content, backup = CheckpointStore(folder).load()
    assert (without_mark(content), backup) == (b'{"a":3}', None)


def test_what_cannot_be_read_is_no_first_run(tmp_path: Path, s3_address: str) -> None:
    (tmp_path / FILE_NAME).mkdir()
    for folder in (tmp_path, s3.bucket(s3_address, create=False)):
        with pytest.raises(StorageFailed, match=r"IsADirectory|NoSuchBucket"):
            CheckpointStore(folder).load()


def test_what_can_be_read_but_not_written_is_loaded_and_saving_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'{"a":1}')
    store = CheckpointStore(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", _read_only)
        assert store.load()[0] == b'{"a":1}'
        with pytest.raises(StorageFailed, match="PermissionError: read-only"):
            store.save(b"{}")
    store.save(b'{"a":2}')
    assert without_mark(CheckpointStore(tmp_path).load()[0]) == b'{"a":2}'


def _read_only(*_: object) -> None:
    raise PermissionError("read-only")
