"""What the promise costs in time, played to the end in simulated time: long backlogs, failing pages, late events.

`python -m sandbox.simulation.rows backlog --events 5000000` (or `failing-page`, `late`) prints its figures.
"""

import argparse
import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client import REGISTRY

from sandbox import MODULE
from sandbox.environment import Environment
from sandbox.readings import Readings
from sandbox.simulation.network import Latency
from sandbox.simulation.simulation import Simulation

PAGE_SECONDS, PAGE_SIZE = 0.3, 500
WEEK_HOURS, HOUR, DAY = 168, 3600.0, 86_400.0
_STATE = "context.json"


@dataclass(frozen=True)
class Backlog:
    """`of_one_cursor`: how much faster it was read than one cursor could (page size ÷ page latency).

    Lags are of live events, percentiles in seconds; the first minute counts apart.
    """

    seconds: float
    of_one_cursor: float
    first_lag: Mapping[str, float]
    lag: Mapping[str, float]
    peak_keys: int
    peak_state_bytes: int
    lost: int
    duplicates: int
    refused_share: float


def backlog(
    events: int,
    span: float = 7 * DAY - 2 * HOUR,
    live: float = 5.0,
    page_size: int = PAGE_SIZE,
    page_seconds: float = PAGE_SECONDS,
    **tenant: Any,
) -> Backlog:
    """Read that many events of the past, `live` ones a second beside them, from a first run on."""
    with Simulation(0, Latency(0, 0), start_time=WEEK_HOURS, chunk_size=page_size) as simulation:
        environment = simulation.environment
        _set(environment, {"page_latency": page_seconds, **tenant})
        environment.tenant.add_backlog(events, span)
        environment.tenant.produce(live)
        simulation.start()
        began, ledger, keys, state = simulation.now, environment.ledger, 0, 0
        simulation.run_for(60)
        first = ledger.snapshot().lag
        ledger.forget_delays()
        while ledger.snapshot().waiting > 30 * live and simulation.now < began + DAY:
            simulation.run_for(2)
            environment.tenant.catch_up()
            checkpoint = simulation.connector.checkpoint
            keys = max(keys, len(checkpoint.seen) if checkpoint else 0)
            state = max(state, len(simulation.folder.read(_STATE) or b""))
        seconds, lag = simulation.now - began, ledger.snapshot().lag
        _settle(simulation)
        snapshot = ledger.snapshot()
        return Backlog(
            seconds,
            events / page_size * page_seconds / seconds,
            first,
            lag,
            keys,
            state,
            len(ledger.lost()),
            snapshot.duplicates,
            _refused(snapshot.requests),
        )


@dataclass(frozen=True)
class FailingPage:
    """What was missing after an hour, within and outside the second of the page; and when that second came."""

    lag: Mapping[str, float]
    missing_elsewhere: int
    missing_seconds: float
    healed_after: float
    lost: int
    duplicates: int


