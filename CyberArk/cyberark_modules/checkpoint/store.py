"""Where the checkpoint's bytes are kept: `context.json` in the SDK's data path, on disk or in S3.

The SDK's PersistentJSON truncates the file before it writes it, and reads a damaged one as empty; this store writes it
whole or not at all, and lets one instance write it: the one that loaded it last.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from ..errors import StateTaken, StateUnreadable, StateUnwritable
from .files import stored_file
from .storage import Conflict

FILE_NAME = "context.json"
# A second copy, to continue from if something else has damaged the file.
BACKUP_NAME = "context.previous.json"
# What a claim is written into while nothing is stored: the published connector's own empty state.
_EMPTY = b"{}"
_BLANK = b" \t\n"
CLAIMS_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """What was found: the state and its backup as they were saved, None where there is none."""

    content: bytes | None
    backup: bytes | None


class CheckpointStore:
    """Reads and writes the state. `folder` is a path of the SDK: local, or an S3Path.

    A write takes seconds at most in S3. `load` claims the state: an older instance that runs on it finds at its next
    `save` that it has been taken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = stored_file(folder / FILE_NAME)
        self._backup = stored_file(folder / BACKUP_NAME)
        self._version: str | None = None
        self._taken = False

    def load(self) -> Stored:
        """Return what is stored, and claim it; only where there is neither state nor backup is it a first run.

        Raises StateUnreadable when the storage cannot be read now. A claim that cannot be written is not made.
        """
        try:
            found, backup = self._file.read(), self._backup.read()
            # An older instance may write between the reading and the claim: what it wrote is then read and claimed.
            for _ in range(CLAIMS_AT_MOST):
                self._version = found.version if found else None
                if self._claim(found.content if found else _EMPTY):
                    break
                found = self._file.read()
        except Exception as error:  # the storage libraries raise their own errors, not only OSError
            reason = _reason(error)
        else:
            self._taken = False
            content = found.content.rstrip(_BLANK) if found else _EMPTY
            # An empty file is a damaged one: the published connector empties its file before it writes it.
            return Stored(None if content == _EMPTY else content, backup.content if backup else None)
        raise StateUnreadable(reason)

    def save(self, content: bytes, backup: bool = False) -> None:
        """Write the state, and its backup if asked. Call `load` first.

        Raises StateUnwritable, and StateTaken when a newer instance has loaded or written the state since: send
        nothing more, and stop. Both are final for this call; a retry is the caller's.
        """
        if self._taken:
            raise StateTaken(FILE_NAME)
        with _storage_errors():
            try:
                with self._file.lock():
                    self._version = self._file.replace(content, self._version)
                if backup:
                    self._backup.overwrite(content)
                return
            except Conflict:
                self._taken = True
        raise StateTaken(FILE_NAME)

    def check(self) -> None:
        """Raise StateTaken if a newer instance has taken the state, where that costs next to nothing: on disk.

        Call it before a push, which then is not sent by two instances. Storage that cannot be read raises nothing.
        """
        try:
            version = self._file.version()
        except OSError:
            version = None
        if version is not None and version != self._version:
            self._taken = True
        if self._taken:
            raise StateTaken(FILE_NAME)

    def set_aside(self, content: bytes) -> str:
        """Keep a copy of a damaged state, once for the same content; return its name. Raises StateUnwritable."""
        name = f"{FILE_NAME}.unreadable-{blake2b(content, digest_size=4).hexdigest()}"
        with _storage_errors():
            stored_file(self._folder / name).overwrite(content)
        return name

    def _claim(self, content: bytes) -> bool:
        """Write the state as it is, but for white space at its end that makes it this instance's.

        Without that white space it would have the same ETag in S3 as before. Return False if another instance has
        written it since it was read.
        """
        mark = bytes(secrets.choice(_BLANK) for _ in range(40))
        try:
            with self._file.lock():
                self._file.remove_unfinished()
                self._version = self._file.replace(content.rstrip(_BLANK) + mark, self._version)
        except Conflict:
            return False
        except Exception:  # noqa: S110 # the first `save` finds out; until then collection continues
            pass
        return True


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn what the storage libraries raise into StateUnwritable."""
    try:
        yield
    except Exception as error:  # they raise their own errors, not only OSError
        raise StateUnwritable(_reason(error)) from None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
