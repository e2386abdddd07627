"""The adversary: random combinations of readings, faults and failures of the process, over virtual time.

`python -m sandbox.simulation.adversary --seeds 400 --jobs 2` plays fresh seeds and prints what came of each. A seed
always gives the same run: `--seed N` plays it again.
"""

import argparse
import logging
import multiprocessing
import os
import random
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from sandbox import MODULE
from sandbox.readings import READINGS
from sandbox.simulation.combination import HOUR, Combination
from sandbox.simulation.judge import Findings, Judge
from sandbox.simulation.network import Latency

SEED_VARIABLE = "ADVERSARY_SEED"
_SETTLED_WITHIN_S = 3 * HOUR
_RECONCILED_WITHIN_S = 2.2 * HOUR
# Results a minute that a connector may ask for on an ordinary tenant, besides those that its pages need.
_RESULTS_A_MINUTE = 40
# Where a tenant begins to end its streams with another kind of page, so many empty pages are taken for a hole, of two
# streams side by side, before that is learned.
_RESULTS_UNTIL_END_IS_LEARNED = 2 * 500


@dataclass
class Verdict:
    """What came of a combination. It failed if `failures` says anything."""

    seed: int
    description: str
    failures: list[str] = field(default_factory=list)
    made: int = 0
    lost: int = 0
    lost_late: int = 0
    duplicates: int = 0
    duplicates_allowed: float = 0
    kills: int = 0
    results_per_minute: float = 0.0
    queries_per_hour: float = 0.0
    live_p95_s: float = 0.0
    state_kb: float = 0.0
    hours: float = 0.0
    seconds: float = 0.0

    def row(self) -> str:
        """A line of the table."""
        allowed = "" if self.duplicates_allowed == float("inf") else f"/{self.duplicates_allowed:.0f}"
        twice = f"{self.duplicates}{allowed}"
        return (
            f"{self.seed:>10}  {'FAIL' if self.failures else 'ok':<4}  {self.made:>6}  {self.lost:>5}  "
            f"{self.lost_late:>5}  {twice:>9}  {self.kills:>5}  {self.results_per_minute:>9.1f}  "
            f"{self.queries_per_hour:>9.0f}  {self.live_p95_s:>8.1f}  {self.state_kb:>8.0f}  {self.seconds:>6.1f}  "
            f"{self.description}"
        )


HEADER = (
    f"{'seed':>10}  {'':<4}  {'made':>6}  {'lost':>5}  {'late':>5}  {'twice':>9}  {'kills':>5}  {'pages/min':>9}  "
    f"{'queries/h':>9}  {'live p95':>8}  {'state kB':>8}  {'real s':>6}  what"
)


def fresh_seeds(count: int) -> list[int]:
    """Seeds that nobody has tried; the one of the environment variable alone where it is set."""
    given = os.environ.get(SEED_VARIABLE)
    return [int(given)] if given else [secrets.randbelow(10**9) for _ in range(count)]


