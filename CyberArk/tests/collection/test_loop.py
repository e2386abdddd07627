"""The whole connector, between a tenant and an intake on loopback: what it delivers, stores, and asks for next."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from cyberark_modules.checkpoint import seen
from fakes.intake_server import Answer
from fakes.scene import HOUR_MS, MINUTE_MS, START_MS, Scene
from fakes.tenant import Refusal

UUID = "00000000-0000-4000-8000-00000000000{}"
GATEWAY_ERROR = Refusal(200, b'{"errorMessage": "Task timed out after 30.00 seconds"}')

HTML = Refusal(200, b"<html>")


def delays(scene: Scene) -> list[float]:
    """How long (s) after it was shown each event was accepted, in the order of their times."""
    events = sorted(scene.tenant.events, key=lambda each: each.time_ms)
    return [scene.accepted_at[e.text] - (e.shown_ms - START_MS) / 1000 for e in events if e.text in scene.accepted_at]


def fail(scene: Scene, refusal: Refusal, applies: Callable[[str, str], bool]) -> None:
    """Have the tenant give that answer where the path and the cursor (or date) say so."""

    def respond(path: str, document: dict[str, Any]) -> Refusal | None:
        asked = document.get("cursorRef") or path
        return refusal if applies(path, asked) else None

    scene.tenant.respond = respond


def test_what_happens_now_is_in_the_intake_within_seconds_once(scene: Scene) -> None:
    for number in range(200):
        scene.tenant.add(START_MS + number * 3000)
    scene.run(620)
    scene.assert_each_delivered_once()
    assert max(delays(scene)) <= 7
    assert len(scene.tenant.query_calls) == len(scene.tenant.queries) == 11
    assert len(scene.tenant.cursors) <= 40 * 11


def test_the_history_of_a_first_run_is_delivered_and_nothing_before_it(scene: Scene) -> None:
    history = [scene.tenant.add(START_MS - number * MINUTE_MS) for number in range(60)]
    before = scene.tenant.add(START_MS - 61 * MINUTE_MS)
    scene.run(5)
    assert set(scene.intake.accepted) == set(history)
    assert before not in scene.intake.accepted


def test_a_first_run_over_all_that_the_api_keeps_reports_no_loss(scene: Scene) -> None:
    scene.form["start_time"] = 168
    history = [scene.tenant.add(START_MS - hours * HOUR_MS) for hours in range(0, 167, 10)]
    # Time passes before the first query is open.
    fail(scene, Refusal(429), lambda path, _: path == "createQuery" and scene.clock.passed < 20)
    scene.run(120)
    assert set(scene.intake.accepted) == set(history)
    assert scene.said("error") == []


def test_more_events_than_keys_can_be_kept_of_are_not_delivered_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an open lookback is about to show again may be just what is given up."""
    for name, value in (("BUDGET", 300), ("NEEDED_AT_MOST", 500), ("NEEDED_KEPT", 400)):
        monkeypatch.setattr(seen, name, value)
    for number in range(1400):
        scene.tenant.add(START_MS + number * 333)
    scene.run(500)
    scene.assert_each_delivered_once()


@pytest.mark.parametrize("order", ["time", "arrival"])
def test_what_arrives_late_within_the_overlap_is_delivered_once(scene: Scene, order: str) -> None:
    scene.tenant.order = order
    for number in range(30):
        scene.tenant.add(START_MS + number * 10_000, START_MS + number * 10_000 + (270_000 if number % 3 else 0))
    scene.run(720)
    scene.assert_each_delivered_once()
    assert max(delays(scene)) <= 75


def test_what_arrives_later_than_the_overlap_is_delivered_within_the_hour_once(scene: Scene) -> None:
    scene.run(70)
    for number in range(8):
        shown_ms = START_MS + (120 + number) * 1000
        scene.tenant.add(shown_ms - 50 * MINUTE_MS - number * 400_000, shown_ms)
    early = {e.text for e in scene.tenant.events if e.time_ms < START_MS - HOUR_MS}
    scene.form["frequency"] = 300
    scene.run(1900)
    assert set(scene.intake.accepted) == {event.text for event in scene.tenant.events} - early
    assert set(scene.intake.accepted.values()) == {1}


def figure(name: str) -> float:
    return REGISTRY.get_sample_value(f"symphony_module_cyberark_{name}") or 0.0


