"""Starts main.py with a wall clock that can be moved while it runs.

Run as `python -m sandbox.demo.launch COMMAND`. The file named by the variable CLOCK_OFFSET_FILE holds the seconds to
add to `time.time()`; it is read whenever it has changed.
"""

import os
import runpy
import sys
import time
from pathlib import Path

OFFSET_FILE_VARIABLE = "CLOCK_OFFSET_FILE"


class MovableClock:
    """In place of `time.time`, before anything else is imported."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._true_time = time.time
        self._read_at = 0
        self._offset = 0.0

    def __call__(self) -> float:
        try:
            changed_at = self._file.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._offset = float(self._file.read_text())
                self._read_at = changed_at
        except (OSError, ValueError):
            # Absent, or being written just now: the last offset stands.
            pass
        return self._true_time() + self._offset


if __name__ == "__main__":
    time.time = MovableClock(Path(os.environ[OFFSET_FILE_VARIABLE]))
    sys.argv[0] = "main.py"
    runpy.run_path("main.py", run_name="__main__")
