"""Clocks that are wrong, this machine's and the tenant's, over virtual time."""

from dataclasses import replace
from email.utils import formatdate

from sandbox.faults.fault import Fault
from sandbox.http import Request, Response
from sandbox.simulation import Simulation
from simulation.watched import Watch

HOUR, DAY = 3600.0, 86_400.0


def test_a_wall_clock_that_jumps_changes_nothing(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.tenant.produce(1)
    simulation.start()
    for jump in (HOUR, -HOUR, 0.0, 30 * DAY, -30 * DAY, 0.0):
        simulation.wall_offset = jump
        simulation.run_for(100)
        watched.check()
        simulation.kill()
        simulation.run_for(100, restart=True)
    watched.settle()


class DateOff(Fault):
    """The `Date` of those endpoints is so many seconds off."""

    def __init__(self, simulation: Simulation, seconds: float, *endpoints: str) -> None:
        self._simulation, self._seconds, self._endpoints = simulation, seconds, endpoints

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        if endpoint not in self._endpoints or response.status != 200:
            return response
        date = formatdate(self._simulation.now + self._seconds, usegmt=True)
        return replace(response, headers={**response.headers, "Date": date})


def test_one_answer_with_a_wrong_date_settles_nothing_too_early(watch: Watch) -> None:
    watched = watch()
    simulation, tenant = watched.simulation, watched.tenant
    watched.follow(1, seconds=200)
    watched.faults.hold(DateOff(simulation, 600, "query"), duration=62)
    simulation.run_for(110)
    for number in range(20):
        tenant.add(time=simulation.now - 170 + number, arrival=simulation.now + 5)
    simulation.run_for(600)
    tenant.stop_production()
    simulation.run_for(100)
    assert len(watched.accepted) == len(watched.ledger.index)


def test_a_clock_of_identity_that_is_behind_repeats_nothing_at_a_restart(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.follow(1, seconds=1500)
    watched.faults.hold(DateOff(simulation, -HOUR, "token"), duration=DAY)
    simulation.stop()
    simulation.start()
    simulation.run_for(300)
    assert watched.ledger.snapshot().duplicates == 0


def test_a_clock_of_the_api_that_is_behind_brings_no_query_too_soon(watch: Watch) -> None:
    watched = watch()
    simulation = watched.simulation
    watched.tenant.produce(1)
    watched.faults.hold(DateOff(simulation, -120, "query", "results"), duration=DAY)
    simulation.start()
    simulation.run_for(605)
    for _ in range(3):
        simulation.stop()
        simulation.start()
        simulation.run_for(15)
    assert not watched.too_soon
