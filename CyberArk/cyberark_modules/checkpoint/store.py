"""Where the checkpoint is saved: `context.json` in the SDK's data path, and a second copy of it.

The instance that loaded it last owns it: the file begins with that instance's mark, and nobody else writes it.
"""

import re
import secrets
from contextlib import suppress
from pathlib import Path

from ..errors import StateTaken, StorageFailed
from ..files import stored_file

FILE_NAME = "context.json"
# To continue from if something else has damaged the file.
BACKUP_NAME = "context.previous.json"
_MARK = re.compile(rb'^\{"owner":"\w*",?')


class CheckpointStore:
    """Reads and writes the state. `folder` is a path of the SDK: local, or an S3Path.

    Each call may take seconds, or hang with the storage: make it in the background.
    """

    def __init__(self, folder: Path) -> None:
        self._file = stored_file(folder / FILE_NAME)
        self._backup = stored_file(folder / BACKUP_NAME)
        self._mark = b'{"owner":"%s"' % secrets.token_hex(8).encode()
        self._is_claimed = False

    def load(self) -> tuple[bytes | None, bytes | None]:
        """Return the state and its backup as they were saved (None: there is none), and claim it.

        Raises StorageFailed when the storage cannot be read now.
        """
        try:
            content, backup = self._file.read(), self._backup.read()
        except Exception as error:  # the storage libraries raise their own errors, not only OSError
            raise StorageFailed(f"{type(error).__name__}: {error}") from None
        with suppress(Exception):  # it can be read, but not written: collection continues, and `save` claims it
            self._file.write(self._owned(content or b"{}"))
            self._is_claimed = True
        return None if _is_empty(content) else content, None if _is_empty(backup) else backup

    def save(self, content: bytes, backup: bool = False) -> None:
        """Write the state, and its backup if asked. Call `load` first.

        Raises StorageFailed, and StateTaken when another instance has loaded it since: send nothing more, and stop.
        """
        try:
            if self._is_claimed:
                self._file.write_owned(self._owned(content), self._mark)
            else:
                self._file.write(self._owned(content))
            self._is_claimed = True
            if backup:
                self._backup.write(content)
        except StateTaken:
            raise
        except Exception as error:
            raise StorageFailed(f"{type(error).__name__}: {error}") from None

    def _owned(self, content: bytes) -> bytes:
        """Return that JSON object with the mark of this instance as its first entry; a damaged one stays damaged."""
        rest = _MARK.sub(b"", content, count=1) if _MARK.match(content) else content.removeprefix(b"{")
        return self._mark + (b"" if rest.strip().startswith(b"}") else b",") + rest


def _is_empty(content: bytes | None) -> bool:
    """Whether nothing was saved: no file, or an object with nothing but the owner's mark."""
    return content is None or _MARK.sub(b"{", content, count=1).strip() == b"{}"
