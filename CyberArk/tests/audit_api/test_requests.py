"""What the client sends, and what it makes of each answer."""

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules.errors import (
    ClientError,
    ConfigurationError,
    CursorExpired,
    CyberArkError,
    FailureKind,
    Throttled,
    TransientError,
)
from fakes.http_server import CLAIMS, Answer, FakeTenant, Received

from .conftest import API_KEY, PASSWORD, Client

ENDPOINTS = ["token", "query", "results"]
EMPTY: dict[str, Any] = {"data": []}


def page(*texts: str, cursor: str = "c1") -> Answer:
    body = f'{{"data":[{",".join(texts)}],"paging":{{"cursor":{{"cursorRef":"{cursor}"}}}}}}'
    return Answer(body=body.encode())


def test_a_query_asks_for_everything_since_that_second_oldest_first(tenant: FakeTenant, client: Client) -> None:
    assert client.api.open_query(1_739_269_449_904, None, 500, {"applicationCode": [], "action": ["Add Safe"]}) == "c0"
    assert tenant.received["query"][0].json() == {
        "query": {
            "pageSize": 500,
            "filterModel": {
                "date": {"dateFrom": "2025-02-11T10:24:09.000Z"},
                "action": [{"op": "include", "params": ["Add Safe"]}],
            },
            "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
        }
    }


@pytest.mark.parametrize(("until_ms", "sent"), [(1_739_269_449_001, "10:24:10"), (1_739_269_449_000, "10:24:09")])
def test_the_end_of_a_window_is_rounded_up(tenant: FakeTenant, client: Client, until_ms: int, sent: str) -> None:
    client.api.open_query(0, until_ms, 100, {})
    date = tenant.received["query"][0].json()["query"]["filterModel"]["date"]
    assert date == {"dateFrom": "1970-01-01T00:00:00.000Z", "dateTo": f"2025-02-11T{sent}.000Z"}


def test_each_request_carries_its_credentials_and_says_who_asks(tenant: FakeTenant, client: Client) -> None:
    client.api.fetch(client.open())
    token, results = tenant.received["token"][0], tenant.received["results"][0]
    assert token.path == "/oauth2/token/R%26D%2050%25"
    assert token.body == b"grant_type=client_credentials&scope=isp.audit.events%3Aread"
    basic = token.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic).decode() == f"siem-svc@cyberark.cloud.1:{PASSWORD}"
    assert results.headers["authorization"] == f"Bearer {tenant.tokens[0]}"
    assert results.headers["x-api-key"] == API_KEY
    assert results.headers["content-type"] == "application/json"
    assert results.headers["user-agent"] == "sekoiaio-connector/cyberark-1.2.3"
    telemetry = base64.b64decode(results.headers["x-cybr-telemetry"]).decode()
    assert telemetry == "in=Sekoia CyberArk Audit&it=SIEM&iv=1.2.3&vn=Sekoia.io"
    assert client.observed == [
        ("/oauth2/token", "200"),
        ("/api/audits/stream/createQuery", "200"),
        ("/api/audits/stream/results", "200"),
    ]


@pytest.mark.parametrize("cursor", ['a"b', "\\ud83d cut", "eyJ+/=", '"quoted"', "é"])
def test_a_cursor_goes_back_as_it_came_and_can_be_stored(tenant: FakeTenant, client: Client, cursor: str) -> None:
    as_json = cursor if "\\u" in cursor else cursor.replace('"', '\\"')
    tenant.script["results"] = [page('{"a":1}', cursor=as_json)]
    read = client.api.fetch("c0")
    assert read.cursor is not None
    read.cursor.encode()
    client.api.fetch(read.cursor)
    sent = tenant.received["results"][1].json()["cursorRef"]
    assert sent == cursor.encode("utf-8", "surrogatepass").decode().replace("\\ud83d", "\ud83d")


def test_204_is_a_drained_query(tenant: FakeTenant, client: Client) -> None:
    tenant.script["results"] = [Answer(204)]
    read = client.api.fetch("c0")
    assert (read.events, read.cursor) == ((), None)


def test_pages_are_fetched_side_by_side(tenant: FakeTenant, client: Client) -> None:
    together = threading.Barrier(7)

    def answer(request: Received) -> Answer:
        together.wait(10)
        return page("{}", cursor="after " + request.json()["cursorRef"])

    tenant.script["results"] = answer
    with ThreadPoolExecutor(7) as threads:
        read = list(threads.map(client.api.fetch, map(str, range(7))))
    assert [one.cursor for one in read] == [f"after {number}" for number in range(7)]
    assert len(tenant.received["token"]) == 1


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_cursor_that_is_refused_is_expired(tenant: FakeTenant, client: Client, status: int) -> None:
    tenant.script["results"] = [Answer(status, {"error": "bad"})]
    with pytest.raises(CursorExpired) as raised:
        client.api.fetch("old")
    assert raised.value.failure.status == status