def run_combination(seed: int, names: Iterable[str] | None = None, without: Iterable[str] = ()) -> Verdict:
    """Play the combination of that seed, and judge it. `names`: those readings, in place of drawn ones."""
    began = time.monotonic()
    combination = Combination.drawn(seed, names, without)
    verdict = Verdict(seed, combination.describe())
    configuration: dict[str, object] = {
        "chunk_size": combination.page_size,
        "overlap": combination.overlap_minutes,
    }
    if combination.applications:
        configuration["application_codes"] = combination.applications
    judge = Judge(
        seed,
        Latency(combination.latency_s, combination.latency_s),
        -(-combination.page_size // combination.requests_per_page),
        **configuration,
    )
    try:
        with judge:
            _play(judge, combination)
            _measure(verdict, judge, combination)
            _settle(judge, combination)
            _conclude(verdict, judge, judge.findings())
    except Exception as error:  # of the simulation itself, an assertion that the connector spins among them
        verdict.failures.append(f"{type(error).__name__}: {error} {traceback.format_exc(limit=-2)[-300:]}")
    verdict.seconds = time.monotonic() - began
    return verdict


def _play(judge: Judge, combination: Combination) -> None:
    simulation, rng = judge.simulation, random.Random(combination.seed)
    environment = simulation.environment
    tenant = environment.tenant
    tenant.settings.page_latency = combination.page_latency_s
    environment.sekoia.settings.push_latency = combination.push_latency_s
    tenant.delays.most = min(tenant.delays.most, judge.overlap)
    combination.readings.set(environment)
    tenant.add_backlog(combination.backlog, HOUR / 2)
    combination.readings.begin(environment)
    judge.start()
    tenant.produce(combination.rate)
    simulation.run_for(rng.choice((20.0, 200.0)), restart=True)
    for _, step in combination.steps:
        step(judge, rng)


def _settle(judge: Judge, combination: Combination) -> None:
    """Nothing more goes wrong, but for pages that fail for ever: time is given until everything is there."""
    simulation = judge.simulation
    environment = simulation.environment
    tenant = environment.tenant
    tenant.stop_production()
    failing = tenant.failing_events() if "page-500-ever" in combination.readings.names else []
    environment.faults.clear()
    for sequence in failing:
        tenant.fail_page_of(sequence)
    judge.note_failing_pages()
    tenant.settings.rival_period = None
    # Where calls are far apart, the same pages take longer. A tenant that is faster than its API is caught up with
    # once it is quiet, but that would take days.
    slower = 4.0 if max(tenant.settings.call_spacing, tenant.settings.results_spacing) >= 15.0 else 1.0
    tenant.settings.call_spacing = tenant.settings.results_spacing = 0.0
    simulation.network.forget_kill()
    simulation.folder.forget_kill()
    simulation.wall_offset = 0.0
    last = environment.ledger.index.last_arrival() or simulation.now
    _run(judge, max(0.0, last - simulation.now) + 1.0, lambda: False)
    # A reconciliation reads everything again through one cursor, and the next one begins an hour later.
    reconciled_within_s = slower * _RECONCILED_WITHIN_S + 2 * combination.reading_s(len(environment.ledger.index))
    _run(judge, reconciled_within_s, lambda: not judge.missing() and not judge.missing(within_overlap=False))
    _run(judge, slower * _SETTLED_WITHIN_S, lambda: not judge.missing())
    _run(judge, 300.0, lambda: False)


def _run(judge: Judge, seconds: float, is_over: Callable[[], bool]) -> None:
    simulation = judge.simulation
    end = simulation.now + seconds
    while simulation.now < end and not is_over():
        simulation.run_for(min(60.0, end - simulation.now), restart=True)


def _measure(verdict: Verdict, judge: Judge, combination: Combination) -> None:
    """How often pages and queries were asked for, while there was something to be read."""
    simulation = judge.simulation
    simulation.environment.tenant.catch_up()
    snapshot, settings = simulation.environment.ledger.snapshot(), simulation.environment.tenant.settings
    minutes = (simulation.now - simulation.started_at) / 60
    results = sum(count for (endpoint, _), count in snapshot.requests.items() if endpoint == "results")
    verdict.results_per_minute, verdict.queries_per_hour = results / minutes, snapshot.queries / minutes * 60
    size = min(combination.page_size, settings.page_limit, settings.page_cap or settings.page_limit)
    if settings.scan_page:
        size = min(size, settings.scan_page // (1 + settings.scan_hole_pages))
    # Each query reads the overlap again, and what it read before that was not covered yet.
    again = 3 * (judge.overlap / 60 + 4)
    # What is read at the start, or again after an outage, weighs the more the less time there was.
    once = 200 + _RESULTS_UNTIL_END_IS_LEARNED * sum(name.startswith("end-") for name, _ in combination.steps)
    most = _RESULTS_A_MINUTE + once / minutes + again * snapshot.made / minutes / max(1, size)
    if verdict.results_per_minute > most:
        verdict.failures.append(f"{verdict.results_per_minute:.0f} results a minute, {most:.0f} at most")


def _conclude(verdict: Verdict, judge: Judge, found: Findings) -> None:
    snapshot = judge.simulation.environment.ledger.snapshot()
    verdict.failures += found.failures
    verdict.made, verdict.kills = snapshot.made, judge.simulation.kills
    verdict.lost, verdict.lost_late = found.lost, found.lost_late
    verdict.duplicates, verdict.duplicates_allowed = found.duplicates, found.duplicates_allowed
    verdict.hours = (judge.simulation.now - judge.simulation.started_at) / HOUR
    verdict.state_kb = judge.state_bytes / 1000
    verdict.live_p95_s = snapshot.lag_since_arrival.get("p95", 0.0)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.simulation.adversary", description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="how many fresh ones (default: %(default)s)")
    parser.add_argument("--seed", type=int, action="append", help="this one, several allowed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--reading", action="append", choices=sorted(READINGS), help="these only, in place of drawn ones"
    )
    parser.add_argument("--usual", action="store_true", help="the usual reading of each row")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="no such reading or step")
    options = parser.parse_args(arguments)
    names = options.reading or ([] if options.usual else None)
    run = partial(_run_silently, names=names, without=tuple(options.without))
    seeds = options.seed or fresh_seeds(options.seeds)
    print(HEADER, flush=True)
    failed: list[Verdict] = []
    with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(seeds)), maxtasksperchild=25) as pool:
        for verdict in pool.imap_unordered(run, seeds):
            print(verdict.row(), flush=True)
            for failure in verdict.failures:
                print(f"{'':>12}{failure}", flush=True)
            failed += [verdict] if verdict.failures else []
    print(f"{len(seeds) - len(failed)} of {len(seeds)} kept the promise", flush=True)
    if failed:
        print("Again: --seed " + " --seed ".join(str(verdict.seed) for verdict in failed))
    return 1 if failed else 0


def _run_silently(seed: int, names: list[str] | None, without: tuple[str, ...]) -> Verdict:
    logging.disable(logging.CRITICAL)
    os.chdir(MODULE)  # the SDK reads the manifest of the folder that it is started in
    return run_combination(seed, names, without)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
