"""The platform's log endpoint is down for the whole run: nothing that reports can break or repeat delivery."""

import time

import pytest

from faults.scene import Scene, ShortenedProcess
from sandbox.http import Response, html_response
from sandbox.server.server import free_port


@pytest.mark.parametrize("how", ["refused", "failing", "hanging"])
def test_a_log_endpoint_that_is_down_costs_nothing(scene: Scene, how: str) -> None:
    scene.tenant.add_backlog(8000, 600)
    scene.tenant.settings.page_latency = 0.2
    scene.tenant.produce(20)
    variables = {}
    if how == "refused":
        variables = {"URL_LOGS": f"https://localhost:{free_port()}/logs"}
    elif how == "failing":
        scene.answer("logs", 1, html_response("Internal Server Error", 500))
    else:
        scene.answer("logs", 1, Response(ending="hang"))
    scene.start(kind=ShortenedProcess, variables=variables)
    scene.until_accepted(1000)
    # The SDK sends errors at once, from the thread that has something to say.
    scene.sandbox.faults.add("intake-4xx", 60, duration=3)
    scene.until_said("Delivery recovered", within=20)
    with scene.connector.state_unwritable():
        scene.until_said("The state cannot be written")
    scene.until_delivered()
    caught_up = scene.elapsed
    stopping = time.monotonic()
    assert scene.connector.stop() == 0
    stopped = time.monotonic() - stopping
    scene.judge(caught_up_in=caught_up, stopped_in=stopped, tries=scene.asked("logs"))
    assert caught_up < 40
    assert stopped < 10