@pytest.mark.parametrize("status", [400, 404, 410, 422, 403])
@pytest.mark.parametrize("endpoint", ["token", "query"])
def test_a_refusal_of_anything_else_is_for_a_person(
    tenant: FakeTenant, client: Client, endpoint: str, status: int
) -> None:
    tenant.script[endpoint] = [Answer(status, {"error": "odd"})]
    with pytest.raises(ClientError) as raised:
        client.open()
    assert raised.value.status == status
    assert raised.value.failure.error == "odd"


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (Answer(500), (FailureKind.STATUS,)),
        (Answer(502, b"<html>bad gateway</html>"), (FailureKind.STATUS,)),
        (Answer(503, headers={"Retry-After": "7"}), (FailureKind.STATUS,)),
        (Answer(408), (FailureKind.STATUS,)),
        (Answer(413), (FailureKind.STATUS,)),
        (Answer(200, b"<html>maintenance</html>"), (FailureKind.NOT_JSON,)),
        (Answer(200, b'{"data": [{"a": 1}'), (FailureKind.SHAPE, FailureKind.NOT_JSON)),
        (Answer(200, {"data": 5}), (FailureKind.SHAPE,)),
        (Answer(200, {"errorMessage": "Task timed out after 30 seconds"}), (FailureKind.SHAPE,)),
        (Answer(200, b"[]"), (FailureKind.SHAPE,)),
        (Answer(200), (FailureKind.NOT_JSON,)),
        (Answer(200, EMPTY, ending="reset"), (FailureKind.CONNECTION,)),
        (Answer(200, EMPTY, ending="cut"), (FailureKind.CONNECTION,)),
        (Answer(200, EMPTY, ending="hang"), (FailureKind.TIMEOUT,)),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_is_transient_is_to_be_retried(
    tenant: FakeTenant, client: Client, endpoint: str, answer: Answer, kinds: tuple[FailureKind, ...]
) -> None:
    if answer.ending == "hang":
        client.transport.timeouts = (5.0, 0.2)
    tenant.script[endpoint] = [answer]
    with pytest.raises(TransientError) as raised:
        client.call(endpoint)
    assert raised.value.failure.kind in kinds
    assert raised.value.retry_after == (7 if answer.headers else None)
    assert not isinstance(raised.value, Throttled)


def test_429_is_throttled_for_as_long_as_the_service_says(tenant: FakeTenant, client: Client) -> None:
    until = {"Retry-After": "Sun, 06 Nov 1994 08:50:00 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    tenant.script["query"] = [Answer(429, headers=until)]
    with pytest.raises(Throttled) as raised:
        client.open()
    assert raised.value.retry_after == 23


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_credential_along(
    tenant: FakeTenant, client: Client, endpoint: str, status: int
) -> None:
    tenant.script[endpoint] = [Answer(status, headers={"Location": f"{tenant.url}/elsewhere"})]
    with pytest.raises(ConfigurationError) as raised:
        client.call(endpoint)
    assert raised.value.failure.kind is FailureKind.REDIRECT
    assert tenant.received["other"] == []


def test_a_certificate_is_verified_before_anything_is_sent(
    tenant: FakeTenant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(TransientError) as raised:
        client.open()
    assert raised.value.failure.kind is FailureKind.CERTIFICATE_AUTHORITY
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tenant.ca_file))
    with pytest.raises(TransientError) as raised:
        Client(tenant, auth_base_url=tenant.url.replace("localhost", "127.0.0.1")).open()
    assert raised.value.failure.kind is FailureKind.CERTIFICATE_HOST
    assert tenant.received["token"] == []


