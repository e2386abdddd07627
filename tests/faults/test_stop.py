"""SIGTERM at any moment: the process ends in time, and nothing is sent again after the next start."""

import time
from collections.abc import Callable

import pytest

from faults.scene import PAGE, Scene
from sandbox.http import Response, html_response

AT_ONCE_S = 2.0
ALWAYS_S = 10.0
HANGS = Response(ending="hang")


def stopped_in(scene: Scene, by_itself: bool = True) -> float:
    """Ask the connector to stop; returns after how many seconds it had.

    Fails when its exit code is not 0, and when it did not say its last line and end `by_itself`.
    """
    said = scene.said("Stopped; ")
    began = time.monotonic()
    scene.connector.terminate()
    assert scene.connector.wait(timeout=20) == 0
    stopped = time.monotonic() - began
    assert scene.said("Stopped; ") == said + by_itself
    assert scene.said("did not end in time") == (not by_itself)
    return stopped


def test_it_stops_at_once_while_waiting(scene: Scene) -> None:
    scene.tenant.add_backlog(1200, 600)
    scene.start()
    scene.until_delivered()
    stops = []
    for number in range(1, 4):
        scene.until_said("continues from", times=number)
        time.sleep(2)
        stops.append(stopped_in(scene))
        scene.connector.start()
    # The machine may have much else to do: the quickest of three is what the connector takes.
    scene.judge(stopped_in=" ".join(f"{stop:.1f}" for stop in stops))
    assert min(stops) < AT_ONCE_S


def _fetching(scene: Scene) -> None:
    asked = scene.asked("results")
    scene.answer("results", 1, HANGS)
    scene.until(lambda: scene.asked("results") > asked, 10, "a page that hangs")


def _pushing(*answers: Response) -> Callable[[Scene], None]:
    def push(scene: Scene) -> None:
        asked = scene.asked("intake")
        scene.answer("intake", 1, *answers)
        scene.until(lambda: scene.asked("intake") > asked, 10, "a push that fails")

    return push


def _everything(scene: Scene) -> None:
    scene.answer("logs", 1, HANGS)
    scene.answer("results", 1, HANGS)
    _pushing(HANGS)(scene)


def _logging(scene: Scene) -> None:
    scene.answer("logs", 1, HANGS)
    _pushing(html_response("Service Unavailable", 503))(scene)


@pytest.mark.parametrize(
    "busy",
    [
        pytest.param(_fetching, id="fetching from an API that hangs"),
        pytest.param(_pushing(html_response("Service Unavailable", 503)), id="pushing to an intake that fails"),
        pytest.param(_pushing(HANGS), id="pushing to an intake that hangs"),
        pytest.param(_logging, id="pushing to an intake that fails while the log endpoint hangs"),
        pytest.param(_everything, id="everything hangs"),
    ],
)
def test_it_stops_within_ten_seconds_whatever_it_is_at(scene: Scene, busy: Callable[[Scene], None]) -> None:
    scene.tenant.add_backlog(5000, 600)
    scene.tenant.settings.page_latency = 0.1
    scene.start()
    scene.until_accepted(1000)
    busy(scene)
    time.sleep(scene.rng.uniform(0.2, 2.0))
    accepted = scene.snapshot().accepted
    stopped = stopped_in(scene)
    scene.sandbox.faults.clear()
    scene.connector.start()
    scene.until_delivered()
    scene.judge(stopped_in=stopped, accepted_before=accepted)
    assert accepted < 5000
    assert stopped < ALWAYS_S


def test_a_stop_while_the_intake_takes_up_to_seven_seconds_costs_nothing(scene: Scene) -> None:
    """What it accepts within the eight seconds that a stop may take is committed."""
    scene.tenant.add_backlog(10_000, 600)
    scene.start()
    scene.until_accepted(1000)
    stops = []
    for _ in range(10):
        scene.tenant.add_backlog(500, 30)
        scene.sandbox.sekoia.settings.push_latency = scene.rng.uniform(1.0, 7.0)
        asked = scene.asked("intake")
        scene.until(lambda asked=asked: scene.asked("intake") > asked, 10, "a push")  # type: ignore[misc]
        time.sleep(scene.rng.uniform(0.0, 1.0))
        stops.append(stopped_in(scene))
        scene.sandbox.sekoia.settings.push_latency = 0.3
        scene.connector.start()
    scene.until_delivered()
    scene.judge(stopped_in=" ".join(f"{stop:.1f}" for stop in stops))
    assert max(stops) < ALWAYS_S


def test_a_push_that_takes_longer_than_a_stop_may_is_said_to_be_unknown(scene: Scene) -> None:
    scene.tenant.add_backlog(5000, 600)
    scene.start()
    scene.until_accepted(1000)
    scene.sandbox.sekoia.settings.push_latency = 10.0
    asked = scene.asked("intake")
    scene.until(lambda: scene.asked("intake") > asked, 10, "a push")
    stopped = stopped_in(scene)
    scene.sandbox.sekoia.settings.push_latency = 0.3
    scene.connector.start()
    scene.until_delivered()
    # The pages that had arrived were pushed together, and the intake has accepted them after the end.
    scene.judge(duplicates=2 * PAGE, stopped_in=stopped)
    assert scene.said("it is unknown whether") == 1
    assert stopped < ALWAYS_S


@pytest.mark.parametrize("endpoint", ["token", pytest.param("query", marks=pytest.mark.long), "secrets"])
def test_it_stops_within_ten_seconds_while_it_starts(scene: Scene, endpoint: str) -> None:
    scene.tenant.add_backlog(1000, 600)
    scene.answer(endpoint, 1, HANGS)
    scene.start()
    scene.until(lambda: scene.asked(endpoint), 15, "a request that hangs")
    time.sleep(0.5)
    # The SDK fetches secrets before it runs the connector, which then has nothing to commit and nothing to say.
    stopped = stopped_in(scene, by_itself=endpoint != "secrets")
    scene.sandbox.faults.clear()
    scene.sandbox.clock.offset += 100  # the query that hung was one, and the next has to wait for its minute
    scene.connector.start()
    scene.until_delivered(within=90)
    scene.judge(stopped_in=stopped)
    assert stopped < ALWAYS_S


def test_stops_at_random_instants_cost_nothing(scene: Scene) -> None:
    scene.tenant.add_backlog(15_000, 600)
    scene.tenant.settings.page_latency = 0.1
    scene.sandbox.sekoia.settings.push_latency = 0.1
    scene.tenant.produce(20)
    scene.start()
    longest = 0.0
    for _ in range(8):
        time.sleep(scene.rng.uniform(1.0, 3.0))
        began = time.monotonic()
        scene.connector.terminate()
        scene.connector.wait(timeout=20)
        longest = max(longest, time.monotonic() - began)
        scene.connector.start()
    scene.until_delivered(within=90)
    scene.judge(stops=8, longest_stop=longest)
    assert longest < ALWAYS_S
