"""What the intake took, judged by its answers alone, through the SDK's own push."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules import CyberArkModule
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from cyberark_modules.errors import FailureKind
from cyberark_modules.audit_api.events import Event, read_event
from sandbox.faults.fault import Fault
from sandbox.server.http import Ending, Request, Response, json_response
from sandbox.server.server import Sandbox


class Intake(Fault):
    """Answers some of the requests to the intake in its place."""

    def __init__(self, answer: Callable[[int, list[str]], Response | None]) -> None:
        self._answer = answer
        self.requests = 0

    def before(self, endpoint: str, request: Request) -> Response | None:
        if endpoint != "intake":
            return None
        self.requests += 1
        return self._answer(self.requests, json.loads(request.body)["jsons"])


@pytest.fixture
def connector(sandbox: Sandbox, tmp_path: Path) -> Iterator[CyberArkAuditLogsConnector]:
    environment = sandbox.environment_variables(tmp_path)
    module = CyberArkModule()
    module.configuration = json.loads(environment["MODULE_CONFIGURATION"])
    connector = CyberArkAuditLogsConnector(module, tmp_path)
    connector.configuration = json.loads(environment["CONNECTOR_CONFIGURATION"])
    yield connector
    connector.stop()


def events(sandbox: Sandbox, count: int, padding: int = 0) -> list[Event]:
    uuids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
    texts = [json.dumps({"uuid": uuid, "p": "é" * padding}, ensure_ascii=False) for uuid in uuids]
    for text in texts:
        sandbox.tenant.add(text, sandbox.clock() - 60)
    return [read_event(text) for text in texts]


def texts_of(events: list[Event]) -> set[str]:
    return {event.text for event in events}


def test_what_is_answered_by_200_is_accepted(sandbox: Sandbox, connector: CyberArkAuditLogsConnector) -> None:
    pushed = events(sandbox, 20)
    receipt = connector.deliver(pushed)
    assert receipt.accepted == texts_of(pushed)
    assert sandbox.ledger.snapshot().accepted == 20
    assert receipt.ids_missing == 0


@pytest.mark.parametrize(
    ("body", "missing"),
    [(b"{}", 5), (b'{"event_ids": null}', 5), (b'{"event_ids": ["a"]}', 4), (b"OK", 5), (b"", 5), (b"[]", 5)],
)
def test_a_200_is_an_acceptance_whatever_ids_come_with_it(
    sandbox: Sandbox, connector: CyberArkAuditLogsConnector, body: bytes, missing: int
) -> None:
    sandbox.faults.hold(Intake(lambda _, __: Response(200, {}, body)))
    pushed = events(sandbox, 5)
    receipt = connector.deliver(pushed)
    assert receipt.accepted == texts_of(pushed)
    assert receipt.ids_missing == missing


@pytest.mark.parametrize("status", [201, 204, 302, 307, 400, 401, 403, 404, 408, 422, 429, 500, 502, 503])
def test_anything_else_is_not(sandbox: Sandbox, connector: CyberArkAuditLogsConnector, status: int) -> None:
    sandbox.faults.hold(Intake(lambda _, __: Response(status, {"Location": sandbox.platform_url})))
    receipt = connector.deliver(events(sandbox, 5))
    assert receipt.accepted == set()
    assert receipt.refusals[0].failure.status == status


def test_a_web_page_is_not_the_intake(sandbox: Sandbox, connector: CyberArkAuditLogsConnector) -> None:
    sandbox.faults.hold(Intake(lambda _, __: Response(200, {}, b"\n<!DOCTYPE html><html>Welcome</html>")))
    receipt = connector.deliver(events(sandbox, 5))
    assert receipt.accepted == set()
    assert receipt.refusals[0].failure.kind is FailureKind.NOT_JSON


@pytest.mark.parametrize(("ending", "kind"), [("reset", FailureKind.CONNECTION), ("hang", FailureKind.TIMEOUT)])
def test_no_answer_is_no_acceptance(
    sandbox: Sandbox,
    connector: CyberArkAuditLogsConnector,
    monkeypatch: pytest.MonkeyPatch,
    ending: Ending,
    kind: FailureKind,
) -> None:
    monkeypatch.setattr(connector, "push_timeout_s", 0.3)
    sandbox.faults.hold(Intake(lambda _, __: Response(200, ending=ending)))
    receipt = connector.deliver(events(sandbox, 5))
    assert receipt.accepted == set()
    assert receipt.refusals[0].failure.kind is kind


def test_of_a_page_sent_as_several_requests_only_what_was_refused_is_left(
    sandbox: Sandbox, connector: CyberArkAuditLogsConnector
) -> None:
    pushed = events(sandbox, 50, padding=240_000)
    refused = pushed[0].text
    sandbox.faults.hold(Intake(lambda _, texts: Response(503) if refused in texts else None))
    receipt = connector.deliver(pushed)
    assert refused not in receipt.accepted
    assert 0 < len(receipt.accepted) < len(pushed)
    sandbox.faults.clear()
    rest = [event for event in pushed if event.text not in receipt.accepted]
    assert connector.deliver(rest).accepted == texts_of(rest)
    snapshot = sandbox.ledger.snapshot()
    assert (snapshot.accepted, snapshot.doubled, snapshot.altered) == (50, 0, 0)


def test_a_request_that_is_too_large_is_halved_until_it_is_not(
    sandbox: Sandbox, connector: CyberArkAuditLogsConnector
) -> None:
    """The SDK counts characters and the intake bytes: characters that JSON escapes take six."""
    pushed = events(sandbox, 40, padding=200_000)
    receipt = connector.deliver(pushed)
    assert receipt.accepted == texts_of(pushed)
    assert receipt.too_large == set()
    assert sandbox.ledger.snapshot().doubled == 0


def test_an_event_too_large_for_any_request_does_not_hold_the_others(
    sandbox: Sandbox, connector: CyberArkAuditLogsConnector
) -> None:
    small, large = events(sandbox, 3), read_event(json.dumps({"p": "x" * 250_001}))
    receipt = connector.deliver([small[0], large, *small[1:]])
    assert receipt.accepted == texts_of(small)
    assert receipt.too_large == {large.text}


def test_an_event_that_the_intake_finds_too_large_does_not_hold_the_others(
    sandbox: Sandbox, connector: CyberArkAuditLogsConnector
) -> None:
    """At most 250 000 characters, but more bytes than that."""
    pushed = events(sandbox, 9, padding=130_000)
    sandbox.faults.hold(Intake(lambda _, texts: Response(413) if pushed[4].text in texts else None))
    receipt = connector.deliver(pushed)
    assert receipt.too_large == {pushed[4].text}
    assert receipt.accepted == texts_of(pushed) - receipt.too_large


def test_a_413_that_is_not_about_size_costs_no_event(sandbox: Sandbox, connector: CyberArkAuditLogsConnector) -> None:
    sandbox.faults.hold(Intake(lambda _, __: Response(413)))
    receipt = connector.deliver(events(sandbox, 3))
    assert (receipt.accepted, receipt.too_large) == (set(), set())
    assert receipt.refusals


def test_a_stop_between_two_requests_of_a_push_lets_it_end(
    sandbox: Sandbox, connector: CyberArkAuditLogsConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's own stop would close its pool while the requests are handed over to it."""
    hand_over = connector._executor.submit

    def submit(*arguments: Any) -> Future[Any]:
        future = hand_over(*arguments)
        connector.stop()
        return future

    monkeypatch.setattr(connector._executor, "submit", submit)
    pushed = events(sandbox, 50, padding=240_000)
    receipt = connector.deliver(pushed)
    assert receipt.accepted == texts_of(pushed)


