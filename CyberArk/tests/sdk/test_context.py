"""Calls in the background, how long one waits for them, and the time that a stop leaves."""

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from cyberark_modules.clock import Clock
from cyberark_modules.context import STOP_WITHIN_S, Context, Stopping

MODULE = Path(__file__).resolve().parents[2]


class Time(Clock):
    """A clock that is ahead by `seconds`."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def context(stop: threading.Event, clock: Time) -> Context:
    return Context(clock, stop, lambda: None)


def test_a_call_hands_over_its_result_or_its_error(context: Context) -> None:
    assert context.finish(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        context.finish(lambda: 1 // 0)


def test_the_first_one_that_is_done_ends_the_wait_at_once(context: Context) -> None:
    never: Future[int] = Future()
    started = time.monotonic()
    assert context.wait_for([never, context.submit(lambda: time.sleep(0.05))], 5)
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("futures", [[], [Future()]])
def test_a_wait_ends_when_its_time_is_over_or_at_a_stop(
    context: Context, stop: threading.Event, futures: list[Future[int]]
) -> None:
    started = time.monotonic()
    assert not context.wait_for(futures, 0.15)
    assert 0.14 < time.monotonic() - started < 1
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    assert not context.wait_for(futures, 5)
    with pytest.raises(Stopping):
        context.wait(5)
    assert time.monotonic() - started < 1


def test_a_call_that_does_not_end_does_not_hold_the_process() -> None:
    program = (
        "import threading; from cyberark_modules.context import Clock, Context; "
        "Context(Clock(), threading.Event(), print).submit(threading.Event().wait); print('ended')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=MODULE, timeout=20, capture_output=True, check=True, text=True
    )
    assert ended.stdout == "ended\n"


def test_the_time_that_remains_counts_from_the_stop(context: Context, stop: threading.Event, clock: Time) -> None:
    assert math.isinf(context.remaining_s(STOP_WITHIN_S))
    stop.set()
    assert context.remaining_s(STOP_WITHIN_S) == pytest.approx(STOP_WITHIN_S, abs=1)
    clock.seconds += 3
    assert context.remaining_s(STOP_WITHIN_S) == pytest.approx(STOP_WITHIN_S - 3, abs=1)
    clock.seconds += 60
    assert context.remaining_s(STOP_WITHIN_S) == 0


def _own_time_out() -> int:
    raise TimeoutError("its own")


@pytest.mark.parametrize(
    ("call", "left_s", "error"),
    [
        (lambda: time.sleep(0.2), STOP_WITHIN_S, None),
        (threading.Event().wait, 0.1, Stopping),
        (_own_time_out, STOP_WITHIN_S, TimeoutError),
    ],
)
def test_a_call_in_flight_at_a_stop_has_the_time_that_is_left(
    context: Context,
    stop: threading.Event,
    clock: Time,
    call: Callable[[], None],
    left_s: float,
    error: type[Exception] | None,
) -> None:
    stop.set()
    context.remaining_s(STOP_WITHIN_S)
    clock.seconds += STOP_WITHIN_S - left_s
    if error is None:
        context.finish(call)
    else:
        with pytest.raises(error):
            context.finish(call)
