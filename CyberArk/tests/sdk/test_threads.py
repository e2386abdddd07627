"""Calls in threads, and how long one waits for them."""

import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from cyberark_modules.clock import Clock
from cyberark_modules.sdk.stop import Threads

MODULE = Path(__file__).resolve().parents[2]


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def threads(stop: threading.Event) -> Threads:
    return Threads(stop, Clock())


def test_a_call_hands_over_its_result_or_its_error(threads: Threads) -> None:
    future = threads.submit(lambda: 1 + 1)
    assert threads.wait([future], 5)
    assert future.result() == 2
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 1, 0).result(5)


def test_the_first_one_that_is_done_ends_the_wait_at_once(threads: Threads) -> None:
    never: Future[int] = Future()
    started = time.monotonic()
    assert threads.wait([never, threads.submit(lambda: time.sleep(0.05))], 5)
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("futures", [[], [Future()]])
def test_a_wait_ends_when_its_time_is_over_or_at_a_stop(
    threads: Threads, stop: threading.Event, futures: list[Future[int]]
) -> None:
    started = time.monotonic()
    assert not threads.wait(futures, 0.15)
    assert 0.14 < time.monotonic() - started < 1
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    assert not threads.wait(futures, 5)
    assert time.monotonic() - started < 1


def test_a_call_that_does_not_end_does_not_hold_the_process() -> None:
    program = (
        "import threading; from cyberark_modules.sdk.stop import Clock, Threads; "
        "Threads(threading.Event(), Clock()).submit(threading.Event().wait); print('ended')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=MODULE, timeout=20, capture_output=True, check=True, text=True
    )
    assert ended.stdout == "ended\n"
