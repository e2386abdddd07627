"""A steady state as a value, and the figures that come of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import REGISTRY

from sandbox.ledger.snapshot import Snapshot
from sandbox.simulation.network import Latency
from sandbox.simulation.simulation import Simulation

_EVENTS = "symphony_module_cyberark_events_total"


@dataclass(frozen=True)
class Scenario:
    """A tenant at an even rate, looked at for so many seconds after a warm-up; all times are in virtual seconds.

    `tenant`, `faults` and `configuration` override the tenant's settings, name faults with their intensity, and
    override the fields of the forms.
    """

    events_per_second: float
    seconds: float = 600.0
    warm_up: float = 180.0
    page_latency: float = 0.2
    push_latency: float = 0.1
    backlog: int = 0
    backlog_seconds: float = 3000.0
    late_share: float = 0.0
    late_bound: float = 0.0
    tenant: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, float | None] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    seed: int = 0


@dataclass(frozen=True)
class Figures:
    """What was measured after the warm-up.

    `lag` and `lag_since_arrival` are percentiles in seconds (`p50`, `p95`, `p99`, `p100`) of the time from an event,
    or from the moment the API shows it, to the intake's acceptance. `waiting` is how many events were shown and not
    accepted at the end of the measured time; `lost` is how many never were, in the time given to catch up.
    """

    lag: dict[str, float]
    lag_since_arrival: dict[str, float]
    accepted: int
    waiting: int
    lost: int
    duplicates: int
    altered: int
    queries_too_soon: int
    requests_per_minute: dict[str, float]
    refused_per_minute: dict[str, float]
    read_again_share: float
    kept_keys: int
    state_writes_per_minute: float
    state_bytes_per_minute: float
    cpu_seconds: float


def simulate(scenario: Scenario) -> Figures:
    """Play a scenario from a first run on."""
    with Simulation(scenario.seed, scenario.latency, **scenario.configuration) as simulation:
        _set(simulation, scenario)
        simulation.start()
        simulation.run_for(scenario.warm_up)
        ledger, folder = simulation.environment.ledger, simulation.folder
        ledger.forget_delays()
        before, writes, written = ledger.snapshot(), folder.writes, folder.bytes_written
        read_before, cpu = _events_read(), time.process_time()
        simulation.run_for(scenario.seconds)
        cpu = time.process_time() - cpu
        simulation.environment.tenant.catch_up()
        after, read = ledger.snapshot(), _events_read()
        minutes = scenario.seconds / 60
        checkpoint = simulation.connector.checkpoint
        kept_keys = 0 if checkpoint is None else len(checkpoint.seen)
        new, again = (read[name] - read_before[name] for name in ("collected", "already_delivered"))
        return Figures(
            lag=after.lag,
            lag_since_arrival=after.lag_since_arrival,
            accepted=after.accepted - before.accepted,
            waiting=after.waiting,
            lost=_lost_at_last(simulation, scenario),
            duplicates=after.duplicates,
            altered=after.altered,
            queries_too_soon=after.queries_too_soon,
            requests_per_minute=_rates(before, after, minutes, good=True),
            refused_per_minute=_rates(before, after, minutes, good=False),
            read_again_share=again / max(1.0, new + again),
            kept_keys=kept_keys,
            state_writes_per_minute=(folder.writes - writes) / minutes,
            state_bytes_per_minute=(folder.bytes_written - written) / minutes,
            cpu_seconds=cpu,
        )


def _set(simulation: Simulation, scenario: Scenario) -> None:
    environment = simulation.environment
    environment.tenant.settings.page_latency = scenario.page_latency
    environment.sekoia.settings.push_latency = scenario.push_latency
    for name, value in scenario.tenant.items():
        setattr(environment.tenant.settings, name, value)
    environment.tenant.delays.late_share, environment.tenant.delays.late_bound = (
        scenario.late_share,
        scenario.late_bound,
    )
    for fault, intensity in scenario.faults.items():
        environment.faults.add(fault, intensity)
    if scenario.backlog:
        environment.tenant.add_backlog(scenario.backlog, scenario.backlog_seconds)
    environment.tenant.produce(scenario.events_per_second)


def _lost_at_last(simulation: Simulation, scenario: Scenario) -> int:
    """Nothing more happens, and time is given to read what was made."""
    environment = simulation.environment
    environment.tenant.stop_production()
    environment.faults.clear()
    latest = environment.ledger.index.last_arrival() or simulation.now
    simulation.run_for(max(0.0, latest - simulation.now) + 1.0)
    simulation.run_until(lambda: environment.ledger.snapshot().waiting <= 0, within=scenario.seconds + 3600)
    return len(environment.ledger.lost())


def _events_read() -> dict[str, float]:
    names = ("collected", "already_delivered")
    return {name: REGISTRY.get_sample_value(_EVENTS, {"outcome": name}) or 0.0 for name in names}


def _rates(before: Snapshot, after: Snapshot, minutes: float, *, good: bool) -> dict[str, float]:
    rates: dict[str, float] = {}
    for (endpoint, outcome), count in after.requests.items():
        if (outcome == "200") is good:
            more = count - before.requests.get((endpoint, outcome), 0)
            rates[endpoint] = rates.get(endpoint, 0.0) + more / minutes
    return {endpoint: round(rate, 2) for endpoint, rate in rates.items()}
