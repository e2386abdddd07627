"""The state folder of a simulated process: a real one, whose disk can fail, and whose writer can be killed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import IO, Any, ClassVar, Literal

from sandbox.simulation.timeline import Killed

Point = Literal["before", "unfinished", "after"]
"""Before a write, when the new file is written but not yet in its place, and when it is."""


class StateFolder:
    """`path` is given to the connector. `stored` is told of each file that was replaced."""

    def __init__(self, directory: Path, stored: Callable[[str], None] = lambda name: None) -> None:
        folder = self

        class Watched(_WatchedPath):
            watcher = folder

        self.path = Watched(directory)
        self.writable = True
        self.readable = True
        self.writes = 0
        self.bytes_written = 0
        self._stored = stored
        self._kill: tuple[int, Point] | None = None

    def kill_at_write(self, number: int, point: Point) -> None:
        """Kill the process at its write of that number from now (1: the next)."""
        self._kill = (self.writes + number, point)

    def forget_kill(self) -> None:
        self._kill = None

    def read(self, name: str) -> bytes | None:
        path = Path(self.path) / name
        return path.read_bytes() if path.exists() else None

    def damage(self, name: str, keep: float) -> None:
        """Leave that share of the file, its beginning; nothing happens where there is none."""
        content = self.read(name)
        if content is not None:
            (Path(self.path) / name).write_bytes(content[: int(len(content) * keep)])

    def opening(self, is_write: bool) -> None:
        if not is_write:
            if not self.readable:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return
        if not self.writable:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes += 1
        self._reach("before")

    def replacing(self, size: int) -> None:
        self._reach("unfinished")
        self.bytes_written += size

    def replaced(self, name: str) -> None:
        self._stored(name)
        self._reach("after")

    def _reach(self, point: Point) -> None:
        if self._kill is not None and self._kill[1] == point and self.writes >= self._kill[0]:
            self._kill = None
            raise Killed


class _WatchedPath(PosixPath):
    watcher: ClassVar[StateFolder]

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:  # type: ignore[override]
        if "a" not in mode:
            self.watcher.opening("w" in mode or "x" in mode)
        return super().open(mode, *args, **kwargs)

    def replace(self, target: Any) -> "_WatchedPath":
        self.watcher.replacing(self.stat().st_size)
        super().replace(target)
        self.watcher.replaced(Path(target).name)
        return self
