"""What the SDK's connector does here that it does not do by itself, and the private names that this takes."""

import inspect
import socket
import threading
import time
from collections.abc import Callable
from importlib.metadata import version

import pytest
from prometheus_client import CollectorRegistry, Counter
from sekoia_automation.connector import Connector
from sekoia_automation.module import ModuleItem
from sekoia_automation.timer import RepeatedTimer
from sekoia_automation.trigger import LivenessHandler, Trigger

from cyberark_modules.events import Event
from cyberark_modules.sdk import connector as sdk_connector
from sdk.scene import KEY, PlainConnector, Platform


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def pushed(count: int = 3) -> list[Event]:
    return [Event(f'{{"n": {number}}}', bytes([number]), None, None) for number in range(count)]


def test_the_sdk_is_the_one_whose_private_names_are_used(connector: PlainConnector) -> None:
    """Another minor version may rename any of them: the pin in pyproject.toml goes with this test."""
    assert version("sekoia-automation-sdk").startswith("1.27.")
    fields = ("_stop_event", "_executor", "_logs", "_logs_timer", "_critical_log_sent", "_logger", "_STOP_EVENT_WAIT")
    assert all(hasattr(connector, name) for name in fields)
    assert list(inspect.signature(Connector._send_chunk).parameters) == [
        "self",
        "batch_api",
        "chunk_index",
        "chunk",
        "collect_ids",
    ]
    assert callable(Trigger._send_logs_to_api.__wrapped__)
    assert callable(Trigger._get_secrets_from_server.__wrapped__)
    assert "self._get_secrets_from_server()" in inspect.getsource(Trigger.execute)
    assert "self._send_logs_to_api" in inspect.getsource(Trigger.__init__)
    assert "self._stop_event" in inspect.getsource(Trigger.stop)
    assert "self._send_chunk" in inspect.getsource(Connector.push_events_to_intakes)
    assert issubclass(Connector, Trigger)
    assert issubclass(Trigger, ModuleItem)
    assert hasattr(LivenessHandler, "log_message")
    assert isinstance(connector._logs_timer, RepeatedTimer)


def test_the_receipt_of_each_request_is_kept(connector: PlainConnector, platform: Platform) -> None:
    intake = connector.make_intake()
    assert intake.push(pushed()).accepted == 3
    assert platform.texts == [event.text for event in pushed()]
    platform.body = b"<html>"
    assert connector.push_events_to_intakes(["text"]) == []
    outcome = intake.push(pushed())
    assert (outcome.accepted, len(outcome.remaining)) == (0, 3)


def test_without_an_intake_nothing_is_sent(connector: PlainConnector, platform: Platform) -> None:
    assert connector.push_events_to_intakes(["text"]) == []
    assert platform.asked == []


def test_dead_letters_go_to_the_address_of_the_sdk(connector: PlainConnector, platform: Platform) -> None:
    connector.configuration.intake_server = f"{platform.url}/"
    intake = connector.make_intake()
    intake._letters.cut(["held"])
    intake.resend()
    assert platform.asked == ["/batch"]
    assert platform.texts == ["held"]


def test_an_error_is_sent_at_once_and_the_rest_with_it(connector: PlainConnector, platform: Platform) -> None:
    connector.log("first", level="info")
    assert platform.lines == []
    connector.log("second", level="error")
    eventually(lambda: len(platform.lines) == 2)
    assert [(line["message"], line["level"]) for line in platform.lines] == [("first", "info"), ("second", "error")]


def test_a_platform_that_is_down_delays_nothing_and_gets_the_lines_later(
    connector: PlainConnector, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk_connector, "LOGS_KEPT", 15)
    platform.status = 500
    started = time.monotonic()
    for number in range(20):
        connector.log(f"line {number:02}", level="error")
    assert time.monotonic() - started < 1
    eventually(lambda: not connector._is_sending())
    platform.status = 200
    connector._send_logs_to_api()  # the SDK's timer calls it every five seconds
    eventually(lambda: len(platform.lines) >= 15)
    messages = [line["message"] for line in platform.lines]
    assert messages == sorted(messages)
    assert messages[-1] == "line 19"