def test_how_late_an_event_may_be_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1800):
        scene.tenant.add(START_MS - number * 2000)
    scene.run(70)
    assert figure("reconciliation_reach_seconds") == 86_400
    monkeypatch.setattr(seen, "BUDGET", 100)
    forgotten = figure("seen_keys_forgotten_total")
    scene.run(200)
    assert figure("reconciliation_reach_seconds") < 1200
    assert figure("seen_keys_forgotten_total") > forgotten


def test_two_contents_of_one_uuid_in_one_page_are_both_delivered_and_later_shown_again_neither(scene: Scene) -> None:
    first = scene.tenant.add(START_MS - 5000, number=1, message="one")
    second = scene.tenant.add(START_MS - 5000, number=1, message="two")
    scene.run(200)
    assert scene.intake.accepted == {first: 1, second: 1}


def test_the_same_event_twice_in_one_page_is_delivered_once(scene: Scene) -> None:
    text = scene.tenant.add(START_MS - 5000, number=1)
    assert scene.tenant.add(START_MS - 5000, number=1) == text
    scene.run(130)
    assert scene.intake.accepted == {text: 1}


def test_an_event_in_two_streams_at_once_is_delivered_once(scene: Scene) -> None:
    """The tail and the lookback show it in pages that arrive while another event is being pushed."""
    scene.form["chunk_size"] = 3
    for offset_ms in (-60_000, 10_000, 20_000):
        scene.tenant.add(START_MS + offset_ms)
    late = scene.tenant.add(START_MS - 30_000, START_MS + 50_000)  # before what the tail reads
    new: list[str] = []
    showing: list[str] = []
    is_found, is_pushing, is_shown_twice = (threading.Event() for _ in range(3))

    def respond(path: str, document: dict[str, Any]) -> None:
        # The tail's page of that minute is held back too: else it may arrive with the lookback's, before the push.
        if path != "results" or scene.clock.passed < 60 or is_shown_twice.is_set():
            return
        if late in scene.tenant.page_at(document["cursorRef"])[0]:
            scene.clock.passed += 6  # by when the tail is read again
            new.append(scene.tenant.add(scene.clock.now_ms()))
            is_found.set()
            return
        assert is_found.wait(5)
        assert is_pushing.wait(5)
        if new[0] in scene.tenant.page_at(document["cursorRef"])[0]:
            showing.append(document["cursorRef"])
        if len(showing) == 2:
            is_shown_twice.set()

    def accept(texts: list[str], size: int) -> None:
        scene.note(texts, size)
        if late in texts:
            is_pushing.set()
            assert is_shown_twice.wait(5)
            time.sleep(0.2)  # until both pages are read

    scene.tenant.respond, scene.intake.respond = respond, accept
    scene.run(100)
    assert is_shown_twice.is_set()
    scene.assert_each_delivered_once()


def slow(scene: Scene, seconds: float) -> None:
    """Have every page take that long."""

    def respond(path: str, document: dict[str, Any]) -> None:
        if path == "results":
            scene.clock.passed += seconds

    scene.tenant.respond = respond


def test_a_backlog_is_read_beside_what_happens_now(scene: Scene) -> None:
    scene.form |= {"chunk_size": 10, "start_time": 24}
    for number in range(800):
        scene.tenant.add(START_MS - HOUR_MS * 24 + number * 108_000)
    live = [scene.tenant.add(START_MS + number * 20_000) for number in range(32)]
    slow(scene, 2.0)
    scene.run(630)
    scene.assert_each_delivered_once(60)
    assert max(scene.accepted_at[text] - number * 20 for number, text in enumerate(live) if number < 28) <= 75
    assert scene.stored.coverage.gaps == ()
    assert any("Caught up" in line and "nothing was lost" in line for line in scene.said("info"))


