"""Calls that hang, trickle, or are answered by rubbish: everything else goes on, it is said, and a stop works."""

import pytest

from processes.scene import STOPS_WITHIN_S, Scene

QUIET_AT_MOST_S = 75.0  # the longest that nothing may be delivered while some calls fail


@pytest.mark.parametrize("fault", ["results-trickle", "push-hang"])
def test_calls_that_never_end_are_given_up_while_log_lines_hang_too(scene: Scene, fault: str) -> None:
    scene.world.add_backlog(3000, 600)
    scene.world.produce(20)
    scene.world.settings.audit.page_latency_s = 0.1
    scene.world.settings.network.trickle_s = 0.2
    scene.world.faults.add("logs-hang", 1.0)
    scene.start(is_quick=True)
    scene.until_accepted(500)
    running = scene.world.faults.add(fault, 0.5)
    scene.until(lambda: running.count, "a call that hangs")
    scene.until_more(100)
    assert scene.stop() < STOPS_WITHIN_S
    scene.world.faults.clear()
    scene.connector.start()
    scene.until_delivered()
    scene.judge()


@pytest.mark.long
@pytest.mark.parametrize("how", ["hang", "trickle"])
@pytest.mark.parametrize("call", ["token", "query", "results", "push"])
def test_with_the_real_deadlines_everything_else_goes_on_and_it_is_said(scene: Scene, call: str, how: str) -> None:
    scene.world.produce(10)
    scene.world.settings.identity.token_lifetime_s = 60.0
    scene.start()
    scene.until_asked("results", "200", times=12, within=90.0)  # a second page may be in flight after ten
    hanging = scene.world.faults.add(f"{call}-{how}", 1.0)
    scene.until(lambda: hanging.count, "one call", within=90.0)
    hanging.turn_off()
    assert scene.longest_silence(150.0) < QUIET_AT_MOST_S
    assert not scene.platform_lines("error", "critical")
    lines = len(scene.connector.lines)
    hanging = scene.world.faults.add(f"{call}-{how}", 1.0)
    scene.until(lambda: hanging.count, "all calls", within=90.0)
    scene.until(lambda: scene.said(" failed. "), "a line says it", 120.0)
    scene.wait(30.0)
    assert len(scene.connector.lines) - lines < 4
    assert scene.stop() < STOPS_WITHIN_S
    scene.world.faults.clear()
    scene.connector.start()
    scene.until_delivered(within=150.0)
    scene.judge()


@pytest.mark.long
def test_a_firewall_that_forgets_idle_connections_delays_nothing(scene: Scene) -> None:
    scene.world.faults.add("idle-forgotten", 20.0)
    scene.world.produce(1 / 25)
    scene.start()
    scene.wait(260.0)
    scene.until_delivered()
    scene.judge()
    assert scene.snapshot().delay["p100"] < QUIET_AT_MOST_S / 5
    assert not scene.platform_lines("warning", "error", "critical")
