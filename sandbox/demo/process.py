"""The real connector, started as the platform starts it."""

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox import MODULE, TOP
from sandbox.demo.launch import OFFSET_FILE_VARIABLE
from sandbox.server.server import Sandbox

_OUTPUT_LINES = 5000


class ConnectorProcess:
    """`main.py COMMAND` with the environment of the platform and of the image, and no other help.

    The same ports, state and configuration serve every start. With `clock_file`, the process goes through
    `sandbox.demo.launch`, and `jump_clock` moves its wall clock. Leaving the context kills what still runs.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        state_dir: Path,
        *,
        command: str = "connector_audit_logs",
        clock_file: Path | None = None,
        log_file: Path | None = None,
        variables: Mapping[str, str] | None = None,
        **configuration: Any,
    ) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self.state_dir = state_dir
        self.lines: deque[str] = deque(maxlen=_OUTPUT_LINES)
        self.lines_read = 0
        self.variables = dict(re.findall(r"^ENV (\w+)=(.+)$", (MODULE / "Dockerfile").read_text(), re.MULTILINE))
        self.variables |= {**sandbox.environment_variables(state_dir, **configuration), **(variables or {})}
        self._clock_file = clock_file
        if clock_file is not None:
            self.variables[OFFSET_FILE_VARIABLE] = str(clock_file)
        self._arguments = ["main.py", command] if clock_file is None else ["-m", "sandbox.demo.launch", command]
        self._log_file = log_file
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.kill()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def liveness_url(self) -> str:
        return f"http://127.0.0.1:{self.variables['LIVENESS_PORT']}/health"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.variables['METRICS_PORT']}/metrics"

    def lines_since(self, count: int) -> list[str]:
        """The output after the first `count` lines, as far as it is kept."""
        lines = list(self.lines)
        return lines[max(0, len(lines) - (self.lines_read - count)) :]

    def start(self) -> None:
        if self.running:
            raise RuntimeError("the connector is running already")
        self._process = subprocess.Popen(
            [sys.executable, *self._arguments],
            cwd=MODULE,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1", **self.variables, **self._path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # An interrupt typed in the terminal is for whoever runs this process, who then stops it in order.
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        self._running_process().kill()
        self.wait()

    def terminate(self) -> None:
        """SIGTERM, as the platform stops a connector; `wait` for what comes of it."""
        self._running_process().terminate()

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        process = self._running_process()
        if self._reader is not None:
            # Until its output ends. An interrupt while Popen waits may leave its lock held, and a later wait hangs.
            self._reader.join(timeout)
            if self._reader.is_alive():
                raise subprocess.TimeoutExpired(process.args, timeout or 0.0)
        return process.wait()

    def restart(self) -> None:
        """Kill what runs, and start again on the same state."""
        if self.running:
            self.kill()
        self.start()

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds; returns the exit code, negative for a signal's."""
        self.terminate()
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()

    def jump_clock(self, seconds: float) -> None:
        """Put the process's wall clock this far from the machine's, from now on."""
        if self._clock_file is None:
            raise RuntimeError("the clock can only be moved when clock_file was given")
        beside = self._clock_file.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.replace(self._clock_file)

    @contextmanager
    def state_unwritable(self) -> Iterator[None]:
        """Nothing can be written to the state folder meanwhile.

        A folder's permissions stop nobody who is root, so a file takes the folder's place: this stops everyone.
        """
        away = self.state_dir.with_name(f"{self.state_dir.name}.away")
        self.state_dir.rename(away)
        self.state_dir.touch()
        try:
            yield
        finally:
            self.state_dir.unlink()
            away.rename(self.state_dir)

    def _path(self) -> dict[str, str]:
        """What starts main.py in another way than the platform is found here; main.py itself needs no help."""
        if self._arguments[0] == "main.py":
            return {}
        given = self.variables.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join([str(MODULE), str(TOP), *([given] if given else [])])}

    def _running_process(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the connector was not started")
        return self._process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                self.lines_read += 1
                if self._log_file is not None:
                    with self._log_file.open("a", encoding="utf-8") as log:
                        log.write(line)