@pytest.mark.long
def test_a_page_that_fails_for_ever_costs_itself_only_and_is_delivered_once_it_is_served(scene: Scene) -> None:
    scene.form["chunk_size"] = 50
    for number in range(200):
        scene.tenant.add(START_MS - 55 * MINUTE_MS + number * 16_000)
    for number in range(57):
        scene.tenant.add(START_MS + number * 30_000)
    poison = scene.tenant.events[150].text
    fail(scene, Refusal(500), lambda path, ref: path == "results" and poison in scene.tenant.page_at(ref)[0])
    scene.run(1700)
    missing = {event.text for event in scene.tenant.events[:-1]} - set(scene.intake.accepted)
    assert missing == {poison}
    gaps = scene.stored.coverage.gaps
    poison_ms = scene.tenant.events[150].time_ms
    assert [gap for gap in gaps if gap.start_ms <= poison_ms < gap.end_ms]
    assert sum(gap.end_ms - gap.start_ms for gap in gaps) <= 2 * 16_000
    line, *_ = [line for line in scene.said("error") if "cannot serve" in line]
    assert max(delays(scene)[199:-1]) <= 75
    scene.tenant.respond = lambda _path, _document: None
    scene.run(2400)
    scene.assert_each_delivered_once()
    assert scene.stored.coverage.gaps == ()
    assert any("which the Audit API could not serve, are delivered" in line for line in scene.said("info"))
    assert line.endswith("all other events are collected.")


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(GATEWAY_ERROR, id="json"),
        pytest.param(Refusal(500), id="500", marks=pytest.mark.long),
        pytest.param(Refusal(200, b"<html>"), id="html", marks=pytest.mark.long),
    ],
)
def test_an_answer_that_is_no_page_is_no_end(scene: Scene, refusal: Refusal) -> None:
    for number in range(60):
        scene.tenant.add(START_MS - 600_000 + number * 15_000)
    fail(scene, refusal, lambda path, _: path == "results" and scene.clock.passed < 100)
    scene.run(90)
    assert scene.intake.accepted == {}
    assert scene.stored.coverage.first_missing_ms == START_MS - HOUR_MS
    assert set(scene.tenant.cursors) - {s.cursor for s in scene.stored.streams} == set()
    assert len(scene.tenant.cursors) < 60
    assert [level for level, line in scene.lines if level in ("warning", "error")] == ["warning"]
    scene.run(500)
    scene.assert_each_delivered_once(10)


def test_a_refused_cursor_is_read_on_from_by_the_next_query(scene: Scene) -> None:
    scene.form["chunk_size"] = 20
    for number in range(200):
        scene.tenant.add(START_MS - 50 * MINUTE_MS + number * 15_000)
    fail(scene, Refusal(400), lambda path, _: path == "results" and len(scene.tenant.cursors) == 5)
    scene.run(400)
    scene.assert_each_delivered_once(10)
    read_ms = START_MS - 50 * MINUTE_MS + (4 * 20 - 1) * 15_000
    resumed_ms = scene.tenant.queries[1].from_ms
    assert read_ms - 5 * MINUTE_MS - 16 * 15_000 - 1000 <= resumed_ms <= read_ms - 5 * MINUTE_MS


def test_without_order_a_refused_cursor_costs_no_event(scene: Scene) -> None:
    scene.tenant.order = "none"
    scene.form |= {"chunk_size": 20, "start_time": 24}
    for number in range(200):
        scene.tenant.add(START_MS - 24 * HOUR_MS + 1000 + number * 430_000)
    fail(scene, Refusal(400), lambda path, _: path == "results" and len(scene.tenant.cursors) == 7)
    scene.run(200)
    scene.assert_each_delivered_once()
    assert scene.tenant.queries[1].from_ms == START_MS - 24 * HOUR_MS


def test_a_full_page_that_comes_again_and_again_is_no_proof_of_the_end(scene: Scene) -> None:
    """The tenant loses the place of its cursors for a while."""
    scene.form["chunk_size"] = 10
    for number in range(100):
        scene.tenant.add(START_MS - 55 * MINUTE_MS + number * 20_000)
    scene.tenant.add(START_MS + 200_000)
    fixed: list[str] = []

    def respond(path: str, document: dict[str, Any]) -> Refusal | None:
        if path != "results" or scene.clock.passed > 50:
            return Refusal(400) if document.get("cursorRef") == "x" else None
        fixed.append(document["cursorRef"])
        texts, _ = scene.tenant.page_at(fixed[0])
        return Refusal(200, f'{{"data":[{",".join(texts)}],"paging":{{"cursor":{{"cursorRef":"x"}}}}}}'.encode())

    scene.tenant.respond = respond
    scene.run(400)
    # "x" is the cursor of nothing, and refused by then; the second query begins where the first one was proven.
    assert scene.tenant.queries[1].from_ms <= START_MS - 50 * MINUTE_MS
    scene.assert_each_delivered_once()