def test_an_intake_that_is_slow_is_given_more_time(sandbox: Sandbox, connector: CyberArkAuditLogsConnector) -> None:
    connector.push_timeout_s = 0.4
    sandbox.sekoia.settings.push_latency = 0.6
    pushed = events(sandbox, 3)
    assert connector.deliver(pushed).accepted == set()
    assert connector.deliver(pushed).accepted == texts_of(pushed)


def test_a_redirect_takes_no_event_and_no_key_along(sandbox: Sandbox, connector: CyberArkAuditLogsConnector) -> None:
    sandbox.faults.hold(Intake(lambda _, __: Response(307, {"Location": f"{sandbox.audit_url}/batch"})))
    assert connector.deliver(events(sandbox, 1)).refusals[0].failure.kind is FailureKind.REDIRECT
    assert not any(endpoint.startswith(("audit", "query", "results")) for endpoint, _ in sandbox.ledger.requests)


def test_what_the_intake_asks_for_is_known(sandbox: Sandbox, connector: CyberArkAuditLogsConnector) -> None:
    sandbox.faults.hold(Intake(lambda _, __: json_response({}, 429, {"Retry-After": "9"})))
    refusal = connector.deliver(events(sandbox, 1)).refusals[0]
    assert getattr(refusal, "retry_after", None) == 9