def failing_page(events: int = 50_000, live: float = 5.0) -> FailingPage:
    """A page in the middle of a day's backlog fails for an hour, and is then served."""
    with Simulation(0, Latency(0, 0), start_time=25) as simulation:
        environment = simulation.environment
        _set(environment, {})
        environment.tenant.add_backlog(events, DAY)
        environment.tenant.fail_page_of(events // 2)
        environment.tenant.produce(live)
        simulation.start()
        ledger = environment.ledger
        second = ledger.index.times_ms[events // 2] // 1000
        simulation.run_for(HOUR)
        environment.tenant.catch_up()
        lag = ledger.snapshot().lag
        open_now = [number for number in ledger.unaccepted() if ledger.index.arrivals[number] < simulation.now - 90]
        elsewhere = [number for number in open_now if ledger.index.times_ms[number] // 1000 != second]
        checkpoint = simulation.connector.checkpoint
        gaps = checkpoint.coverage.gaps if checkpoint else ()
        missing_ms = sum(gap.end_ms - gap.start_ms for gap in gaps)
        environment.tenant.heal_pages()
        healed = simulation.now
        simulation.run_until(lambda: not ledger.lost(90.0), within=2 * HOUR)
        healed_after = simulation.now - healed
        _settle(simulation)
        snapshot = ledger.snapshot()
        return FailingPage(
            lag, len(elsewhere), missing_ms / 1000, healed_after, len(ledger.lost()), snapshot.duplicates
        )


@dataclass(frozen=True)
class Late:
    """`found_after` is how long after it was shown the last late event was delivered (s)."""

    late: int
    found_after: float
    lost: int
    duplicates: int


def late(by: float, rate: float = 1.0, hours: float = 8.0) -> Late:
    """One source of several shows its events that many seconds late."""
    with Simulation(0, Latency(0, 0)) as simulation:
        environment = simulation.environment
        _set(environment, {})
        delays = environment.tenant.delays
        delays.late_application, delays.late_application_seconds = "ITDR", by
        environment.tenant.produce(rate)
        simulation.start()
        ledger = environment.ledger
        simulation.run_for(hours * HOUR + by)
        environment.tenant.stop_production()
        simulation.run_for(by + 1.1 * HOUR)
        _settle(simulation)
        snapshot = ledger.snapshot()
        times, arrivals = ledger.index.times_ms, ledger.index.arrivals
        count = sum(arrivals[number] - times[number] / 1000 >= by for number in range(len(arrivals)))
        return Late(count, snapshot.lag_since_arrival["p100"], len(ledger.lost()), snapshot.duplicates)


@dataclass(frozen=True)
class Steady:
    """What hours of collection cost: state written in MB a minute, lags of the events made after the first minute (s).

    `effective_overlap` is the gauge of that name at the end, in seconds.
    """

    made: int
    lag: Mapping[str, float]
    queries_an_hour: float
    results_a_minute: float
    peak_keys: int
    peak_state_bytes: int
    written_mb_a_minute: float
    effective_overlap: float
    critical_lines: int
    lost: int
    duplicates: int


def steady(
    rate: float, hours: float, overlap: int = 5, page_seconds: float = PAGE_SECONDS, readings: Sequence[str] = ()
) -> Steady:
    """Nothing but events of the moment, on a tenant of those readings; `overlap` in minutes.

    Another integration that takes the query of the minute stops at the end: before, what it holds up is not lost.
    """
    with Simulation(0, Latency(0, 0), overlap=overlap) as simulation:
        environment, ledger = simulation.environment, simulation.environment.ledger
        _set(environment, {"page_latency": page_seconds})
        Readings(readings).set(environment)
        environment.tenant.produce(rate)
        simulation.start()
        simulation.run_for(60)
        ledger.forget_delays()
        before, began, folder, keys, state = Counter(ledger.requests), simulation.now, simulation.folder, 0, 0
        written = folder.bytes_written
        while simulation.now < began + hours * HOUR:
            simulation.run_for(60)
            checkpoint = simulation.connector.checkpoint
            keys = max(keys, len(checkpoint.seen) if checkpoint else 0)
            state = max(state, len(folder.read(_STATE) or b""))
        environment.tenant.catch_up()
        after, requests = ledger.snapshot(), Counter(ledger.requests)
        written_mb_a_minute = (folder.bytes_written - written) / 1e6 / (60 * hours)
        environment.tenant.settings.rival_period = None
        effective = REGISTRY.get_sample_value("symphony_module_cyberark_effective_overlap_seconds")
        _settle(simulation)
        return Steady(
            len(ledger.index),
            after.lag,
            (requests["query", "200"] - before["query", "200"]) / hours,
            (requests["results", "200"] - before["results", "200"]) / (60 * hours),
            keys,
            state,
            written_mb_a_minute,
            effective or 0.0,
            len(simulation.said("critical")),
            len(ledger.lost()),
            ledger.snapshot().duplicates,
        )


def _set(environment: Environment, tenant: Mapping[str, Any]) -> None:
    environment.tenant.settings.page_latency, environment.sekoia.settings.push_latency = PAGE_SECONDS, 0.15
    for name, value in tenant.items():
        setattr(environment.tenant.settings, name, value)


def _settle(simulation: Simulation) -> None:
    environment = simulation.environment
    environment.tenant.stop_production()
    simulation.run_until(lambda: environment.ledger.snapshot().waiting <= 0, within=2 * HOUR)


def _refused(requests: Mapping[tuple[str, str], int]) -> float:
    calls = {key: count for key, count in requests.items() if key[0] in ("query", "results")}
    refused = sum(count for (_, outcome), count in calls.items() if outcome == "429")
    return refused / max(1, sum(calls.values()))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.simulation.rows", description=__doc__)
    parser.add_argument("row", choices=("backlog", "failing-page", "late", "steady"))
    parser.add_argument("--events", type=int, default=1_000_000, help="of the backlog (default: %(default)s)")
    parser.add_argument("--one-page", action="store_true", help="the tenant serves one page at a time")
    parser.add_argument("--by", type=float, default=3000.0, help="how late events are (s; default: %(default)s)")
    parser.add_argument("--hours", type=float, default=2.0, help="of steady collection (default: %(default)s)")
    parser.add_argument("--overlap", type=int, default=5, help="in minutes (default: %(default)s)")
    parser.add_argument("--page-seconds", type=float, default=PAGE_SECONDS, help="a page takes (default: %(default)s)")
    parser.add_argument("--reading", action="append", default=[], help="of the tenant, e.g. limit-rival-first")
    parser.add_argument("--rate", type=float, help="new events a second during the run")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    os.chdir(MODULE)  # the SDK reads the manifest of the folder that it is started in
    if options.row == "backlog":
        limits = {"pages_at_once": 1} if options.one_page else {}
        found: Any = backlog(options.events, live=options.rate or 5.0, **limits)
    elif options.row == "failing-page":
        found = failing_page(live=options.rate or 5.0)
    elif options.row == "steady":
        found = steady(options.rate or 5.0, options.hours, options.overlap, options.page_seconds, options.reading)
    else:
        found = late(options.by, options.rate or 1.0)
    for name, value in asdict(found).items():
        print(f"{name:<20} {value}")
    return int(bool(found.lost or found.duplicates))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
