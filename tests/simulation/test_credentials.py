"""What only a person can mend, left unmended for an hour of virtual time."""

from collections.abc import Callable

import pytest

from sandbox.environment import Environment
from sandbox.simulation import Simulation

HOUR = 3600.0


def wrong_password(environment: Environment) -> None:
    environment.tenant.identity_settings.password = "another one"


def right_password(environment: Environment) -> None:
    environment.tenant.identity_settings.password = environment.sekoia.password


def no_permission(environment: Environment) -> None:
    environment.tenant.identity_settings.permission = False


def permission(environment: Environment) -> None:
    environment.tenant.identity_settings.permission = True


def wrong_key(environment: Environment) -> None:
    environment.tenant.settings.api_key += "0"


def right_key(environment: Environment) -> None:
    environment.tenant.settings.api_key = environment.tenant.settings.api_key[:-1]


Change = Callable[[Environment], None]


@pytest.mark.parametrize(
    ("spoil", "mend", "has_run"),
    [
        (wrong_password, right_password, True),
        pytest.param(no_permission, permission, True, marks=pytest.mark.long),
        (wrong_key, right_key, False),
        pytest.param(wrong_password, right_password, False, marks=pytest.mark.long),
        pytest.param(no_permission, permission, False, marks=pytest.mark.long),
        pytest.param(wrong_key, right_key, True, marks=pytest.mark.long),
    ],
    ids=lambda value: value.__name__ if callable(value) else "after a while" if value else "from the start",
)
def test_an_hour_of_a_mistake_costs_few_requests_and_one_critical(spoil: Change, mend: Change, has_run: bool) -> None:
    with Simulation(start_time=2) as simulation:
        environment = simulation.environment
        environment.tenant.produce(0.5)
        if not has_run:
            simulation.configure(api_key=environment.tenant.settings.api_key)
            spoil(environment)
        simulation.start()
        if has_run:
            simulation.run_for(300)
            spoil(environment)
            environment.tenant.revoke_tokens()
        before = environment.ledger.snapshot()
        simulation.run_for(HOUR)
        after = environment.ledger.snapshot()
        assert _requests(after.requests, "token") - _requests(before.requests, "token") < 15
        assert _requests(after.requests, "results") - _requests(before.requests, "results") < 40
        assert len(simulation.said("critical")) == 1, simulation.lines

        mend(environment)
        simulation.run_for(900)
        environment.tenant.stop_production()
        simulation.run_for(120)
        assert environment.ledger.lost() == []
        assert environment.ledger.snapshot().duplicates == 0
        assert len(simulation.said("critical")) == 1
        assert any("recovered after" in message for message in simulation.said("info"))


def test_a_mistake_that_comes_back_is_said_again() -> None:
    with Simulation() as simulation:
        simulation.start()
        for times in (1, 2):
            simulation.run_for(300)
            wrong_password(simulation.environment)
            simulation.environment.tenant.revoke_tokens()
            simulation.run_for(HOUR)
            assert len(simulation.said("critical")) == times
            right_password(simulation.environment)
            simulation.run_for(900)


def _requests(requests: dict[tuple[str, str], int], endpoint: str) -> int:
    return sum(count for (name, _), count in requests.items() if name == endpoint)
