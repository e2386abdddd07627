"""What the platform sees of the connector's start, life and end."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import Sandbox


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def stopped_after(process: ConnectorProcess) -> float:
    started = time.monotonic()
    process.terminate()
    assert process.wait(20) == 0
    return time.monotonic() - started


def test_an_interrupt_stops_it_too(sandbox: Sandbox, tmp_path: Path) -> None:
    with ConnectorProcess(sandbox, tmp_path) as process:
        eventually(lambda: sandbox.ledger.snapshot().queries == 1)
        assert process.pid
        import os

        os.kill(process.pid, signal.SIGINT)
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("missing", "kept"),
    [("MODULE_CONFIGURATION", "CONNECTOR_CONFIGURATION"), ("TOKEN", "INTAKE_URL"), ("URL_CALLBACK", "TOKEN")],
)
def test_it_says_which_configuration_is_missing(sandbox: Sandbox, tmp_path: Path, missing: str, kept: str) -> None:
    process = ConnectorProcess(sandbox, tmp_path)
    del process.variables[missing], process.variables["URL_LOGS"]
    with process:
        assert process.wait(20) == 1
    said = "\n".join(process.lines)
    assert missing in said
    assert kept not in said
    assert "Traceback" not in said


def test_what_the_sdk_can_do_without_is_not_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    process = ConnectorProcess(sandbox, tmp_path)
    del process.variables["URL_CALLBACK"], process.variables["INTAKE_URL"]
    with process:
        eventually(lambda: sandbox.ledger.snapshot().queries == 1)


@pytest.mark.parametrize(
    ("field", "value", "title"),
    [
        ("auth_base_url", "http://abc.id.cyberark.cloud", "“CyberArk Identity address”"),
        ("chunk_size", 5000, "“Events per page”"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_to_the_platform(
    sandbox: Sandbox, tmp_path: Path, field: str, value: Any, title: str
) -> None:
    with ConnectorProcess(sandbox, tmp_path, **dict[str, Any]({field: value})) as process:
        assert process.wait(20) == 1
    critical = [line["message"] for line in sandbox.sekoia.logs if line["level"] == "critical"]
    assert len(critical) == 1
    assert title in critical[0]


def test_a_frequency_that_is_too_fast_is_raised_and_said_once(sandbox: Sandbox, tmp_path: Path) -> None:
    with ConnectorProcess(sandbox, tmp_path, frequency=10) as process:
        eventually(lambda: sandbox.ledger.snapshot().queries == 1)
        eventually(lambda: any("(10 s) is too short" in line["message"] for line in sandbox.sekoia.logs))
        process.stop()
    warnings = [line for line in sandbox.sekoia.logs if "too short" in line["message"]]
    assert len(warnings) == 1
    assert sandbox.ledger.snapshot().queries_too_soon == 0


def test_the_platform_sees_it_alive(sandbox: Sandbox, tmp_path: Path) -> None:
    import urllib.request

    with ConnectorProcess(sandbox, tmp_path) as process:
        eventually(lambda: sandbox.ledger.snapshot().queries == 1)
        with urllib.request.urlopen(process.liveness_url) as answer:
            health = json.load(answer)
    assert health["last_heartbeat_threshold"] == 900
    assert health["seconds_without_events_threshold"] == 0
