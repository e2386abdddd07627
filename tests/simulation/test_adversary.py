"""The promise under random combinations of readings, faults and failures of the process: fresh seeds at each run.

A failure prints its seed: `ADVERSARY_SEED=N ./dev test -k adversary`, or
`python -m sandbox.simulation.adversary --seed N`, plays it again.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from sandbox.simulation.adversary import HEADER, fresh_seeds, run_combination
from sandbox.simulation.combination import Combination


def _play(seeds: list[int]) -> None:
    print(HEADER)
    failures: list[str] = []
    for seed in seeds:
        verdict = run_combination(seed)
        print(verdict.row())
        failures += [f"seed {seed}: {failure}" for failure in verdict.failures]
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("share", [0, pytest.param(1, marks=pytest.mark.long)])
def test_the_promise_holds_in_combinations_that_nobody_has_tried(share: int) -> None:
    _play(fresh_seeds(1))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_promise_holds_in_four_hundred_combinations() -> None:
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=5) as pool:
        list(pool.map(_play, [[seed] for seed in fresh_seeds(400)]))


def test_a_seed_stands_for_one_combination() -> None:
    one, same, other = (Combination.drawn(seed) for seed in (7, 7, 8))
    assert one.describe() == same.describe() != other.describe()
    assert set(one.readings.names) != set(other.readings.names)


def test_where_date_to_is_ignored_a_page_fails_for_ever_only_in_the_order_of_the_date_that_is_filtered() -> None:
    """Nobody could read what is ordered after that page and dated before it."""
    drawn = [Combination.drawn(seed).readings.names for seed in range(2000)]
    for_ever = [names for names in drawn if {"page-500-ever", "to-ignored"} <= set(names)]
    assert for_ever
    assert all({"order-event-time", "from-event"} <= set(names) for names in for_ever)


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [run_combination(11) for _ in range(2)]
    assert (runs[0].made, runs[0].hours, runs[0].results_per_minute) == (
        runs[1].made,
        runs[1].hours,
        runs[1].results_per_minute,
    )
