"""How fast the Audit API is called: found out from what it refuses."""

import pytest

from cyberark_modules.collection.rate_limiter import (
    AT_ONCE,
    LONGEST_INTERVAL_S,
    NOT_THROTTLED_AFTER_S,
    PROBE_AFTER,
    PROBE_AGAIN_AFTER,
    REFUSED_MORE_OFTEN,
    SHORTEST_INTERVAL_S,
    RateLimiter,
)
from fakes.connector import Time


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def limiter(time: Time) -> RateLimiter:
    return RateLimiter(time)


def test_nothing_slows_calls_down_until_one_is_refused(limiter: RateLimiter) -> None:
    limiter.called()
    assert (limiter.wait_s(), limiter.at_once, limiter.is_throttled) == (0, AT_ONCE, False)


def test_a_refusal_first_takes_pages_in_flight_away_then_spaces_calls(limiter: RateLimiter) -> None:
    seen = []
    for in_flight in (6, 3, 1, 0, 0, 0):
        limiter.refused(in_flight)
        seen.append((limiter.at_once, limiter.interval_s))
    assert seen == [(3, 0), (1, 0), (1, 0.95), (1, 1.9), (1, 3.8), (1, 7.6)]


def test_fewer_in_flight_than_allowed_count_as_they_are(limiter: RateLimiter) -> None:
    limiter.refused(3)
    assert limiter.at_once == 2


def test_the_interval_has_a_cap(limiter: RateLimiter) -> None:
    for _ in range(50):
        limiter.refused(0)
    assert limiter.interval_s == LONGEST_INTERVAL_S
    limiter.called()
    assert limiter.wait_s() == LONGEST_INTERVAL_S


def test_calls_are_kept_apart_by_the_interval(limiter: RateLimiter, time: Time) -> None:
    limiter.refused(0)
    limiter.called()
    time.now += 0.5
    assert limiter.wait_s() == pytest.approx(SHORTEST_INTERVAL_S - 0.5)
    time.now += 0.5
    assert limiter.wait_s() == 0


def test_after_enough_accepted_calls_more_is_tried_and_sooner_again(limiter: RateLimiter) -> None:
    for _ in range(3):
        limiter.refused(0)
    assert limiter.interval_s == pytest.approx(3.8)
    seen = []
    for _ in range(PROBE_AFTER + 3 * PROBE_AGAIN_AFTER):
        limiter.accepted()
        seen.append((limiter.interval_s, limiter.at_once))
    assert seen[PROBE_AFTER - 2 : PROBE_AFTER] == [(3.8, 1), (1.9, 1)]
    assert [seen[number] for number in range(PROBE_AFTER + 2, PROBE_AFTER + 9, PROBE_AGAIN_AFTER)] == [
        (0.95, 1),
        (0, 1),
        (0, 2),
    ]


def test_a_refused_probe_is_followed_by_a_long_row_of_accepted_calls(limiter: RateLimiter) -> None:
    limiter.refused(0)
    limiter.refused(0)
    for _ in range(PROBE_AFTER):
        limiter.accepted()
    limiter.refused(0)
    # Twice as many after each probe that is refused, so that probes cost less and less.
    for _ in range(2 * PROBE_AFTER - 1):
        limiter.accepted()
    assert limiter.interval_s == pytest.approx(1.9)
    limiter.accepted()
    assert limiter.interval_s == pytest.approx(0.95)


def test_it_is_over_when_nothing_was_refused_for_a_while(limiter: RateLimiter, time: Time) -> None:
    limiter.refused(6)
    throttled = []
    for seconds in (NOT_THROTTLED_AFTER_S - 1, 1):
        time.now += seconds
        throttled.append(limiter.is_throttled)
    assert throttled == [True, False]
    limiter.refused(0)
    time.now += NOT_THROTTLED_AFTER_S
    assert limiter.is_throttled  # calls are still kept apart


@pytest.mark.parametrize("limit_s", [2.0, 10.0, 60.0])
def test_it_settles_near_the_limit_of_the_api(limiter: RateLimiter, time: Time, limit_s: float) -> None:
    accepted = refused = 0
    accepted_at, end = float("-inf"), time.now + 7200
    while time.now < end:
        time.now += limiter.wait_s()
        limiter.called()
        if time.now - accepted_at >= limit_s:
            accepted, accepted_at = accepted + 1, time.now
            limiter.accepted()
        else:
            refused += 1
            limiter.refused(0)
        time.now += 0.1
    assert accepted >= 0.45 * 7200 / max(limit_s, SHORTEST_INTERVAL_S)
    assert refused <= accepted / 5


def test_a_limit_that_has_ended_is_found_out(limiter: RateLimiter, time: Time) -> None:
    for _ in range(10):
        limiter.refused(0)
    started = time.now
    while limiter.interval_s or limiter.at_once < AT_ONCE:
        time.now += limiter.wait_s()
        limiter.called()
        limiter.accepted()
    assert time.now - started < 3600


def test_refusals_at_a_distance_at_which_calls_were_accepted_change_nothing(limiter: RateLimiter) -> None:
    limiter.refused(0)
    limiter.accepted(3.0)
    limiter.accepted(0.5)
    interval_s = limiter.interval_s
    for _ in range(REFUSED_MORE_OFTEN - 1):
        limiter.refused(0, apart_s=0.6)
    assert limiter.interval_s == interval_s
    # So many in a row are no accident: the limit has changed.
    limiter.refused(0, apart_s=9.0)
    assert limiter.interval_s > interval_s


def test_refusals_that_outnumber_accepted_calls_are_for_the_interval(limiter: RateLimiter) -> None:
    limiter.refused(0)
    limiter.accepted(3.0)
    limiter.accepted(2.0)
    interval_s = limiter.interval_s
    for _ in range(3 * REFUSED_MORE_OFTEN):
        limiter.refused(0, apart_s=4.0)
        limiter.refused(0, apart_s=4.0)
        limiter.accepted(8.0)
    assert limiter.interval_s > 4 * interval_s


def test_what_one_refusal_asks_for_is_waited_for_once(limiter: RateLimiter, time: Time) -> None:
    for _ in range(5):
        time.now += 5
        limiter.accepted(5.0)
    limiter.refused(0, retry_after=60.0)
    assert limiter.interval_s == SHORTEST_INTERVAL_S
    time.now += 60
    limiter.accepted(60.0)
    limiter.refused(0, retry_after=60.0)
    assert limiter.interval_s == pytest.approx(60.0)


def test_an_outage_that_asks_to_wait_tells_no_interval(limiter: RateLimiter, time: Time) -> None:
    limiter.accepted(5.0)
    for _ in range(4):
        time.now += 7
        limiter.refused(0, retry_after=7.0)
    assert limiter.interval_s < 10


def test_a_refusal_sooner_than_any_call_was_accepted_spaces_calls(limiter: RateLimiter) -> None:
    limiter.refused(0)
    limiter.accepted(60.0)
    limiter.refused(0, apart_s=30.0)
    assert limiter.interval_s == 2 * SHORTEST_INTERVAL_S
