"""Runs of the real process that deliver a backlog, and what each took."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.process import ConnectorProcess
from sandbox.server import Sandbox

PAGE_S, PUSH_S = 0.3, 0.15
LOOKBACK_H = 168
_TICK_S = 0.02
_LONGEST_S = 900.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Drained:
    """What it took to deliver a backlog: from the first query on in seconds, CPU of the whole process, peak memory."""

    events: int
    seconds: float
    cpu_s: float
    peak_bytes: int

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us_per_event(self) -> float:
        return self.cpu_s / self.events * 1e6


def drain(events: int, span_s: float, page_s: float = 0.0, push_s: float = 0.0) -> Drained:
    """Deliver a backlog of the last `span_s` seconds. Raises RuntimeError when an event is lost or comes twice."""
    with Sandbox() as sandbox:
        world, ledger = sandbox.world, sandbox.world.ledger
        world.settings.audit.page_latency_s, world.settings.sekoia.push_latency_s = page_s, push_s
        world.add_backlog(events, span_s)
        with ConnectorProcess(sandbox, sandbox.folder / "state", start_time=LOOKBACK_H) as connector:
            wait_until(connector, lambda: bool(ledger.query_times))
            cpu_before = cpu_s(connector.pid)
            wait_until(connector, lambda: ledger.accepted >= events)
            cpu_after, peak_bytes = cpu_s(connector.pid), _peak_bytes(connector.pid)
            connector.stop()
        snapshot = ledger.snapshot()
        if ledger.lost_count() or snapshot.duplicates or snapshot.altered or snapshot.queries_too_soon:
            raise RuntimeError(f"the promise was broken: {snapshot}")
        seconds = (ledger.last_accepted_at or 0.0) - ledger.query_times[0]
        return Drained(events, seconds, cpu_after - cpu_before, peak_bytes)


def wait_until(connector: ConnectorProcess, holds: Callable[[], bool]) -> None:
    """Wait until something holds. Raises RuntimeError with the connector's lines when it does not."""
    end = time.monotonic() + _LONGEST_S
    while not holds():
        if not connector.is_running or time.monotonic() > end:
            raise RuntimeError("the connector did not deliver:\n" + "\n".join(connector.lines))
        time.sleep(_TICK_S)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, all threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
