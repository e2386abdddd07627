"""The state folder of a simulated process: a real one, whose disk can fail or hang, and whose writer can be killed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import IO, Any, ClassVar, Literal

from sandbox.virtual_time import Killed, Timeline

Point = Literal["before", "unfinished", "after"]
"""Before a write, when the new file is written but not yet in its place, and when it is."""


class StateFolder:
    """A folder. `path` is given to the connector.

    Writes fail while `writable` is false. `on_main_loop` counts what was not opened in the background.
    """

    def __init__(self, directory: Path, timeline: Timeline, kill: Callable[[], None]) -> None:
        folder = self

        class Watched(_WatchedPath):
            watcher = folder

        directory.mkdir(parents=True, exist_ok=True)
        self.path = Watched(directory)
        self.writable = True
        self.writes = 0
        self.on_main_loop = 0
        self._timeline = timeline
        self._kill = kill
        self._kill_at: tuple[int, Point] | None = None

    def kill_at_write(self, number: int, point: Point) -> None:
        """Kill the process at its write of that number from now (1: the next)."""
        self._kill_at = (self.writes + number, point)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None when there is none."""
        file = Path(self.path) / name
        return file.read_bytes() if file.exists() else None

    def damage(self, name: str, keep: float) -> None:
        """Leave that share of a file, its beginning."""
        content = self.read(name) or b""
        (Path(self.path) / name).write_bytes(content[: int(len(content) * keep)])

    def opening(self, is_write: bool) -> None:
        """Let a file be opened, or not. Raises OSError, Killed."""
        self.on_main_loop += not self._timeline.is_in_call
        if not is_write:
            return
        if not self.writable:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes += 1
        self.reach("before")

    def reach(self, point: Point) -> None:
        """Kill the process if it is to be killed here."""
        if self._timeline.process is not None and self._timeline.process.is_killed:
            raise Killed
        if self._kill_at is not None and self._kill_at[1] == point and self.writes >= self._kill_at[0]:
            self._kill_at = None
            self._kill()
            raise Killed


class _WatchedPath(PosixPath):
    watcher: ClassVar[StateFolder]

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:  # type: ignore[override]
        if not self.name.endswith(".lock"):
            self.watcher.opening(not mode.startswith("r") or "+" in mode)
        return super().open(mode, *args, **kwargs)

    def replace(self, target: Any) -> "_WatchedPath":
        self.watcher.reach("unfinished")
        super().replace(target)
        self.watcher.reach("after")
        return self
