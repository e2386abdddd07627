"""Running the connector's own process on a backlog, and what one scrape of it shows."""

import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sandbox import TOP
from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import Sandbox

WEEK_HOURS = 168
BACKLOG_SPAN_SECONDS = 3000.0
_POLL_SECONDS = 0.05
_LONGEST_SECONDS = 400.0


class MeasuredProcess(ConnectorProcess):
    """The connector, started through `sandbox.bench.measured`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._arguments = ["-m", "sandbox.bench.measured", "connector_audit_logs"]

    def scrape(self) -> dict[tuple[str, str], float]:
        """Every sample by its name and the values of its labels, joined by commas."""
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@dataclass(frozen=True)
class Drained:
    """A backlog that was delivered.

    `events_per_second` is from the opening of the query to the last acceptance. CPU times (s per event) and the time
    of the state's writes (s) are of what came between the first page and the last.
    """

    events: int
    seconds: float
    cpu: float
    cpu_by_stage: dict[str, float]
    cpu_with_start: float
    peak_bytes: float
    state_write_seconds: float
    state_writes: float
    state_bytes: float
    results_answered: int
    output: list[str]

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds

    @property
    def state_share(self) -> float:
        return self.state_write_seconds / self.seconds


def drain(
    events: int,
    chunk_size: int = 500,
    *,
    page_latency: float = 0.0,
    push_latency: float = 0.0,
    span_seconds: float = BACKLOG_SPAN_SECONDS,
    event_bytes: int = 0,
    variables: Mapping[str, str] | None = None,
) -> Drained:
    """Deliver a backlog from a first run on, over TLS, and check that nothing is lost or duplicated.

    The events are realistic ones, of about a kilobyte, or of `event_bytes` each.
    """
    with working_folder() as folder, Sandbox() as sandbox:
        sandbox.tenant.settings.page_limit = chunk_size
        sandbox.tenant.settings.page_latency = page_latency
        sandbox.sekoia.settings.push_latency = push_latency
        if event_bytes:
            _add_large(sandbox, events, span_seconds, event_bytes)
        else:
            sandbox.tenant.add_backlog(events, span_seconds)
        options = {"chunk_size": chunk_size, "start_time": WEEK_HOURS}
        with MeasuredProcess(sandbox, folder / "state", variables=variables, **options) as connector:
            accepted, first = _scrape_at(1, sandbox, connector)
            _, last = _scrape_at(events, sandbox, connector)
            connector.stop()
        ledger = sandbox.ledger
        snapshot = ledger.snapshot()
        if ledger.lost() or snapshot.duplicates or snapshot.altered or snapshot.queries_too_soon:
            raise RuntimeError(f"the promise was broken: {snapshot}")
        assert ledger.last_accepted_at is not None
        more = events - accepted
        gained = {key: value - first.get(key, 0.0) for key, value in last.items()}
        prefix = "symphony_module_cyberark_state"
        if not last[f"{prefix}_write_duration_seconds_count", "written"]:
            raise RuntimeError("the state was never written:\n" + "\n".join(connector.lines))
        return Drained(
            events=events,
            seconds=ledger.last_accepted_at - ledger.query_times[0],
            cpu=gained["bench_cpu_seconds", ""] / more,
            cpu_by_stage={
                stage: seconds / more for (name, stage), seconds in gained.items() if name == "bench_stage_cpu_seconds"
            },
            cpu_with_start=last["bench_cpu_seconds", ""] / events,
            peak_bytes=last["bench_peak_bytes", ""],
            state_write_seconds=last[f"{prefix}_write_duration_seconds_sum", "written"],
            state_writes=last[f"{prefix}_write_duration_seconds_count", "written"],
            state_bytes=last[f"{prefix}_bytes", ""],
            results_answered=snapshot.requests["results", "200"],
            output=list(connector.lines),
        )


def _add_large(sandbox: Sandbox, events: int, span_seconds: float, size: int) -> None:
    start = sandbox.clock() - span_seconds
    for number in range(events):
        time_s = start + number * span_seconds / events
        uuid = f"00000000-0000-4000-8000-{number:012x}"
        sandbox.tenant.add(f'{{"uuid":"{uuid}","timestamp":{int(time_s * 1000)},"message":"{"x" * size}"}}', time_s)


def _scrape_at(
    accepted: int, sandbox: Sandbox, connector: MeasuredProcess
) -> tuple[int, dict[tuple[str, str], float]]:
    """A scrape as soon as so many events are accepted, and how many were by then."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while sandbox.ledger.snapshot().accepted < accepted:
        if not connector.running or time.monotonic() > deadline:
            raise RuntimeError("the backlog was not delivered:\n" + "\n".join(connector.lines))
        time.sleep(_POLL_SECONDS)
    samples = connector.scrape()
    return sandbox.ledger.snapshot().accepted, samples


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder on the disk that this clone is on: /tmp may be kept in memory, where writing costs nothing."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=TOP) as directory:
        yield Path(directory)
