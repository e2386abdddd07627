"""The client against real servers over TLS: tokens, pages, and every way to fail."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.audit_api.client import AuditApi
from cyberark_modules.audit_api.token import TokenSource, read_claims
from cyberark_modules.audit_api.transport import Transport, retry_after
from cyberark_modules.clock import Clock, TenantClock
from cyberark_modules.errors import (
    ConfigurationError,
    CursorExpired,
    CyberArkError,
    Failure,
    FailureKind,
    Service,
    Throttled,
    TransientError,
)
from sandbox.faults.fault import Fault
from sandbox.server.http import Request, Response
from sandbox.server.server import Sandbox, free_port


class MovableClock(Clock):
    def __init__(self) -> None:
        self.ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Client:
    """The client as the connector builds it, with what a test wants to see of it."""

    def __init__(self, sandbox: Sandbox, **changed: str) -> None:
        self.clock = MovableClock()
        self.tenant_clock = TenantClock(self.clock)
        self.transport = Transport(self.tenant_clock, "1.2.3")
        identity = sandbox.tenant.identity_settings
        self.tokens = TokenSource(
            self.transport,
            changed.get("auth_base_url", sandbox.identity_url),
            changed.get("application_id", identity.application_id),
            changed.get("login_name", identity.login_name),
            SecretStr(changed.get("password", identity.password)),
            self.clock.monotonic,
        )
        self.api = AuditApi(
            self.transport,
            self.tokens,
            changed.get("api_base_url", sandbox.audit_url),
            SecretStr(changed.get("api_key", sandbox.tenant.settings.api_key)),
        )

    def open(self, **filters: list[str]) -> str:
        return self.api.open_query(0, None, 500, filters)


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def requests_of(sandbox: Sandbox, endpoint: str) -> list[Request]:
    return [exchange.request for exchange in sandbox.ledger.journal if exchange.endpoint == endpoint]


class Answers(Fault):
    """Answers an endpoint in the service's place."""

    def __init__(self, endpoint: str, answer: Callable[[Request], Response | None]) -> None:
        self._endpoint = endpoint
        self._answer = answer

    def before(self, endpoint: str, request: Request) -> Response | None:
        return self._answer(request) if endpoint == self._endpoint else None


def test_events_are_read_page_by_page(sandbox: Sandbox, client: Client) -> None:
    sandbox.tenant.add_backlog(1200, 1000.0)
    cursor, pages = client.open(), []
    while (page := client.api.fetch(cursor)).events:
        pages.append(len(page.events))
        assert page.cursor is not None
        cursor = page.cursor
    assert pages == [500, 500, 200]


def test_filters_and_page_size_reach_the_api(sandbox: Sandbox, client: Client) -> None:
    sandbox.tenant.add_backlog(600, 1000.0)
    page = client.api.fetch(client.api.open_query(0, None, 100, {"applicationCode": ["PAM"], "action": []}))
    assert 0 < len(page.events) <= 100
    assert all('"applicationCode":"PAM"' in event.text.replace(": ", ":") for event in page.events)


def test_the_integration_says_who_it_is(sandbox: Sandbox, client: Client) -> None:
    client.open()
    headers = requests_of(sandbox, "query")[0].headers
    assert headers["user-agent"] == "sekoiaio-connector/cyberark-1.2.3"
    assert headers["x-cybr-telemetry"] == "aW49U2Vrb2lhIEN5YmVyQXJrIEF1ZGl0Jml0PVNJRU0maXY9MS4yLjMmdm49U2Vrb2lhLmlv"


def test_one_token_serves_all_who_need_it_at_once(sandbox: Sandbox, client: Client) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        return client.tokens.token().value.get_secret_value()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    assert len(requests_of(sandbox, "token")) == 1


@pytest.mark.parametrize("lifetime", [18000, 1799, 30])
def test_a_token_is_renewed_before_it_expires(sandbox: Sandbox, client: Client, lifetime: float) -> None:
    sandbox.tenant.identity_settings.token_lifetime = lifetime
    first = client.tokens.token()
    client.clock.ahead = lifetime * 0.85
    assert client.tokens.token() is first
    client.clock.ahead = lifetime - 2
    assert client.tokens.token() is not first


def test_a_revoked_token_is_renewed_once_and_the_call_made_again(sandbox: Sandbox, client: Client) -> None:
    sandbox.tenant.add_backlog(10, 100.0)
    cursor = client.open()
    sandbox.tenant.revoke_tokens()
    assert len(client.api.fetch(cursor).events) == 10
    assert len(requests_of(sandbox, "token")) == 2


def test_a_token_refused_twice_tells_what_it_lacks(sandbox: Sandbox, client: Client) -> None:
    sandbox.tenant.identity_settings.claims = {"scope"}
    with pytest.raises(ConfigurationError) as raised:
        client.open()
    assert set(raised.value.failure.missing) == {"aud", "tenant_id"}
    assert raised.value.failure.status == 401
    assert len(requests_of(sandbox, "token")) == 2


