"""Running a module of this package in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox import MODULE, TOP


def run_child(module: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Any:
    """What it prints in its last line, as JSON. Raises RuntimeError with its output when it fails."""
    ended = subprocess.run(
        [sys.executable, "-m", f"sandbox.bench.{module}", *arguments],
        cwd=MODULE,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(TOP), **(environment or {})},
        capture_output=True,
        text=True,
    )
    lines = ended.stdout.strip().splitlines()
    if ended.returncode or not lines:
        raise RuntimeError(f"{module} failed:\n{ended.stdout}\n{ended.stderr}")
    return json.loads(lines[-1])
