"""An intake that is down, slow, forgetful or erratic: what it did not take is pushed again, and only that."""

import json

import pytest

from faults.scene import Scene, ShortenedProcess
from sandbox.http import Response, json_response

BACKLOG = 5000


def at_work(scene: Scene, shortened: bool = False, accepted: int = 1000) -> None:
    """A connector in the middle of a backlog."""
    scene.at_work(BACKLOG, accepted, latency=0.1, shortened=shortened)


@pytest.mark.parametrize("outages", [1, pytest.param(4, marks=pytest.mark.long)])
def test_outages_longer_than_the_sdk_retries_lose_nothing(scene: Scene, outages: int) -> None:
    at_work(scene, shortened=True)
    for _ in range(outages):
        accepted = scene.snapshot().accepted
        scene.sandbox.faults.add("intake-down", 60, duration=5)
        scene.until_said("Delivery recovered", within=20)
        scene.connector.lines.clear()
        scene.until_accepted(accepted + 1000)
    scene.until_delivered()
    scene.judge(refused=scene.asked("intake", "503"))


@pytest.mark.long
def test_an_outage_slows_the_pushing_down_and_is_said_once(scene: Scene) -> None:
    at_work(scene)
    scene.sandbox.faults.add("intake-down", 60, duration=20)
    scene.until_said("Delivery recovered", within=50)
    scene.until_delivered()
    tries = scene.asked("intake", "503")
    warnings = scene.said("WARNING")
    scene.judge(tries=tries, warnings=warnings)
    assert 4 <= tries <= 6
    assert warnings == 1
    assert scene.said("Delivery recovered") == 1


def test_two_outages_are_said_twice(scene: Scene) -> None:
    at_work(scene)
    for number in (1, 2):
        scene.sandbox.faults.add("intake-down", 60, duration=2)
        scene.until_said("Delivery recovered", times=number)
        assert scene.said("WARNING") == number
    scene.until_delivered()
    scene.judge(tries=scene.asked("intake", "503"))


@pytest.mark.parametrize("fault", ["intake-fewer-ids", pytest.param("intake-no-ids", marks=pytest.mark.long)])
def test_an_intake_that_names_fewer_ids_has_accepted_all(scene: Scene, fault: str) -> None:
    scene.sandbox.faults.add(fault)
    at_work(scene)
    scene.until_delivered()
    scene.judge(requests=scene.asked("intake"))


def test_a_slow_intake_gets_no_duplicates(scene: Scene) -> None:
    scene.sandbox.sekoia.settings.push_latency = 4
    at_work(scene, accepted=500)
    scene.sandbox.sekoia.settings.push_latency = 1
    scene.until_delivered()
    scene.judge(requests=scene.asked("intake"))


@pytest.mark.parametrize(
    "fault", ["intake-refusals", *(pytest.param(name, marks=pytest.mark.long) for name in ("intake-resets", "intake"))]
)
def test_refusals_and_resets_at_random_cost_nothing(scene: Scene, fault: str) -> None:
    at_work(scene, shortened=True)
    scene.sandbox.faults.add(fault, 0.4, duration=30)
    scene.until_delivered(within=100)
    failed = scene.asked("intake") - scene.asked("intake", "200")
    scene.judge(failed=failed)
    assert failed


@pytest.mark.parametrize(
    "status", [401, *(pytest.param(status, marks=pytest.mark.long) for status in (400, 403, 404, 408, 429))]
)
def test_a_client_error_for_a_while_is_no_acceptance(scene: Scene, status: int) -> None:
    at_work(scene, shortened=True)
    scene.answer("intake", 1, json_response({"message": "refused"}, status))
    scene.until(lambda: scene.asked("intake", str(status)) >= 3, 30, "three refusals")
    accepted = scene.snapshot().accepted
    scene.sandbox.faults.clear()
    scene.until_delivered()
    said = scene.said("WARNING") + scene.said("CRITICAL")
    scene.judge(tries=scene.asked("intake", str(status)), said=said)
    assert accepted < BACKLOG
    assert said == 1


