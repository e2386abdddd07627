"""The real connector as a process, started as the platform starts it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sandbox import MODULE
from sandbox.server import Sandbox

_LINES_KEPT = 5000


class ConnectorProcess:
    """`main.py` with the environment of the platform and of the image, each start with the same ports and state.

    `program` is what starts in the place of `main.py`.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        state_folder: Path,
        *,
        command: str = "connector_audit_logs",
        program: Path = MODULE / "main.py",
        variables: Mapping[str, str] | None = None,
        **configuration: Any,
    ) -> None:
        state_folder.mkdir(parents=True, exist_ok=True)
        self.state_folder = state_folder
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.variables = dict(re.findall(r"^ENV (\w+)=(.+)$", (MODULE / "Dockerfile").read_text(), re.MULTILINE))
        self.variables |= {**sandbox.environment_variables(state_folder, **configuration), **(variables or {})}
        self._arguments = [sys.executable, str(program), command]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.kill()

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def liveness_url(self) -> str:
        """Return where the process says that it is alive."""
        return f"http://127.0.0.1:{self.variables['LIVENESS_PORT']}/health"

    @property
    def metrics_url(self) -> str:
        """Return where the process has its metrics."""
        return f"http://127.0.0.1:{self.variables['METRICS_PORT']}/metrics"

    def start(self) -> None:
        """Start it on what the last one left. Raises RuntimeError when it runs."""
        if self.is_running:
            raise RuntimeError("the connector is running already")
        self._process = subprocess.Popen(
            self._arguments,
            cwd=MODULE,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1", **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # an interrupt typed in the terminal is for whoever runs this
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def send(self, number: signal.Signals) -> None:
        self._started().send_signal(number)

    def kill(self) -> None:
        """Kill it; it is gone when this returns."""
        self._started().kill()
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code. Raises subprocess.TimeoutExpired."""
        process = self._started()
        if self._reader is not None:
            # Until its output ends. An interrupt while Popen waits may leave its lock held, and a later wait hangs.
            self._reader.join(timeout)
            if self._reader.is_alive():
                raise subprocess.TimeoutExpired(process.args, timeout or 0.0)
        return process.wait()

    def stop(self, timeout: float = 15.0) -> int:
        """Send SIGTERM, then SIGKILL after `timeout` seconds; return the exit code, negative for a signal's."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()

    def block_state(self) -> None:
        """Let nothing be written to the state folder: a file takes its place, which stops root too."""
        self.state_folder.rename(self._away)
        self.state_folder.touch()

    def unblock_state(self) -> None:
        """Put the state folder back; nothing happens where it is in its place."""
        if self._away.exists():
            self.state_folder.unlink()
            self._away.rename(self.state_folder)

    @property
    def _away(self) -> Path:
        return self.state_folder.with_name(f"{self.state_folder.name}.away")

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the connector was not started")
        return self._process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
