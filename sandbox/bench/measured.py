"""Starts main.py with figures of the process itself beside its metrics.

Run as `python -m sandbox.bench.measured COMMAND`. A scrape then also shows `bench_cpu_seconds`, `bench_peak_bytes`,
and `bench_stage_cpu_seconds` by stage: the CPU time spent in the functions of a stage, less what a stage inside it has
taken. Between two scrapes nothing is measured but the CPU clock of the thread, a dozen times a page.
"""

import functools
import resource
import runpy
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cyberark_modules.audit_api import client as audit_api
from cyberark_modules.audit_api.events import RawPage
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.checkpoint.store import CheckpointStore
from cyberark_modules.collection import state
from cyberark_modules.collection.loop import Loop
from cyberark_modules.collection.streams import Streams
from cyberark_modules.collection.survey import Survey
from cyberark_modules.intake import Intake
from cyberark_modules.platform.connector import PlatformConnector

STAGES: dict[str, list[tuple[Any, str]]] = {
    "receive": [(Transport, "post")],
    "read": [(audit_api, "split_page"), (RawPage, "read")],
    "choose": [(Streams, "_read")],
    "push": [(Intake, "push"), (PlatformConnector, "_send_chunk")],
    "remember": [(Loop, "_confirm"), (Streams, "advanced"), (Streams, "pruned")],
    "store": [(state, "encode"), (CheckpointStore, "save")],
    "report": [(Survey, "page"), (Survey, "update")],
}


class StageClock:
    """Adds up CPU time by stage, over all threads."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()
        self._inside = threading.local()

    def measure(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            around, self._inside.seconds = getattr(self._inside, "seconds", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.thread_time() - began
                with self._lock:
                    self.seconds[stage] += spent - self._inside.seconds
                self._inside.seconds = around + spent

        return measured


class ProcessFigures(Collector):
    """What is read at a scrape."""

    def __init__(self, clock: StageClock) -> None:
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("bench_cpu_seconds", "CPU time of the process", value=time.process_time())
        yield GaugeMetricFamily("bench_peak_bytes", "Largest resident size", value=peak_bytes())
        stages = GaugeMetricFamily("bench_stage_cpu_seconds", "CPU time of a stage", labels=["stage"])
        for stage, seconds in self._clock.seconds.items():
            stages.add_metric([stage], seconds)
        yield stages


def peak_bytes() -> int:
    """The largest resident size of this process so far."""
    try:
        # Not by getrusage: on Linux that begins with the size of the process that started this one.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    clock = StageClock()
    for name, functions in STAGES.items():
        for owner, function_name in functions:
            setattr(owner, function_name, clock.measure(name, getattr(owner, function_name)))
    REGISTRY.register(ProcessFigures(clock))
    sys.argv[0] = "main.py"
    runpy.run_path("main.py", run_name="__main__")