def refusing_the_key(scene: Scene) -> None:
    at_work(scene)
    scene.answer("intake", 1, json_response({"message": "the intake key is unknown"}, 403))


@pytest.mark.long
def test_a_refusal_for_a_moment_is_asked_about_once_and_blames_no_key(scene: Scene) -> None:
    refusing_the_key(scene)
    scene.until(lambda: scene.asked("intake", "403"), 20, "a refusal")
    scene.sandbox.faults.clear()
    accepted = scene.snapshot().accepted
    waited = scene.until_accepted(accepted + 1000, within=10)
    scene.until_delivered()
    scene.judge(resumed_after=waited)
    assert scene.asked("intake", "403") == 1
    assert scene.said("CRITICAL") == 0


@pytest.mark.long
def test_a_refusal_that_only_a_person_fixes_is_tried_again_within_minutes(scene: Scene) -> None:
    refusing_the_key(scene)
    reported_after = scene.until_said("CRITICAL", "The Sekoia intake refuses the intake key", within=20)
    tries = scene.asked("intake", "403")
    scene.sandbox.faults.clear()
    waited = scene.until_said("Delivery recovered", within=90)
    scene.until_delivered()
    scene.judge(reported_after=reported_after, tries=tries, resumed_after=waited)
    assert tries <= 3, "the request, then two single events, a second apart each"


@pytest.mark.parametrize("fault", ["intake-unanswered", pytest.param("intake-taken", marks=pytest.mark.long)])
def test_what_was_taken_and_answered_otherwise_is_sent_again(scene: Scene, fault: str) -> None:
    """Nobody can know that the intake took it: at least once."""
    at_work(scene, shortened=True)
    scene.sandbox.faults.add(fault, 0.5, duration=20)
    scene.until_delivered(within=100)
    seen = scene.judge(taken_but_refused=scene.snapshot().taken_but_refused)
    assert seen.taken_but_refused


def test_of_a_page_in_several_requests_only_the_refused_ones_are_sent_again(scene: Scene) -> None:
    """A page of 120 events of 200 000 characters is more than the intake takes in one request, or in two."""
    now = scene.sandbox.clock()
    for number in range(120):
        uuid = f"{scene.rng.getrandbits(32):08x}-0000-4000-8000-{number:012x}"
        event = {"uuid": uuid, "timestamp": int((now - 60) * 1000) + number, "message": "x" * 200_000}
        scene.tenant.add(json.dumps(event), time=now - 60 + number / 1000)
    scene.answer("intake", 0.5, json_response({"message": "failure"}, 503), Response(ending="reset"))
    scene.start(kind=ShortenedProcess)
    scene.until(lambda: scene.asked("intake") > scene.asked("intake", "200"), 30, "a refusal")
    scene.until_delivered(within=60)
    taken, requests = scene.asked("intake", "200"), scene.asked("intake")
    scene.judge(requests=requests, taken=taken)
    assert taken >= 3
    pages = [seen.request.body for seen in scene.ledger.journal if seen.endpoint == "results"]
    assert pages.count(pages[0]) == 1, "the page was fetched once"


def test_a_request_too_large_in_bytes_is_sent_in_halves(scene: Scene) -> None:
    """The SDK counts characters; the intake counts bytes, and each of these characters takes six."""
    now = scene.sandbox.clock()
    for number in range(40):
        uuid = f"{scene.rng.getrandbits(32):08x}-0000-4000-8000-{number:012x}"
        event = {"uuid": uuid, "timestamp": int((now - 60) * 1000) + number, "message": "é" * 200_000}
        scene.tenant.add(json.dumps(event, ensure_ascii=False), time=now - 60 + number / 1000)
    scene.start()
    scene.until_delivered(within=60)
    scene.judge(too_large=scene.asked("intake", "413"), taken=scene.asked("intake", "200"))
    assert scene.asked("intake", "413")
    assert scene.said("larger than the intake accepts") == 0
