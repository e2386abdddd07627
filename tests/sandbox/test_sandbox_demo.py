"""The demo and the sandbox alone, run as a person runs them, and the verdict at the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sandbox_client import Client, FakeClock

from sandbox import TOP
from sandbox.demo.__main__ import main
from sandbox.demo.process import ConnectorProcess
from sandbox.demo.summary import Verdict, print_summary
from sandbox.environment import Environment
from sandbox.server.server import Sandbox

GOOD = {"alive": True, "stopped_in_seconds": 0.1, "kills": 0, "page_size": 500}


@pytest.fixture
def client() -> Client:
    client = Client.of(Environment(FakeClock())).log_in()
    client.environment.tenant.add_backlog(1000, 600)
    return client


@pytest.fixture
def connector(tmp_path: Path) -> ConnectorProcess:
    """One that is never started: only its last lines are asked for."""
    with Sandbox() as sandbox:
        return ConnectorProcess(sandbox, tmp_path)


def verdict_on(client: Client, connector: ConnectorProcess, **changes: Any) -> int:
    return print_summary(client.environment.ledger, Verdict(**{**GOOD, **changes}), connector)


def test_a_kept_promise_is_a_success(client: Client, connector: ConnectorProcess) -> None:
    client.push(client.drain(client.open())[0])
    assert verdict_on(client, connector) == 0
    assert verdict_on(client, connector, alive=False) == 1


def test_a_lost_event_is_a_failure_and_is_shown(
    client: Client, connector: ConnectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, _ = client.drain(client.open())
    client.push(texts[1:])
    assert verdict_on(client, connector) == 1
    assert texts[0][:100] in capsys.readouterr().out


def test_events_that_came_twice_are_a_failure_but_for_a_page_each_kill(
    client: Client, connector: ConnectorProcess
) -> None:
    texts, _ = client.drain(client.open())
    client.push(texts)
    client.push(texts[:501])
    assert verdict_on(client, connector) == 1
    assert verdict_on(client, connector, kills=1) == 1
    assert verdict_on(client, connector, kills=2) == 0


def test_an_altered_event_is_a_failure(client: Client, connector: ConnectorProcess) -> None:
    client.push([*client.drain(client.open())[0], "{}"])
    assert verdict_on(client, connector) == 1


def test_a_query_within_the_minute_is_a_failure(client: Client, connector: ConnectorProcess) -> None:
    client.push(client.drain(client.open())[0])
    client.query()
    assert verdict_on(client, connector) == 1


def test_the_demo_ends_well_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--duration", "3", "--backlog", "700", "--eps", "5", "--fault", "api-extra"]) == 0
    said = capsys.readouterr().out
    assert "everything made was delivered" in said
    assert "lost" in said


def test_the_demo_replays_a_file_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        '{"uuid": "a", "timestamp": 1700000000000, "n": 1.50}\n'
        '{"uuid": "b", "timestamp": 1700100000000, "cut": "\\ud83d"}\n'
    )
    assert main(["--duration", "6", "--events", str(file)]) == 0
    assert "delivered" in capsys.readouterr().out


def test_the_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    assert {"kill ", "late ", "intake ", "api "} <= {
        f"{line.split()[0]} " for line in capsys.readouterr().out.splitlines()
    }


@pytest.mark.parametrize("fault", ["unknown", "kill=often"])
def test_a_fault_that_does_not_exist_is_refused(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--fault", fault])
    assert "fault" in capsys.readouterr().err


def test_the_sandbox_alone_prints_what_a_client_needs_until_it_is_interrupted() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--backlog", "100"],
        cwd=TOP,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and "Interrupt to end." not in lines:
            lines.append(process.stdout.readline().rstrip("\n"))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    exported = {line.removeprefix("export ").partition("=")[0] for line in lines if line.startswith("export ")}
    assert {"MODULE_CONFIGURATION", "CONNECTOR_CONFIGURATION", "TOKEN", "REQUESTS_CA_BUNDLE"} <= exported
