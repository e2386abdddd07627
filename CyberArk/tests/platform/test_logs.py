"""Logging costs the connector nothing: no wait, no error, no lost line once the platform answers again."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cyberark_modules.platform import connector as platform_connector
from cyberark_modules.platform import logs
from cyberark_modules.platform.connector import PlatformConnector
from fakes.connector import connector_to
from fakes.platform_server import platform_logs, platform_status, platform_url

__all__ = ["platform_logs", "platform_status", "platform_url"]


@pytest.fixture
def connector(tmp_path: Path, platform_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformConnector]:
    monkeypatch.chdir(tmp_path)  # without a manifest, which would require a configuration
    monkeypatch.setenv("URL_LOGS", f"{platform_url}/logs")
    monkeypatch.setenv("TOKEN", "token")
    monkeypatch.setenv("URL_SECRETS", f"{platform_url}/secrets")
    monkeypatch.setenv("MODULE_CONFIGURATION", "{}")
    monkeypatch.setattr(logs, "RETRIED_AFTER_S", 0.05)
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        yield connector


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_an_error_is_sent_at_once(connector: PlatformConnector, platform_logs: list[dict[str, str]]) -> None:
    connector.log("first", level="info")
    assert platform_logs == []
    connector.log("second", level="error")
    eventually(lambda: len(platform_logs) == 2)
    assert [(line["message"], line["level"]) for line in platform_logs] == [("first", "info"), ("second", "error")]


def test_a_platform_that_is_down_delays_nothing_and_gets_the_lines_later(
    connector: PlatformConnector, platform_logs: list[dict[str, str]], platform_status: list[int]
) -> None:
    platform_status[0] = 500
    started = time.monotonic()
    for number in range(20):
        connector.log(f"line {number}", level="error")
    assert time.monotonic() - started < 1
    time.sleep(0.15)
    platform_status[0] = 200
    eventually(lambda: len(platform_logs) == 20)
    assert {line["message"] for line in platform_logs} == {f"line {number}" for number in range(20)}


def test_what_is_kept_while_the_platform_is_down_is_bounded(
    connector: PlatformConnector,
    platform_logs: list[dict[str, str]],
    platform_status: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform_connector, "LOGS_KEPT", 5)
    platform_status[0] = 500
    for number in range(20):
        connector.log(f"line {number:02}", level="error")
    eventually(lambda: len(connector._logs) == 5)
    platform_status[0] = 200
    eventually(lambda: len(platform_logs) == 5)
    assert [line["message"] for line in platform_logs] == [f"line {number}" for number in range(15, 20)]


def test_a_line_that_cannot_be_handled_breaks_nothing(
    connector: PlatformConnector, caplog: pytest.LogCaptureFixture
) -> None:
    connector.log("message", level="nonsense")  # type: ignore[arg-type]
    assert "could not be handled" in caplog.text


def test_the_last_line_is_sent_before_the_end(
    connector: PlatformConnector, platform_logs: list[dict[str, str]]
) -> None:
    connector.stop()
    connector.log("Stopped", level="info")
    connector.execute()
    assert [line["message"] for line in platform_logs] == ["Stopped"]


def test_a_platform_that_is_down_does_not_hold_the_end(
    connector: PlatformConnector, platform_status: list[int]
) -> None:
    platform_status[0] = 500
    connector.stop()
    started = time.monotonic()
    connector.log("Stopped", level="info")
    connector.execute()
    assert time.monotonic() - started < 1


def test_a_second_critical_line_is_critical_once_the_first_was_mended(
    connector: PlatformConnector, platform_logs: list[dict[str, str]]
) -> None:
    for message in ("one", "two"):
        connector.log(message, level="critical")
    connector.allow_critical_again()
    connector.log("three", level="critical")
    eventually(lambda: len(platform_logs) == 3)
    assert [line["level"] for line in platform_logs] == ["critical", "error", "critical"]
