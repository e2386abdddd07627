"""An API that takes one call of any kind a minute: queries and pages share it, and neither starves the other."""

from sandbox.simulation import Simulation


def test_an_api_that_takes_one_call_a_minute_is_read_from_its_first_minutes_on() -> None:
    with Simulation(5) as simulation:
        tenant, ledger = simulation.environment.tenant, simulation.environment.ledger
        tenant.settings.call_spacing = 60.0
        tenant.produce(0.5)
        simulation.start()
        simulation.run_for(600)
        assert ledger.snapshot().accepted > 100
        assert len(simulation.environment.ledger.query_times) < 5
        ledger.forget_delays()
        simulation.run_for(5400)
        seen = ledger.snapshot()
        checkpoint = simulation.connector.checkpoint
        assert checkpoint is not None
        assert len(checkpoint.streams) <= 7
        assert seen.lag["p95"] < 240
        assert (ledger.lost(patience_seconds=300), seen.duplicates, seen.queries_too_soon) == ([], 0, 0)
