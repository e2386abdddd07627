"""Which clock is believed, and how long a failed call waits."""

import pytest

from cyberark_modules.clock import Clock, http_date
from cyberark_modules.errors import Backoff, ConfigurationError, Failure, FailureKind, Service, TransientError

DATE, EPOCH_S = "Sun, 06 Nov 1994 08:49:37 GMT", 784111777
LATER = TransientError(Failure(Service.AUDIT, FailureKind.STATUS))
SLOW = ConfigurationError(Failure(Service.IDENTITY, FailureKind.STATUS))


class FixedClock(Clock):
    """A machine whose wall clock is right by the dates of these tests, but for `wall_ahead` (s)."""

    ahead = wall_ahead = 0.0

    def wall(self) -> float:
        return EPOCH_S + self.ahead + self.wall_ahead

    def monotonic(self) -> float:
        return 1000 + self.ahead


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000", ""])
def test_a_date_without_a_zone_is_utc(zone: str) -> None:
    assert http_date(DATE.replace("GMT", zone).strip()) == EPOCH_S


@pytest.mark.parametrize("header", [None, "", "soon", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_without_a_date_the_services_time_is_this_machines(clock: FixedClock, header: str | None) -> None:
    clock.observe(header, is_audit=True)
    clock.wall_ahead = 3600
    assert clock.now_ms() == clock.earlier_ms() == (EPOCH_S + 3600) * 1000


@pytest.mark.parametrize(("wall_ahead", "earlier", "later"), [(0, 0, 0), (7200, 0, 7200), (-7200, -7200, 0)])
def test_of_two_clocks_the_earlier_and_the_later_are_given(
    clock: FixedClock, wall_ahead: int, earlier: int, later: int
) -> None:
    clock.observe(DATE, is_audit=True)
    clock.wall_ahead = wall_ahead
    assert clock.now_ms() == EPOCH_S * 1000
    assert clock.earlier_ms() == (EPOCH_S + earlier) * 1000
    assert clock.later_ms() == (EPOCH_S + later) * 1000


def test_the_time_is_carried_on_and_corrected(clock: FixedClock) -> None:
    clock.observe(DATE, is_audit=True)
    clock.ahead = 100
    assert clock.now_ms() == (EPOCH_S + 100) * 1000
    clock.observe(DATE, is_audit=True)
    assert clock.now_ms() == EPOCH_S * 1000


def test_identitys_date_counts_until_the_audit_api_has_given_its_own(clock: FixedClock) -> None:
    later = DATE.replace("08:49", "09:49")
    clock.observe(later, is_audit=False)
    assert clock.now_ms() == (EPOCH_S + 3600) * 1000
    for is_audit in (True, False):
        clock.observe(DATE if is_audit else later, is_audit)
        assert clock.now_ms() == EPOCH_S * 1000


def test_pauses_double_up_to_the_longest_and_up_to_a_quarter_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: 10 * least + most)
    for error, pauses in ((LATER, [1, 2, 4, 8, 16, 32, 60, 60]), (SLOW, [60, 120, 240, 480, 600, 600])):
        assert [Backoff().pause(error, failures) / 8.5 for failures in range(1, len(pauses) + 1)] == pauses
    assert Backoff().pause(LATER, 10_000) / 8.5 == 60


def test_a_wrong_credential_is_tried_fewer_than_fifteen_times_an_hour() -> None:
    elapsed, tries = 0.0, 1
    while elapsed < 3600:
        elapsed += Backoff().pause(SLOW, tries)
        tries += 1
    assert tries < 15


@pytest.mark.parametrize(("asked", "least", "most"), [(30, 30, 30), (0, 0.75, 1)])
def test_what_the_service_asks_for_is_honoured_within_reason(asked: float, least: float, most: float) -> None:
    error = TransientError(Failure(Service.AUDIT, FailureKind.STATUS), asked)
    assert least <= Backoff().pause(error, 1) <= most