def test_a_platform_that_hangs_is_asked_again_and_the_process_says_so(
    connector: PlainConnector, platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sdk_connector, "LOGS_GIVEN_UP_S", 0.05)
    platform.hanging.add("/logs")
    connector.log("one", level="error")
    eventually(lambda: len(platform.asked) == 1 and not connector._is_sending())
    platform.hanging.clear()
    monkeypatch.setattr(sdk_connector, "LOGS_GIVEN_UP_S", 10.0)
    connector.log("two", level="error")
    eventually(lambda: [line["message"] for line in platform.lines] == ["two"])
    assert caplog.text.count("The platform accepts no log lines (TimeoutError)") == 1


def test_a_line_that_cannot_be_handled_breaks_nothing(
    connector: PlainConnector, caplog: pytest.LogCaptureFixture
) -> None:
    connector.log("message", level="nonsense")  # type: ignore[arg-type]
    assert "could not be handled" in caplog.text


@pytest.mark.parametrize("status", [200, 500])
def test_the_last_line_is_sent_before_the_end_but_does_not_hold_it(
    connector: PlainConnector, platform: Platform, status: int
) -> None:
    def stop() -> None:
        platform.status = status  # after the secrets
        connector.log("Stopped", level="info")

    connector.job = stop
    started = time.monotonic()
    connector.execute()
    assert time.monotonic() - started < 1.5
    assert [line["message"] for line in platform.lines] == ["Stopped"] * (status == 200)


def test_a_second_critical_line_is_critical_once_the_first_is_fixed(
    connector: PlainConnector, platform: Platform
) -> None:
    for message in ("one", "two"):
        connector.log(message, level="critical")
    connector.allow_critical_again()
    connector.log("three", level="critical")
    eventually(lambda: len(platform.lines) == 3)
    assert [line["level"] for line in platform.lines] == ["critical", "error", "critical"]


def test_secrets_are_asked_for_until_they_come_and_that_is_said(
    connector: PlainConnector, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk_connector, "SECRETS_WITHIN_S", 0.1)
    monkeypatch.setattr(sdk_connector, "SECRETS_AGAIN_AFTER_S", 0.05)
    platform.hanging.add("/secrets")
    threading.Timer(0.3, platform.hanging.clear).start()
    assert connector._get_secrets_from_server() == ({}, {})
    assert platform.asked.count("/secrets") > 1
    eventually(lambda: [line["level"] for line in platform.lines] == ["error"])


def test_what_is_forwarded_is_counted_by_the_sdk(connector: PlainConnector) -> None:
    registry = CollectorRegistry()  # in the process's own, another connector may have declared them
    connector._forwarded_events = Counter("forwarded_events", "", ["intake_key"], registry=registry)
    connector._discarded_events = Counter("discarded_events", "", ["intake_key"], registry=registry)
    connector.count_forwarded(KEY, 3, 1, 0.5)
    assert registry.get_sample_value("forwarded_events_total", {"intake_key": KEY}) == 3
    assert registry.get_sample_value("discarded_events_total", {"intake_key": KEY}) == 1


def test_a_port_in_use_is_said_to_the_platform(
    connector: PlainConnector, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainConnector, "_STOP_EVENT_WAIT", 1)
    with socket.create_server(("", 0)) as taken:
        monkeypatch.setenv("LIVENESS_PORT", str(taken.getsockname()[1]))
        started = time.monotonic()
        with pytest.raises(SystemExit):
            connector.start_monitoring()
    assert time.monotonic() - started > 0.9  # the SDK gives the platform time to stop it
    [line] = platform.lines
    assert line["level"] == "critical"
    assert "LIVENESS_PORT" in line["message"]
    assert not connector.running
