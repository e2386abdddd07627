"""Calls in the background, and how long one waits for them."""

import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import pytest

from cyberark_modules.clock import Clock
from cyberark_modules.platform.background import Background, DaemonExecutor, within

MODULE = Path(__file__).resolve().parents[2]


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def background(stop: threading.Event) -> Background:
    return Background(stop, Clock())


def test_a_call_has_its_result(background: Background) -> None:
    future = background.submit(lambda: 1 + 1)
    assert background.wait([future], 5)
    assert future.result() == 2


def test_a_call_that_fails_hands_its_error_over(background: Background) -> None:
    future = background.submit(lambda: 1 // 0)
    assert background.wait([future], 5)
    with pytest.raises(ZeroDivisionError):
        future.result()


def test_the_first_one_that_is_done_ends_the_wait_at_once(background: Background) -> None:
    never: Future[int] = Future()
    started = time.monotonic()
    assert background.wait([never, background.submit(lambda: time.sleep(0.05))], 5)
    assert time.monotonic() - started < 0.15


@pytest.mark.parametrize("futures", [[], [Future()]])
def test_a_wait_ends_when_its_time_is_over(background: Background, futures: list[Future[int]]) -> None:
    started = time.monotonic()
    assert not background.wait(futures, 0.15)
    assert 0.14 < time.monotonic() - started < 0.5


@pytest.mark.parametrize("futures", [[], [Future()]])
def test_a_wait_ends_when_the_connector_is_to_stop(
    background: Background, stop: threading.Event, futures: list[Future[int]]
) -> None:
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    assert not background.wait(futures, 5)
    assert time.monotonic() - started < 0.5


def test_within_gives_up_in_time() -> None:
    assert within(1, lambda: 3, TimeoutError()) == 3
    with pytest.raises(TimeoutError, match="late"):
        within(0.05, lambda: time.sleep(0.5), TimeoutError("late"))
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 // 0, TimeoutError())


def test_an_executor_makes_so_many_calls_at_a_time() -> None:
    executor, at_once, most = DaemonExecutor(2), Counter[str](), []

    def call(number: int) -> int:
        at_once["now"] += 1
        most.append(at_once["now"])
        time.sleep(0.02)
        at_once["now"] -= 1
        return number

    futures = [executor.submit(call, number) for number in range(6)]
    assert [future.result(5) for future in futures] == list(range(6))
    assert max(most) == 2


def test_a_call_that_does_not_end_does_not_hold_the_process() -> None:
    program = (
        "import threading; from cyberark_modules.platform.background import DaemonExecutor; "
        "DaemonExecutor(1).submit(threading.Event().wait); print('ended')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=MODULE, timeout=20, capture_output=True, check=True, text=True
    )
    assert ended.stdout == "ended\n"