def test_no_password_asks_nobody(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Client(sandbox, password="").tokens.token()
    assert raised.value.failure.kind is FailureKind.NO_PASSWORD
    assert requests_of(sandbox, "token") == []


@pytest.mark.parametrize("password", ["pässword: 5€", "a:b", " "])
def test_any_password_is_sent_as_it_is(sandbox: Sandbox, password: str) -> None:
    sandbox.tenant.identity_settings.password = password
    assert Client(sandbox, password=password).tokens.token().missing() == ()


def test_a_netrc_entry_does_not_replace_the_credentials(
    sandbox: Sandbox, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert client.open()


@pytest.mark.parametrize("endpoint", ["token", "query", "results"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_credential_along(
    sandbox: Sandbox, client: Client, endpoint: str, status: int
) -> None:
    to = {"Location": f"{sandbox.intake_url}/caught"}
    sandbox.faults.hold(Answers(endpoint, lambda _: Response(status, to)))
    with pytest.raises(ConfigurationError) as raised:
        client.api.fetch("any") if endpoint == "results" else client.open()
    assert raised.value.failure.kind is FailureKind.REDIRECT
    assert requests_of(sandbox, "intake") == []


def test_a_cursor_that_is_refused_asks_for_a_new_query(client: Client) -> None:
    with pytest.raises(CursorExpired):
        client.api.fetch("no cursor")


def test_a_wrong_key_needs_a_person(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Client(sandbox, api_key="other").open()
    assert raised.value.failure.status == 403


def test_a_second_query_within_the_minute_is_throttled(client: Client) -> None:
    client.open()
    with pytest.raises(Throttled) as raised:
        client.open()
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 60


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (Response(500), (FailureKind.STATUS,)),
        (Response(502, {}, b"<html>bad gateway</html>"), (FailureKind.STATUS,)),
        (Response(503, {"Retry-After": "7"}), (FailureKind.STATUS,)),
        (Response(408), (FailureKind.STATUS,)),
        (Response(200, {}, b"<html>maintenance</html>"), (FailureKind.NOT_JSON,)),
        (Response(200, {}, b'{"data": [{"a": 1}'), (FailureKind.SHAPE, FailureKind.NOT_JSON)),
        (Response(200, {}, b'{"data": 5}'), (FailureKind.SHAPE,)),
        (Response(200, {}, b"[]"), (FailureKind.SHAPE,)),
        (Response(200, {}, b""), (FailureKind.NOT_JSON,)),
        (Response(200, {}, b'{"data": []}', ending="reset"), (FailureKind.CONNECTION,)),
        (Response(200, {}, b'{"data": []}', ending="cut"), (FailureKind.CONNECTION,)),
        (Response(200, {}, b'{"data": []}', ending="hang"), (FailureKind.TIMEOUT,)),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize("endpoint", ["results", "query", "token"])
def test_what_time_mends_is_tried_later(
    sandbox: Sandbox, client: Client, endpoint: str, answer: Response, kinds: tuple[FailureKind, ...]
) -> None:
    if answer.ending == "hang":
        client.transport.timeouts = (5.0, 0.5)
    sandbox.faults.hold(Answers(endpoint, lambda _: answer))
    with pytest.raises(TransientError) as raised:
        client.api.fetch("any") if endpoint != "query" else client.open()
    assert raised.value.failure.kind in kinds
    if answer.headers:
        assert raised.value.retry_after == 7


def test_an_untrusted_certificate_is_refused(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(TransientError) as raised:
        client.open()
    assert raised.value.failure.kind is FailureKind.CERTIFICATE_AUTHORITY
    assert requests_of(sandbox, "token") == []


def test_a_closed_port_a_wrong_name_and_a_proxy_are_told_apart(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign_at(url: str) -> FailureKind:
        with pytest.raises(TransientError) as raised:
            Client(sandbox, auth_base_url=url).tokens.token()
        return raised.value.failure.kind

    assert sign_at(f"https://localhost:{free_port()}") is FailureKind.CONNECTION
    assert sign_at("https://nobody.invalid") is FailureKind.NAME
    monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    assert sign_at(sandbox.identity_url) is FailureKind.PROXY


def test_no_error_holds_a_secret(sandbox: Sandbox) -> None:
    secrets = ["s3cret-password", "s3cret-key"]
    client = Client(sandbox, password=secrets[0], api_key=secrets[1])
    with pytest.raises(CyberArkError) as raised:
        client.open()
    error: BaseException | None = raised.value
    while error is not None:
        assert not any(secret in repr(error) + str(error) for secret in secrets)
        error = None if error.__suppress_context__ else error.__cause__ or error.__context__
    assert not any(secret in repr(vars(client.tokens)) + repr(vars(client.api)) for secret in secrets)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12),
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
    assert retry_after(value, "Sun, 06 Nov 1994 08:49:37 GMT") == seconds


LATER = TransientError(Failure(Service.AUDIT, FailureKind.STATUS))
SLOW = ConfigurationError(Failure(Service.IDENTITY, FailureKind.STATUS))


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


def test_another_services_clock_counts_only_until_the_audit_api_has_told_its_own() -> None:
    tenant_clock = TenantClock(MovableClock())
    tenant_clock.observe("Sun, 06 Nov 1994 08:49:37 GMT", is_audit=False)
    assert abs(tenant_clock.now_ms() / 1000 - 784111777) < 2
    tenant_clock.observe("Sun, 06 Nov 1994 08:49:35 GMT")
    assert tenant_clock.now_ms() / 1000 < 784111777
    tenant_clock.observe("Sun, 06 Nov 1994 09:49:37 GMT", is_audit=False)
    assert tenant_clock.now_ms() / 1000 < 784111777


def test_the_tenants_time_is_read_off_its_answers() -> None:
    clock = MovableClock()
    tenant_clock = TenantClock(clock)
    assert abs(tenant_clock.now_ms() / 1000 - clock.wall()) < 1
    tenant_clock.observe("not a date")
    assert abs(tenant_clock.now_ms() / 1000 - clock.wall()) < 1
    tenant_clock.observe("Sun, 06 Nov 1994 08:49:37 GMT")
    clock.ahead = 100
    assert abs(tenant_clock.now_ms() / 1000 - (784111777 + 100)) < 2
    assert tenant_clock.skew() > 900_000_000
    tenant_clock.observe("Sun, 06 Nov 1994 08:49:37 GMT")
    assert abs(tenant_clock.now_ms() / 1000 - 784111777) < 2
