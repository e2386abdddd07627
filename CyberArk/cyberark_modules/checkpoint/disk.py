"""A file on disk that is written whole or not at all, and its lock."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .storage import Conflict, Found

LOCK_WITHIN_S = 2.0
_LOCK_RETRY_S = 0.02


class DiskFile:
    """A file. Its version changes with every write, of whatever process: inode, time of change, size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(f".{path.name}.lock")

    def read(self) -> Found | None:
        """Return its content and version, None when there is no file. Raises OSError."""
        try:
            with self._path.open("rb") as file:
                version = _version(os.fstat(file.fileno()))
                return Found(file.read(), version)
        except FileNotFoundError:
            return None

    def version(self) -> str | None:
        """Return its version, None when there is no file; one `stat`. Raises OSError."""
        try:
            return _version(self._path.stat())
        except FileNotFoundError:
            return None

    def replace(self, content: bytes, expected: str | None) -> str:
        """Write it whole, if it still has the `expected` version or is gone; return the new version.

        Call it under the lock. Raises Conflict when another process has written, OSError.
        """
        if (version := self.version()) is not None and version != expected:
            raise Conflict(self._path.name)
        return self.overwrite(content)

    def overwrite(self, content: bytes) -> str:
        """Write it whole, whatever is there; return the new version. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}.tmp")
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                version = _version(os.fstat(file.fileno()))
            unfinished.replace(self._path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        return version

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of this file, which the system releases when a process ends. Raises OSError, TimeoutError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + LOCK_WITHIN_S
        with self._lock_path.open("ab") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise TimeoutError(f"{self._lock_path.name} is held by another process") from None
                    time.sleep(_LOCK_RETRY_S)
            yield

    def remove_unfinished(self) -> None:
        """Remove what killed processes left half written. Under the lock, since whoever holds it may be writing."""
        former = self._path.with_name(f"{self._path.name}.tmp")  # the name that versions before 2.0 used
        for path in (former, *self._path.parent.glob(f".{self._path.name}.*.tmp")):
            with suppress(OSError):
                path.unlink()


def _version(stat: os.stat_result) -> str:
    return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