def test_an_empty_page_with_a_new_cursor_is_followed(scene: Scene) -> None:
    """The API filters what it has scanned: what it leaves out shows as a page without events."""
    for number in range(30):
        scene.tenant.add(START_MS - 40 * MINUTE_MS + number * 60_000)
    skipped: set[str] = set()

    def respond(path: str, document: dict[str, Any]) -> Refusal | None:
        reference = document.get("cursorRef", "")
        if path != "results" or reference.endswith("~") or reference in skipped:
            return None
        skipped.add(reference)
        return Refusal(200, f'{{"data":[],"paging":{{"cursor":{{"cursorRef":"{reference}"}}}}}}'.encode())

    scene.tenant.respond = respond
    scene.run(10)
    assert len(scene.intake.accepted) == 30


def test_without_a_token_nothing_is_asked_of_the_audit_api(scene: Scene) -> None:
    text = scene.tenant.add(START_MS - 5000)
    denied = Refusal(401, b'{"error": "access_denied"}')
    fail(scene, denied, lambda path, _: path == "token" and scene.clock.passed < 600)
    scene.run(500)
    assert scene.tenant.calls == []
    assert [level for level, _ in scene.lines if level != "info"] == ["critical"]
    scene.run(700)
    assert scene.intake.accepted == {text: 1}


def test_with_a_limit_of_one_call_a_minute_everything_is_delivered_and_few_calls_are_refused(scene: Scene) -> None:
    for number in range(120):
        scene.tenant.add(START_MS + number * 30_000)
    called: list[float] = []
    refused: list[float] = []

    def respond(path: str, document: dict[str, Any]) -> Refusal | None:
        if path == "token":
            return None
        if called and scene.clock.passed - called[-1] < 60:
            refused.append(scene.clock.passed)
            return Refusal(429)
        called.append(scene.clock.passed)
        return None

    scene.tenant.respond = respond
    scene.run(3600)
    scene.assert_each_delivered_once(400)
    assert len(called) >= 45
    assert len([at for at in refused if at > 600]) <= len(called) / 6
    assert any("rate limiting" in line for level, line in scene.lines if level == "warning")


def test_where_another_integration_takes_the_minute_it_is_said_and_tried_again(scene: Scene) -> None:
    text = scene.tenant.add(START_MS - 5000)
    fail(scene, Refusal(429), lambda path, _: path == "createQuery" and scene.clock.passed < 200)
    scene.run(300)
    assert scene.intake.accepted == {text: 1}
    assert 5 <= len(scene.tenant.query_calls) <= 42
    assert len(scene.said("warning")) == 1


def test_pages_larger_than_the_tenant_accepts_are_asked_for_smaller(scene: Scene) -> None:
    scene.form["chunk_size"] = 1000
    text = scene.tenant.add(START_MS - 5000)

    def respond(path: str, document: dict[str, Any]) -> Refusal | None:
        is_large = path == "createQuery" and document["query"]["pageSize"] > 500
        return Refusal(400) if is_large else None

    scene.tenant.respond = respond
    scene.run(130)
    assert scene.intake.accepted == {text: 1}
    assert {query.page_size for query in scene.tenant.queries} == {500}
    assert any("1000 events per page" in line for line in scene.said("warning"))


def test_while_the_intake_is_down_nothing_is_committed_and_nothing_lost(scene: Scene) -> None:
    for number in range(100):
        scene.tenant.add(START_MS - 300_000 + number * 6000)
    scene.intake.respond = lambda _texts, _size: Answer(503)
    scene.run(200)
    assert scene.stored.coverage.watermark_ms == START_MS - HOUR_MS
    assert len(scene.stored.seen) == 0
    scene.intake.respond = scene.note
    scene.run(300)
    scene.assert_each_delivered_once(10)


def test_a_defect_of_ours_is_logged_and_does_not_spin(scene: Scene) -> None:
    """An error that nobody has thought of, here of the clock: the loop goes on a minute later."""
    text = scene.tenant.add(START_MS + 65_000)

    def defect() -> None:
        raise RuntimeError("a defect")

    scene.clock.alarms += [(3.0, defect), (73.0, defect)]
    calls: list[float] = []
    scene.tenant.respond = lambda _path, _document: calls.append(scene.clock.passed)
    scene.run(200)
    assert scene.intake.accepted == {text: 1}
    assert len([line for line in scene.said("error") if "Unexpected error" in line]) == 2
    assert [at for at in calls if 3 < at < 63 or 73 < at < 133] == []
