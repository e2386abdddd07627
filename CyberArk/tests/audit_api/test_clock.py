"""Which clock is believed, and how long a failed call waits."""

import time
from contextlib import suppress

import pytest

from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.audit_api.token import read_claims
from cyberark_modules.audit_api.transport import retry_after
from cyberark_modules.clock import TenantClock, http_date
from cyberark_modules.errors import ConfigurationError, CyberArkError, Failure, FailureKind, Service, TransientError
from fakes.http_server import Answer, FakeTenant

from .conftest import Client, MovableClock

DATE, EPOCH_S = "Sun, 06 Nov 1994 08:49:37 GMT", 784111777
LATER = TransientError(Failure(Service.AUDIT, FailureKind.STATUS))
SLOW = ConfigurationError(Failure(Service.IDENTITY, FailureKind.STATUS))


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000", ""])
def test_a_date_without_a_zone_is_utc(zone: str) -> None:
    text = DATE.replace("GMT", zone).strip()
    assert http_date(text) == EPOCH_S
    assert retry_after(text.replace("08:49:37", "08:50:00"), DATE) == 23
    tenant_clock = TenantClock(MovableClock())
    tenant_clock.observe(text)
    assert abs(tenant_clock.now_ms() / 1000 - EPOCH_S) < 2


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503, 302, 204])
@pytest.mark.parametrize("endpoint", ["token", "query", "results"])
def test_the_date_of_an_error_is_not_believed(tenant: FakeTenant, client: Client, endpoint: str, status: int) -> None:
    tenant.script[endpoint] = [Answer(status, headers={"Date": DATE})]
    with suppress(CyberArkError):
        client.call(endpoint)
    assert abs(client.tenant_clock.now_ms() / 1000 - time.time()) < 5


def test_the_date_of_identity_is_believed_until_the_audit_api_has_answered(tenant: FakeTenant, client: Client) -> None:
    def wrong_token(_: object) -> Answer:
        answer = tenant.token_answer(30)
        return Answer(body=answer.body, headers={"Date": DATE})

    tenant.script["token"] = wrong_token
    client.api.authenticate()
    assert abs(client.tenant_clock.now_ms() / 1000 - EPOCH_S) < 5
    client.open()
    client.clock.ahead = 60
    client.api.authenticate()
    assert len(tenant.tokens) == 2
    assert abs(client.tenant_clock.now_ms() / 1000 - time.time() - 60) < 5


def test_the_tenants_time_is_read_off_its_answers_and_carried_on() -> None:
    clock = MovableClock()
    tenant_clock = TenantClock(clock)
    assert abs(tenant_clock.now_ms() / 1000 - clock.wall()) < 1
    assert tenant_clock.skew() == 0
    tenant_clock.observe("not a date")
    assert abs(tenant_clock.now_ms() / 1000 - clock.wall()) < 1
    tenant_clock.observe(DATE)
    clock.ahead = 100
    assert abs(tenant_clock.now_ms() / 1000 - (EPOCH_S + 100)) < 2
    assert tenant_clock.skew() > 900_000_000
    tenant_clock.observe(DATE)
    assert abs(tenant_clock.now_ms() / 1000 - EPOCH_S) < 2


@pytest.mark.parametrize(
    ("wall_ahead", "behind_tenant_s"),
    [(0, 0), (-200, 200), (200, 0), (-890, 890), (-910, 0), (910, 0), (-(10**7), 0)],
    ids=[
        "equal",
        "tenant 200 s ahead",
        "machine ahead",
        "just comparable",
        "machine far behind",
        "far ahead",
        "unset",
    ],
)
def test_a_query_was_opened_at_the_earlier_of_two_clocks_that_nearly_agree(
    wall_ahead: float, behind_tenant_s: float
) -> None:
    clock = MovableClock()
    tenant_clock = TenantClock(clock)
    tenant_clock.observe(time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
    clock.wall_ahead = wall_ahead
    opened_s = tenant_clock.opened_ms() / 1000
    assert abs(tenant_clock.now_ms() / 1000 - behind_tenant_s - opened_s) < 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12),
        (" 12 ", 12),
        ("1.5", None),
        ("soon", None),
        ("-3", None),
        ("Sun, 06 Nov 1994 08:50:00 GMT", 23),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_by_the_services_clock(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, DATE) == seconds


def test_pauses_grow_and_stay_bounded() -> None:
    pauses = [Backoff().pause(LATER, failures) for failures in range(1, 12)]
    assert all(0.75 <= pause <= 60 for pause in pauses)
    assert pauses[0] <= 1
    assert pauses[-1] >= 45
    assert Backoff().pause(LATER, 10_000) <= 60


def test_a_wrong_credential_is_tried_fewer_than_fifteen_times_an_hour() -> None:
    elapsed, tries = 0.0, 1
    while elapsed < 3600:
        elapsed += Backoff().pause(SLOW, tries)
        tries += 1
    assert tries < 15


@pytest.mark.parametrize(("asked", "least", "most"), [(30, 30, 30), (0, 0.75, 1), (86_400, 900, 900)])
def test_what_the_service_asks_for_is_honoured_within_reason(asked: float, least: float, most: float) -> None:
    error = TransientError(Failure(Service.AUDIT, FailureKind.STATUS), asked)
    assert least <= Backoff().pause(error, 1) <= most


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.b.c", "a.bnVsbA.c", "a.é.c"])
def test_what_is_no_jwt_has_no_claims(token: str) -> None:
    assert read_claims(token) is None
