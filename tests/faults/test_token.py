"""Tokens that are revoked, live short or cannot be had: collection goes on with the next one."""

import pytest

from faults.scene import Scene
from sandbox.http import html_response

BACKLOG = 6000


def at_work(scene: Scene, shortened: bool = False) -> None:
    """A connector in the middle of a backlog."""
    scene.at_work(BACKLOG, accepted=1000, shortened=shortened)


def test_a_token_revoked_in_the_middle_is_replaced_at_once(scene: Scene) -> None:
    at_work(scene)
    for number in range(1, 5):
        scene.tenant.revoke_tokens()
        accepted = scene.snapshot().accepted
        scene.until_accepted(accepted + 1000, within=20)
        assert scene.asked("token") == number + 1
    scene.until_delivered()
    scene.judge(tokens=scene.asked("token"), refused=scene.asked("results", "401"))
    assert scene.said("WARNING") + scene.said("CRITICAL") == 0, "nobody has to be told"


def test_tokens_that_live_seconds_are_renewed_before_they_expire(scene: Scene) -> None:
    scene.tenant.identity_settings.token_lifetime = 3
    at_work(scene)
    scene.tenant.settings.page_latency = 0.8
    scene.until_accepted(5000)
    scene.until_delivered()
    scene.judge(tokens=scene.asked("token"), refused=scene.asked("results", "401"))
    assert scene.asked("token") >= 3


def test_a_token_that_expires_earlier_than_it_said_is_replaced(scene: Scene) -> None:
    at_work(scene)
    scene.sandbox.faults.add("token-revoked", 1, duration=20)
    scene.until_delivered()
    scene.judge(tokens=scene.asked("token"), refused=scene.asked("results", "401"))


def test_an_outage_of_the_token_service_is_waited_out(scene: Scene) -> None:
    at_work(scene, shortened=True)
    scene.answer("token", 1, html_response("Service Unavailable", 503))
    scene.tenant.revoke_tokens()
    scene.until(lambda: scene.asked("token", "503") >= 8, 30, "eight refusals")
    accepted = scene.snapshot().accepted
    scene.sandbox.faults.clear()
    scene.until_delivered()
    warnings = scene.said("WARNING")
    scene.judge(token_tries=scene.asked("token"), warnings=warnings)
    assert accepted < BACKLOG
    assert warnings == 1


def test_a_token_service_that_is_down_at_the_start_is_waited_for(scene: Scene) -> None:
    scene.tenant.add_backlog(1000, 600)
    scene.answer("token", 1, html_response("Service Unavailable", 503))
    scene.start()
    scene.until(lambda: scene.asked("token", "503") >= 4, 30, "four refusals")
    scene.sandbox.faults.clear()
    scene.until_delivered()
    scene.judge(token_tries=scene.asked("token"), warnings=scene.said("WARNING"))
    assert scene.said("WARNING") == 1


@pytest.mark.long
@pytest.mark.parametrize("fault", ["token", "token-down"])
def test_tokens_that_fail_for_minutes(scene: Scene, fault: str) -> None:
    scene.tenant.settings.page_latency = 0.2
    scene.tenant.add_backlog(20_000, 3000)
    scene.tenant.produce(20)
    scene.sandbox.faults.add(fault, duration=200)
    if fault == "token-down":
        scene.sandbox.faults.add("token-revoked", 45, duration=200)
    scene.start()
    scene.until(lambda: scene.elapsed > 200, 210, "the faults end")
    scene.until_delivered(within=150)
    scene.judge(tokens=scene.asked("token"), refused=scene.asked("results", "401"))