def test_a_closed_port_a_wrong_name_a_proxy_and_a_missing_trust_store_are_told_apart(
    tenant: FakeTenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kind_at(url: str) -> FailureKind:
        with pytest.raises(TransientError) as raised:
            Client(tenant, auth_base_url=url).tokens.token()
        return raised.value.failure.kind

    assert kind_at("https://localhost:9") is FailureKind.CONNECTION
    assert kind_at("https://nobody.invalid") is FailureKind.NAME
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    assert kind_at(tenant.url) is FailureKind.TRUST_STORE
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tenant.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert kind_at(tenant.url) is FailureKind.PROXY


def chain(error: BaseException | None) -> list[BaseException]:
    """The error with all that it hides: `from None` keeps an error out of tracebacks only."""
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


def broken(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    answers: dict[str, Callable[[], Answer]] = {
        "cut token": lambda: Answer(200, b'{"access_token": "s3cret-token'),
        "reset": lambda: Answer(ending="reset"),
        "cut": lambda: Answer(ending="cut"),
        "401": lambda: Answer(401, {"error": "access_denied"}),
        "echo": lambda: Answer(403, {"message": f"Invalid key=value pair in header: {API_KEY}"}),
    }
    if how == "certificate":
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    for endpoint in ENDPOINTS if how in answers else ():
        if endpoint != "token" or how in ("cut token", "reset", "cut", "401"):
            tenant.script[endpoint] = [answers[how]()]


@pytest.mark.parametrize("endpoint", ["query", "results"])
@pytest.mark.parametrize("how", ["cut token", "reset", "cut", "401", "echo", "certificate", "audit reset"])
def test_no_error_holds_a_secret_not_even_in_its_context(
    tenant: FakeTenant, client: Client, monkeypatch: pytest.MonkeyPatch, how: str, endpoint: str
) -> None:
    broken(tenant, monkeypatch, how)
    if how == "audit reset":
        tenant.script[endpoint] = [Answer(ending="reset")]
    with pytest.raises(CyberArkError) as raised:
        client.call(endpoint)
    for error in chain(raised.value):
        assert isinstance(error, CyberArkError), f"{type(error)} may hold the request or its answer"
        assert not any(secret in repr(vars(error)) + str(error) for secret in (PASSWORD, API_KEY, "s3cret"))


def test_nothing_that_is_shown_holds_a_secret(tenant: FakeTenant, client: Client) -> None:
    client.api.fetch(client.open())
    shown = "".join(repr(vars(thing)) for thing in (client.api, client.tokens, client.api.authenticate()))
    assert not any(secret in shown for secret in (PASSWORD, API_KEY, *tenant.tokens))
    assert CLAIMS["tenant_id"] not in repr(client.api.authenticate())


def token_of(client: Client) -> str:
    return client.tokens.token().value.get_secret_value()


def test_one_token_serves_all_who_need_it_at_once(tenant: FakeTenant, client: Client) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        return token_of(client)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    assert len(tenant.received["token"]) == 1


@pytest.mark.parametrize("lifetime", [18000, 1799, 30])
def test_a_token_is_renewed_before_it_expires(tenant: FakeTenant, client: Client, lifetime: float) -> None:
    tenant.script["token"] = lambda _: tenant.token_answer(lifetime)
    first = client.tokens.token()
    client.clock.ahead = lifetime * 0.85
    assert client.tokens.token() is first
    client.clock.ahead = lifetime - 2
    assert client.tokens.token() is not first


@pytest.mark.parametrize("lifetime", [None, "soon", 0, -1, True, 10**12])
def test_a_token_without_a_usable_lifetime_is_renewed_in_time(
    tenant: FakeTenant, client: Client, lifetime: Any
) -> None:
    tenant.script["token"] = lambda _: tenant.token_answer(lifetime)
    first = client.tokens.token()
    client.clock.ahead = 900
    assert client.tokens.token() is not first


def test_a_refused_token_is_renewed_once_for_all_who_were_refused(tenant: FakeTenant, client: Client) -> None:
    together = threading.Barrier(5)

    def answer(request: Received) -> Answer:
        if request.headers["authorization"].endswith(tenant.tokens[0]):
            together.wait(10)
            return Answer(401)
        return page("{}")

    tenant.script["results"] = answer
    with ThreadPoolExecutor(5) as threads:
        assert all(len(one.events) == 1 for one in threads.map(client.api.fetch, "abcde"))
    assert len(tenant.received["token"]) == 2


@pytest.mark.parametrize("lacking", [("aud", "tenant_id"), ("scope",)])
def test_a_token_refused_twice_tells_what_it_lacks(
    tenant: FakeTenant, client: Client, lacking: tuple[str, ...]
) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name not in lacking}
    tenant.script.update(token=lambda _: tenant.token_answer(claims=claims), query=[Answer(401)])
    with pytest.raises(ClientError) as raised:
        client.open()
    assert set(raised.value.failure.missing) == set(lacking)
    assert len(tenant.received["token"]) == 2


def test_no_password_asks_nobody(tenant: FakeTenant) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Client(tenant, password="").tokens.token()
    assert raised.value.failure.kind is FailureKind.NO_PASSWORD
    assert not tenant.received["token"]


def test_a_login_name_without_its_suffix_is_told(tenant: FakeTenant) -> None:
    tenant.script["token"] = [Answer(401, {"error": "access_denied"})]
    with pytest.raises(ClientError) as raised:
        Client(tenant, login_name="siem-svc").tokens.token()
    assert raised.value.failure.missing == ("suffix",)


def test_a_netrc_entry_does_not_replace_the_credentials(
    tenant: FakeTenant, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.open()
    assert "Bearer" in tenant.received["query"][0].headers["authorization"]
