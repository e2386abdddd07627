"""What is remembered so that nothing is delivered twice: the whole overlap, whatever its volume."""

import pytest

from sandbox.simulation.judge import STATE
from simulation.watched import Watched


@pytest.mark.parametrize("count", [3_000, 10_000, pytest.param(60_000, marks=pytest.mark.long)])
def test_every_event_of_the_overlap_is_remembered(count: int) -> None:
    """Far more than any fixed number of uuids; a query of each minute shows them all again."""
    with Watched(overlap=10) as watched:
        simulation, tenant = watched.simulation, watched.simulation.environment.tenant
        tenant.add_backlog(count, 200)
        simulation.start()
        assert simulation.run_until(lambda: len(watched.accepted) == count, within=120)
        for _ in range(2):
            simulation.kill()
            tenant.refuse_cursors()
            simulation.run_for(100, restart=True)
            watched.check()
        assert _kept(watched) == count
        assert simulation.environment.ledger.snapshot().duplicates <= watched.duplicates_allowed

        assert len(simulation.folder.read(STATE) or b"") < 20 * count + 100_000
        watched.settle()


def test_events_without_a_date_are_remembered_as_long_as_they_can_come_again() -> None:
    with Watched(overlap=10) as watched:
        simulation, tenant = watched.simulation, watched.simulation.environment.tenant
        for number in range(500):
            tenant.add(f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}","timestamp":"{number % 7} o\'clock"}}')
        tenant.produce(0.2)
        simulation.start()
        for _ in range(5):
            simulation.run_for(100, restart=True)
            simulation.kill()
            tenant.refuse_cursors()
        simulation.run_for(900, restart=True)
        tenant.stop_production()
        watched.settle()
        assert simulation.environment.ledger.snapshot().duplicates <= simulation.kills * 20


def test_nothing_new_costs_no_write() -> None:
    with Watched() as watched:
        simulation = watched.simulation
        simulation.environment.tenant.add_backlog(600, 200)
        simulation.start()
        simulation.run_for(100)
        writes = simulation.folder.writes
        simulation.run_for(600)
        # A query is noted before it is opened, with a backup, when it is open, and when it is read to its end.
        assert simulation.folder.writes - writes <= 4 * 11


def _kept(watched: Watched) -> int:
    checkpoint = watched.simulation.connector.checkpoint
    return 0 if checkpoint is None else len(checkpoint.seen)
