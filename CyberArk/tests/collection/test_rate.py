"""One object decides about HTTP 429: pages in flight first, then an interval between calls, by AIMD."""

from collections.abc import Callable
from typing import Any

import pytest

from cyberark_modules.collection.rate import RateLimiter
from cyberark_modules.errors import Failure, FailureKind, Service, Throttled
from fakes.virtual_time import VirtualTime

Step = tuple[Any, ...]
REFUSED = ("refused", 0)
HALVED = (("accepted", 10), ("refused", 1))
EACH_TRY_REFUSED = [
    step for count in (10, 20, 40, 80, 160, 320, 320) for step in (("accepted", count), ("refused", 1))
]


class Played(RateLimiter):
    """Steps: N accepted pages, a second apart; a refusal with N others in flight (s after it, Retry-After); a wait; a
    pause.
    """

    def __init__(self, *steps: Step) -> None:
        self.time = VirtualTime()
        super().__init__(self.time.monotonic)
        for what, *values in steps:
            take: dict[str, Callable[..., None]] = {
                "accepted": self._accept,
                "refused": self._refuse,
                "wait": self.time.pass_s,
                "pause": self.pause,
            }
            take[what](*values)

    def _accept(self, count: int) -> None:
        for _ in range(count):
            self.time.pass_s(1.0)
            self.called()
            self.accepted(self.time.monotonic())

    def _refuse(self, in_flight: int, apart_s: float = 0.0, retry_after: float | None = None) -> None:
        self.time.pass_s(apart_s)
        self.called()
        error = Throttled(Failure(Service.AUDIT, FailureKind.STATUS, status=429), retry_after)
        self.refused(error, in_flight, self.time.monotonic())


@pytest.mark.parametrize(
    ("steps", "at_once"),
    [
        ([], 1),
        ([("accepted", 9)], 1),
        ([("accepted", 10)], 2),
        ([("accepted", 500)], 5),
        ([("accepted", 20), ("refused", 2)], 1),
        ([("accepted", 40), ("refused", 4)], 2),
        # A try that was refused is repeated after twice as many, up to 320; one that was accepted starts at ten again.
        ([*HALVED, ("accepted", 19)], 1),
        ([*HALVED, ("accepted", 20)], 2),
        ([*EACH_TRY_REFUSED, ("accepted", 319)], 1),
        ([*EACH_TRY_REFUSED, ("accepted", 320)], 2),
        ([*HALVED, ("accepted", 23)], 3),
        ([*HALVED, ("wait", 600.0), ("accepted", 29)], 2),
    ],
)
def test_one_more_page_in_flight_after_ten_and_half_after_a_refusal(steps: list[Step], at_once: int) -> None:
    limiter = Played(*steps)
    assert (limiter.at_once, limiter.interval_s) == (at_once, 0.0)


@pytest.mark.parametrize(
    ("steps", "interval_s"),
    [
        ([REFUSED], 0.95),
        ([REFUSED] * 3, 15.2),
        ([REFUSED] * 9, 61.0),
        # Halved after ten accepted calls, then after three more each, until it is not worth one.
        ([REFUSED] * 2 + [("accepted", 9)], 3.8),
        ([REFUSED] * 2 + [("accepted", 10)], 1.9),
        ([REFUSED] * 2 + [("accepted", 13)], 0.95),
        ([REFUSED] * 2 + [("accepted", 16)], 0.0),
        # Where calls as far apart were accepted, the interval is not the cause.
        ([("accepted", 5), ("refused", 0, 1.0)], 0.0),
        ([("accepted", 5), ("refused", 0, 0.9)], 0.95),
        ([("accepted", 5), ("refused", 1, 1.0)], 0.95),
        ([("accepted", 1), ("refused", 0, 5.0)], 0.95),  # nothing is known yet
        ([("accepted", 5), *[("refused", 0, 1.0)] * 10], 0.95),
        ([("accepted", 5), *[("refused", 0, 1.0), ("accepted", 1)] * 10], 0.0),
    ],
)
def test_with_one_page_in_flight_a_refusal_makes_the_interval_four_times_as_long(
    steps: list[Step], interval_s: float
) -> None:
    limiter = Played(*steps)
    assert limiter.interval_s == pytest.approx(interval_s)
    assert limiter.is_throttled


@pytest.mark.parametrize(
    ("steps", "wait_s", "is_throttled"),
    [
        ([REFUSED, ("wait", 0.5)], 0.45, True),
        ([("pause", 20.0), ("pause", 5.0), ("wait", 5.0)], 15.0, False),
        ([("refused", 0, 0.0, 30.0)], 30.0, True),
        # It is throttled for ten minutes, and while calls are kept apart.
        ([*HALVED, ("wait", 599.0)], 0.0, True),
        ([*HALVED, ("wait", 600.0)], 0.0, False),
        ([REFUSED, ("wait", 900.0)], 0.0, True),
    ],
)
def test_calls_wait_for_the_interval_and_for_retry_after(steps: list[Step], wait_s: float, is_throttled: bool) -> None:
    limiter = Played(*steps)
    assert limiter.wait_s() == pytest.approx(wait_s)
    assert limiter.is_throttled is is_throttled
