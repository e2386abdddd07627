"""A sandbox, the connector's process in it, and the ledger at the end as figures that a person looks at."""

import json
import random
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.demo.process import ConnectorProcess
from sandbox.faults.fault import Instead, Stage
from sandbox.http import Response
from sandbox.ledger.ledger import Ledger
from sandbox.ledger.snapshot import Snapshot
from sandbox.server.server import Sandbox
from sandbox.tenant.tenant import Tenant

FIGURES = "figures"
PAGE = 500
_TICK_S = 0.1
# A machine with much else to do takes longer; only a failure waits for so long.
_PATIENCE = 2.0
_LEAST_SPACING_S = 60.0


class ShortenedProcess(ConnectorProcess):
    """The connector with the pauses after a failure, and the SDK's own budget of retries, shortened."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._arguments = [str(Path(__file__).with_name("shortened.py")), "connector_audit_logs"]


class Scene:
    """What a test of a fault needs. `seed` decides the events, the faults, and every instant that a test draws."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.sandbox = Sandbox(seed)
        self.state_dir = directory / "state"
        self.kills = 0
        self.figures: dict[str, str] = {}
        self.connector: ConnectorProcess
        self._directory = directory
        self._began = time.monotonic()

    @property
    def tenant(self) -> Tenant:
        return self.sandbox.tenant

    @property
    def ledger(self) -> Ledger:
        return self.sandbox.ledger

    @property
    def elapsed(self) -> float:
        """Seconds since the scene began."""
        return time.monotonic() - self._began

    @property
    def context_file(self) -> Path:
        return self.state_dir / "context.json"

    def context(self) -> Any:
        """The stored state."""
        return json.loads(self.context_file.read_bytes())

    def prepare(
        self, kind: type[ConnectorProcess] = ConnectorProcess, variables: dict[str, str] | None = None, **options: Any
    ) -> ConnectorProcess:
        """The connector's process, not started yet."""
        self.connector = kind(self.sandbox, self.state_dir, variables=variables, **options)
        return self.connector

    def start(self, **options: Any) -> ConnectorProcess:
        self.prepare(**options).start()
        return self.connector

    def at_work(
        self, backlog: int, accepted: int, span: float = 600.0, latency: float = 0.2, shortened: bool = False
    ) -> None:
        """Start the connector on a backlog and a tenant in use, and wait until so many events are accepted."""
        self.tenant.add_backlog(backlog, span)
        self.tenant.settings.page_latency = latency
        self.tenant.produce(20)
        self.start(kind=ShortenedProcess if shortened else ConnectorProcess)
        self.until_accepted(accepted)

    def outlast(self, fault: str, backlog: int, seconds: float = 240) -> None:
        """Start the connector on a backlog under a fault that lasts so long, and wait until all is delivered."""
        self.sandbox.faults.add(fault, duration=seconds)
        self.at_work(backlog, accepted=0, span=3000)
        self.until(lambda: self.elapsed > seconds, seconds + 10, "the fault ends")
        self.until_delivered(within=200)

    def kill(self) -> None:
        self.kills += 1
        self.connector.kill()

    def answer(self, endpoint: str, share: float, *responses: Response) -> None:
        """A share of the requests of that endpoint are answered so, until the faults are cleared."""
        sandbox = self.sandbox
        stage = Stage(sandbox.tenant, sandbox.sekoia, sandbox.ledger, sandbox.clock, self.rng)
        sandbox.faults.hold(Instead(stage, {endpoint}, share, lambda: self.rng.choice(responses)))

    def snapshot(self) -> Snapshot:
        self.tenant.catch_up()
        self.sandbox.faults.advance()
        return self.ledger.snapshot()

    def until(self, happened: Callable[[], object], within: float, what: str, may_end: bool = False) -> float:
        """Wait until it has happened; returns after how many seconds. Fails after much more than `within`."""
        began = time.monotonic()
        while not happened():
            waited = time.monotonic() - began
            assert waited < _PATIENCE * within, f"{what}: not after {waited:.0f} s; {self._state_of_things()}"
            assert may_end or self.connector.running, f"{what}: the connector has ended by itself"
            self.tenant.catch_up()
            self.sandbox.faults.advance()
            time.sleep(_TICK_S)
        return time.monotonic() - began

    def until_accepted(self, count: int, within: float = 30.0) -> float:
        return self.until(lambda: self.snapshot().accepted >= count, within, f"{count} events accepted")

    def until_delivered(self, within: float = 60.0) -> float:
        """Nothing more happens, and what has happened arrives."""
        self.tenant.stop_production()
        return self.until(self.all_delivered, within, "everything shown is delivered")

    def all_delivered(self) -> bool:
        return self.snapshot().waiting == 0 and self.ledger.index.last_arrival() is None

    def until_said(self, *words: str, times: int = 1, within: float = 30.0) -> float:
        return self.until(lambda: self.said(*words) >= times, within, f"{' '.join(words)} is said")

    def until_lookbacks(self, count: int, within: float = 75.0) -> float:
        """So many lookbacks have been read to their end."""
        return self.until(
            lambda: self.said("Lookback since", "done:") >= count, within, f"{count} lookbacks read to their end"
        )

    def said(self, *words: str) -> int:
        """How many lines of the connector's output hold all of these words."""
        return sum(all(word in line for word in words) for line in list(self.connector.lines))

    def asked(self, endpoint: str, outcome: str | None = None) -> int:
        """How many requests of that endpoint the sandbox has answered (so)."""
        requests = self.snapshot().requests
        return sum(n for (name, seen), n in requests.items() if name == endpoint and outcome in (None, seen))

    def metric(self, name: str, **labels: str) -> float:
        """The value that the connector's metrics show; 0 when there is none of that name and labels."""
        with urllib.request.urlopen(self.connector.metrics_url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = (line for line in lines if line.startswith(name) and all(label in line for label in wanted))
        return sum(float(line.rpartition(" ")[2]) for line in found if line[len(name)] in " {")

    def judge(self, duplicates: int = 0, **more: object) -> Snapshot:
        """Hold the ledger against the promise; `duplicates` is how many there may be."""
        lost, seen = self.ledger.lost(), self.snapshot()
        spacing = seen.smallest_spacing
        self.figures |= {
            "made": f"{seen.made}",
            "accepted": f"{seen.accepted}",
            "lost": f"{len(lost)}",
            "duplicates": f"{seen.duplicates}" + (f" (≤ {duplicates})" if duplicates else ""),
            "altered": f"{seen.altered}",
            "kills": f"{self.kills}",
            "queries": f"{seen.queries}",
            "closest": "-" if spacing is None else f"{spacing:.1f} s",
            "seconds": f"{self.elapsed:.0f}",
            "more": ", ".join(f"{name} {_shown(value)}" for name, value in more.items()),
        }
        print("  ".join(f"{name} {value}" for name, value in self.figures.items() if value), f"seed {self.seed}")
        assert not lost, f"{len(lost)} lost, the first: {lost[0][:300]}"
        assert seen.altered == 0, f"not what the API sent: {self.ledger.altered[0][:300]}"
        assert seen.duplicates <= duplicates, f"{seen.duplicates} duplicates"
        assert seen.queries_too_soon == 0, f"queries {spacing:.1f} s apart"
        assert spacing is None or spacing >= _LEAST_SPACING_S
        return seen

    def _state_of_things(self) -> str:
        now, index = self.sandbox.clock(), self.ledger.index
        missing = [number for text in self.ledger.lost() if (number := index.identify(text)) is not None]
        dates = [f"{now - index.times_ms[number] / 1000:.1f}" for number in missing]
        arrivals = [f"{now - index.arrivals[number]:.1f}" for number in missing]
        pages = [f"{now - seen.time:.1f}" for seen in self.ledger.journal if seen.endpoint == "results"]
        missed = f"missing, dated {dates[:9]} s ago, shown {arrivals[:9]} s ago"
        return f"{self.snapshot()}; {missed}; pages read {pages[-20:]} s ago"

    def close(self) -> None:
        connector = getattr(self, "connector", None)
        if connector is not None:
            if connector.running:
                connector.kill()
            print(f"\nseed {self.seed} (FAULT_SEED={self.seed} repeats it); the connector's last lines:")
            print(*list(connector.lines)[-40:], sep="\n")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_shown(part)}" for name, part in value.items())
    return f"{value:.1f}" if isinstance(value, float) else str(value)
