"""The platform's log endpoint is down for the whole run: nothing that reports can break or repeat delivery."""

import time

import pytest
from faults.scene import Scene

from sandbox.http import Response, html_response
from sandbox.server import free_port


@pytest.mark.parametrize("how", ["refused", "failing", "hanging"])
def test_a_log_endpoint_that_is_down_costs_nothing(scene: Scene, how: str) -> None:
    scene.tenant.add_backlog(5000, 600)
    scene.tenant.produce(20)
    variables = {}
    if how == "refused":
        variables = {"URL_LOGS": f"https://localhost:{free_port()}/logs"}
    elif how == "failing":
        scene.answer("logs", 1, html_response("Internal Server Error", 500))
    else:
        scene.answer("logs", 1, Response(ending="hang"))
    began = time.monotonic()
    scene.start(variables=variables)
    # What is said at once, and at the level that the SDK sends at once, holds nothing either.
    for _ in range(3):
        scene.sandbox.faults.add("intake-down", 60, duration=2)
        scene.answer("token", 0.5, html_response("Service Unavailable", 503))
        scene.until(lambda: scene.elapsed > 12, 20, "some seconds pass")
    scene.until_delivered(within=60)
    caught_up = time.monotonic() - began
    stopping = time.monotonic()
    assert scene.connector.stop() == 0
    stopped = time.monotonic() - stopping
    scene.judge(caught_up_in=caught_up, stopped_in=stopped, tries=scene.asked("logs"))
    assert stopped < 10
