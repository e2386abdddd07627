"""A signal ends a real process within ten seconds, whatever hangs, and what is accepted meanwhile is known."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from sdk.scene import PlainConnector, Platform

TESTS = Path(__file__).resolve().parents[1]
PROCESS = textwrap.dedent("""
    import ctypes, sys
    from pathlib import Path
    from cyberark_modules.events import Event
    from cyberark_modules import context
    from cyberark_modules.context import Stopping
    from cyberark_modules.sdk import process
    from sdk.scene import PlainConnector
    from sekoia_automation.module import Module

    busy, stop_within, exit_within = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    context.STOP_WITHIN_S, process.EXIT_WITHIN_S = stop_within, exit_within

    class Connector(PlainConnector):
        def run(self):
            intake = self.make_intake()
            print("running", flush=True)
            if busy == "C":  # no handler of a signal runs in a call like that, and nothing interrupts it
                mutex = ctypes.create_string_buffer(64)
                for _ in range(2):
                    ctypes.CDLL(None).pthread_mutex_lock(mutex)
            if busy == "lock":
                with self._log_lock:
                    self.context.submit(input).result()
            try:
                push = self.context.finish(lambda: intake.push([Event("text", b"k", None, None)]))
                print(f"accepted {push.accepted}", flush=True)
            except Stopping:
                print("unknown", flush=True)
            self.log("Stopped", level="error")

    connector = Connector(Module(), Path())
    try:
        connector.start_monitoring()
        connector.execute()
    finally:
        connector.stop_monitoring()
    """)


def ended(
    platform: Platform, folder: Path, busy: str = "", number: int = signal.SIGTERM, within: float = 0.7
) -> tuple[str, float]:
    """Send a process this signal once it runs; return what it says until it has ended, and how long that takes."""
    environment = {**os.environ, **platform.variables(), "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, busy, str(within - 0.4), str(within)],
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        if busy == "secrets":
            while not platform.asked:
                time.sleep(0.01)
        else:
            assert process.stdout.readline() == "running\n"
            while not busy and "/batch" not in platform.asked:
                time.sleep(0.01)
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == 0
        took = time.monotonic() - started
        platform.release.set()
        return process.stdout.read(), took


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_accepted_in_time_after_a_signal_is_known(platform: Platform, tmp_path: Path, number: int) -> None:
    platform.hanging.add("/batch")
    platform.hangs_s = 0.4
    said, took = ended(platform, tmp_path, number=number, within=9.5)
    assert "accepted 1\n" in said
    assert "exiting now" not in said
    assert took < 5
    assert [line["message"] for line in platform.lines] == ["Stopped"]


def test_what_is_not_answered_in_time_is_unknown_and_holds_nothing(platform: Platform, tmp_path: Path) -> None:
    platform.hanging.update(("/batch", "/logs"))
    said, took = ended(platform, tmp_path, within=1.5)
    assert "unknown\n" in said
    assert took < 2.5


@pytest.mark.parametrize("busy", ["C", "lock"])
def test_a_process_that_hangs_is_ended(platform: Platform, tmp_path: Path, busy: str) -> None:
    said, took = ended(platform, tmp_path, busy)
    assert "Shutdown took longer than 0.7 s; exiting now." in said
    assert took < 2


def test_secrets_that_do_not_come_do_not_hold_a_stop(platform: Platform, tmp_path: Path) -> None:
    platform.hanging.add("/secrets")
    said, took = ended(platform, tmp_path, "secrets", within=9.5)
    assert "exiting now" not in said
    assert took < 2


def test_a_stop_from_within_waits_for_nothing(connector: PlainConnector) -> None:
    release = threading.Event()
    connector._executor.submit(release.wait)
    started = time.monotonic()
    connector.stop()
    assert time.monotonic() - started < 0.5
    assert not connector.running
    release.set()
