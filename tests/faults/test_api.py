"""The Audit API refuses, breaks, answers something else or nothing: the same page is asked for again."""

from itertools import pairwise

import pytest

from faults.scene import Scene
from sandbox.faults.api import API_FAULTS
from sandbox.http import Response, html_response, json_response

KINDS = [fault.name for fault in API_FAULTS if fault.name.startswith("api") and fault.name != "api-hang"]
BACKLOG = 10_000


def at_work(scene: Scene, shortened: bool = False) -> None:
    """A connector whose first query is open."""
    scene.at_work(BACKLOG, accepted=500, latency=0.1, shortened=shortened)


@pytest.mark.parametrize("fault", KINDS)
def test_pages_that_fail_in_any_way_are_read_again(scene: Scene, fault: str) -> None:
    at_work(scene, shortened=True)
    scene.sandbox.faults.add(fault, 1 if fault == "api-extra" else 0.4, duration=25)
    scene.until_delivered(within=90)
    pages = scene.asked("results")
    scene.judge(pages=pages, not_200=pages - scene.asked("results", "200"))


def test_an_answer_that_never_comes_is_given_up_and_asked_for_again(scene: Scene) -> None:
    at_work(scene, shortened=True)
    scene.answer("results", 1, Response(ending="hang"))
    hung = scene.asked("results")
    scene.until(lambda: scene.asked("results") > hung, 10, "a page that hangs")
    scene.sandbox.faults.clear()
    waited = scene.until_delivered(within=20)
    scene.judge(given_up_after=waited)
    assert waited < 10
    assert scene.said("WARNING") == 0  # one page that is asked for again is nothing that a person has to know


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            json_response({"message": "Too Many Requests"}, 429, {"Retry-After": "7"}),
            id="asked to wait",
            marks=pytest.mark.long,
        ),
        pytest.param(html_response("Service Unavailable", 503), id="unavailable"),
    ],
)
def test_an_outage_of_the_api_slows_collection_down_and_is_said_once(scene: Scene, answer: Response) -> None:
    at_work(scene)
    scene.answer("results", 1, answer)
    scene.until(lambda: scene.asked("results", str(answer.status)) >= 4, 60, "four refusals")
    scene.sandbox.faults.clear()
    scene.until_delivered(within=90)
    warnings = scene.said("WARNING")
    refusals = [seen.time for seen in scene.ledger.journal if seen.outcome == str(answer.status)]
    pauses = [later - earlier for earlier, later in pairwise(refusals)]
    scene.judge(warnings=warnings, pauses=" ".join(f"{pause:.1f}" for pause in pauses))
    assert warnings == 1
    assert pauses[-1] > 2.5
    if answer.status == 429:
        assert min(pauses) >= 7


@pytest.mark.long
def test_a_query_that_is_refused_is_tried_again_a_minute_later(scene: Scene) -> None:
    """Another integration of this tenant has used up the minute."""
    scene.tenant.add_backlog(1000, 600)
    scene.tenant.use_up_the_minute()
    scene.start()
    scene.until(lambda: scene.asked("query", "429"), 20, "a refusal")
    scene.until_delivered(within=80)
    scene.judge(refused=scene.asked("query", "429"))
    assert scene.asked("query") == 2


@pytest.mark.long
@pytest.mark.parametrize("fault", ["api", "api-hang", "api-html", "api-429-date"])
def test_queries_and_pages_that_fail_in_any_way_for_minutes(scene: Scene, fault: str) -> None:
    scene.outlast(fault, backlog=30_000)
    pages = scene.asked("results")
    queries = scene.asked("query")
    scene.judge(
        pages=pages,
        not_200=pages - scene.asked("results", "200"),
        queries_not_200=queries - scene.asked("query", "200"),
    )


@pytest.mark.long
@pytest.mark.parametrize("fault", ["throttle-results", "throttle"])
def test_an_api_that_limits_every_call_is_read_at_its_pace(scene: Scene, fault: str) -> None:
    """The strictest readings of the vendor's limit: it holds for pages too, or for every call together."""
    scene.tenant.add_backlog(1000, 600)
    scene.tenant.produce(2)
    scene.sandbox.faults.add(fault)
    scene.start()
    scene.until(lambda: scene.elapsed > 300, 310, "five minutes")
    scene.sandbox.faults.clear()
    scene.until_delivered(within=200)
    refused = scene.asked("results", "429") + scene.asked("query", "429")
    scene.judge(refused=refused, pages=scene.asked("results", "200"))
    assert refused < 20
