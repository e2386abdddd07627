"""The real connector as a process: what it is started with, how it ends, and what is done to it."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from cyberark_modules.checkpoint.encoding import decode
from cyberark_modules.checkpoint.store import FILE_NAME
from sandbox.demo.chaos import Chaos
from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        sandbox.tenant.add_backlog(200, 600)
        yield sandbox


def wait_until(condition: Callable[[], bool], connector: ConnectorProcess, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "\n".join(connector.lines)
        time.sleep(0.05)


def test_the_connector_delivers_the_backlog_and_can_be_killed_started_and_stopped(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    log = tmp_path / "output.log"
    with ConnectorProcess(sandbox, tmp_path / "state", log_file=log) as connector:
        wait_until(lambda: sandbox.ledger.snapshot().accepted == 200, connector)
        # What is accepted and not stored yet would be sent again.
        wait_until(lambda: _stored(connector.state_dir) == 200, connector)
        assert requests.get(connector.liveness_url, timeout=5).status_code == 200
        assert "symphony_module" in requests.get(connector.metrics_url, timeout=5).text
        connector.kill()
        assert not connector.running
        assert connector.wait() == -signal.SIGKILL
        first_lines = connector.lines_read
        connector.restart()
        wait_until(lambda: bool(connector.lines_since(first_lines)), connector)
        wait_until(lambda: connector.running and _answers(connector.liveness_url), connector)
        assert connector.stop() == 0
    assert list(connector.lines) == log.read_text().splitlines()
    snapshot = sandbox.ledger.snapshot()
    assert (snapshot.accepted, snapshot.duplicates, snapshot.altered, snapshot.queries_too_soon) == (200, 0, 0, 0)


def _stored(folder: Path) -> int:
    """How many events the state knows as delivered."""
    file = folder / FILE_NAME
    return len(decode(file.read_bytes(), int(time.time() * 1000)).seen) if file.exists() else 0


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.exceptions.ConnectionError:
        return False


def test_nothing_of_this_machine_reaches_the_connector_but_its_path(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    connector = ConnectorProcess(sandbox, tmp_path, variables={"EXTRA": "1"}, chunk_size=100)
    assert "HTTPS_PROXY" not in connector.variables
    assert connector.variables["EXTRA"] == "1"
    assert '"chunk_size": 100' in connector.variables["CONNECTOR_CONFIGURATION"]


def test_the_state_cannot_be_written_for_a_while(sandbox: Sandbox, tmp_path: Path) -> None:
    connector = ConnectorProcess(sandbox, tmp_path / "state")
    kept = connector.state_dir / "kept"
    kept.write_text("1")
    with connector.state_unwritable(), pytest.raises(OSError, match="directory"):
        (connector.state_dir / "new").write_text("2")
    assert kept.read_text() == "1"


def test_the_clock_is_moved_only_where_that_was_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="clock_file"):
        ConnectorProcess(sandbox, tmp_path / "a").jump_clock(60)
    clock_file = tmp_path / "clock"
    ConnectorProcess(sandbox, tmp_path / "b", clock_file=clock_file).jump_clock(60)
    assert clock_file.read_text() == "60"


def test_chaos_kills_stops_and_starts_and_leaves_all_as_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    intensities = {"kill": 8.0, "sigterm": 15.0, "state": 20.0, "clock": 3600.0}
    with ConnectorProcess(sandbox, tmp_path / "state", clock_file=tmp_path / "clock") as connector:
        started = time.monotonic()
        hurried = iter(lambda: (time.monotonic() - started) * 10, None)
        chaos = Chaos(connector, intensities, lambda: next(hurried), seed=1)
        seen_blocked = seen_moved = False
        while time.monotonic() - started < 8:
            chaos.advance()
            seen_blocked |= connector.state_dir.is_file()
            seen_moved |= (tmp_path / "clock").exists() and (tmp_path / "clock").read_text() == "3600.0"
            time.sleep(0.05)
        chaos.end()
        assert connector.running
        assert connector.state_dir.is_dir()
        assert (tmp_path / "clock").read_text() == "0.0"
    assert chaos.kills >= 2
    assert chaos.stops >= 1
    assert seen_blocked
    assert seen_moved
