"""A signal ends the connector within the time that the platform gives, and what was accepted meanwhile is known."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from cyberark_modules.platform.connector import PlatformConnector
from cyberark_modules.platform.stop import STOP_WITHIN_S, Stop, Stopping
from fakes.connector import Time, connector_to
from fakes.intake_server import IntakeServer

TESTS = Path(__file__).resolve().parents[1]
CONNECTOR = textwrap.dedent("""
    import sys
    from pathlib import Path
    from cyberark_modules.platform import stop
    from cyberark_modules.platform.stop import Stopping
    from fakes.connector import connector_to, events

    address, folder, stop_within, exit_within, hangs = sys.argv[1:]
    stop.STOP_WITHIN_S, stop.EXIT_WITHIN_S = float(stop_within), float(exit_within)
    with connector_to(address, Path(folder)) as connector:
        push = connector.background.submit(lambda: connector.intake.push(events(3)))
        print("pushing", flush=True)
        connector.background.wait([push], 60)
        try:
            print(f"accepted {len(connector.stopping.result(push).accepted)}", flush=True)
        except Stopping:
            print("unknown", flush=True)
        if hangs == "yes":
            with connector._log_lock:
                connector.background.submit(input).result()
    """)


def ended(server: IntakeServer, folder: Path, number: int, limits: tuple[float, float], hangs: bool = False) -> str:
    """Send a connector that is pushing this signal; return what it says until it has ended, in time."""
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    arguments = [server.url, str(folder), *map(str, limits), "yes" if hangs else "no"]
    with subprocess.Popen(
        [sys.executable, "-c", CONNECTOR, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "pushing\n"
        while not server.requests:
            time.sleep(0.005)
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert time.monotonic() - started < limits[1] + 1
        return process.stdout.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_accepted_in_time_after_a_signal_is_known(tmp_path: Path, number: int) -> None:
    def slow(_texts: list[str], _size: int) -> None:
        time.sleep(0.2)

    with IntakeServer(slow) as server:
        assert ended(server, tmp_path, number, (8, 9.5)) == "accepted 3\n"
        assert sum(server.accepted.values()) == 3


def test_what_is_not_answered_in_time_is_unknown_and_holds_nothing(tmp_path: Path) -> None:
    release = threading.Event()

    def hanging(_texts: list[str], _size: int) -> None:
        release.wait(20)

    with IntakeServer(hanging) as server:
        said = ended(server, tmp_path, signal.SIGTERM, (0.2, 0.7))
        release.set()
    assert said == "unknown\n"


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    with IntakeServer() as server:
        said = ended(server, tmp_path, signal.SIGTERM, (0.3, 0.6), hangs=True)
    assert "did not end in time" in said


def test_the_time_that_remains_counts_from_the_stop() -> None:
    event, clock = threading.Event(), Time()
    stop = Stop(event, clock)
    assert math.isinf(stop.remaining_s(STOP_WITHIN_S))
    assert not stop.is_asked
    stop.begin()
    event.set()
    clock.now += 3
    stop.begin()
    assert stop.remaining_s(STOP_WITHIN_S) == STOP_WITHIN_S - 3
    clock.now += 60
    assert stop.remaining_s(STOP_WITHIN_S) == 0


def test_a_stop_without_a_signal_counts_from_when_it_is_seen() -> None:
    event, clock = threading.Event(), Time()
    stop = Stop(event, clock)
    event.set()
    assert stop.remaining_s(STOP_WITHIN_S) == STOP_WITHIN_S


def test_the_result_of_a_call_in_flight() -> None:
    event, clock = threading.Event(), Time()
    stop = Stop(event, clock)
    future: Future[int] = Future()
    event.set()
    stop.begin()
    clock.now += STOP_WITHIN_S
    with pytest.raises(Stopping):
        stop.result(future)
    future.set_result(3)
    assert stop.result(future) == 3
    failed: Future[int] = Future()
    failed.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        stop.result(failed)


def test_a_stop_from_within_waits_for_nothing(tmp_path: Path) -> None:
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        release = threading.Event()
        connector._executor.submit(release.wait)
        started = time.monotonic()
        connector.stop()
        assert time.monotonic() - started < 0.5
        assert not connector.running
        release.set()


def test_a_wait_ends_with_the_connector_and_shows_that_it_is_alive(tmp_path: Path) -> None:
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        connector.last_heartbeat_threshold = 900
        connector._beat_at -= 1000
        assert not connector.is_alive()
        connector.wait(0.01)
        assert connector.is_alive()
        threading.Timer(0.05, connector.stop).start()
        started = time.monotonic()
        connector.wait(30)
        assert time.monotonic() - started < 2


def test_monitoring_starts_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyberark_modules.platform.connector.configuration_faults", lambda *_: "")
    monkeypatch.setenv("LIVENESS_PORT", "0")
    monkeypatch.setenv("METRICS_PORT", "0")
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        connector.start_monitoring()
        assert isinstance(connector, PlatformConnector)
        started = time.monotonic()
        connector.stop_monitoring()
        assert time.monotonic() - started < 0.5
