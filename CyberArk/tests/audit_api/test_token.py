"""The token: requested once for all, renewed in time, and judged by the API alone."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cyberark_modules.audit_api.token import read_claims
from cyberark_modules.errors import ClientError, ConfigurationError, CyberArkError, FailureKind, TransientError
from fakes.http_server import CLAIMS, Answer, FakeTenant, Received

from .conftest import API_KEY, PASSWORD, Client

PAGE = Answer(body={"data": [{}]})


def test_the_credentials_travel_by_http_basic(tenant: FakeTenant, client: Client) -> None:
    client.api.tokens.token()
    sent = tenant.received["token"][0]
    assert sent.path == "/oauth2/token/R%26D%2050%25"
    assert sent.body == b"grant_type=client_credentials&scope=isp.audit.events%3Aread"
    basic = sent.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic).decode() == f"siem-svc@cyberark.cloud.1:{PASSWORD}"


def test_one_request_serves_all_who_need_a_token_at_once(tenant: FakeTenant, client: Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda _: client.api.tokens.token(), range(8)))
    assert all(token is tokens[0] for token in tokens)
    assert len(tenant.received["token"]) == 1


def test_one_request_fails_for_all_who_need_a_token_at_once(tenant: FakeTenant, client: Client) -> None:
    """A wrong password locks a user out after a few attempts."""
    answered = threading.Event()

    def late(_: Received) -> Answer:
        answered.wait(10)
        return Answer(401, {"error": "access_denied"})

    def ask(_: int) -> bool:
        with pytest.raises(ClientError):
            client.api.tokens.token()
        return True

    tenant.script["token"] = late
    with ThreadPoolExecutor(5) as threads:
        asked = threads.map(ask, range(5))
        threading.Timer(0.2, answered.set).start()
        assert all(asked)
    assert len(tenant.received["token"]) == 1
    assert ask(0)
    assert len(tenant.received["token"]) == 2


@pytest.mark.parametrize("lifetime", [18000, 1799, 30, None, "soon", 0, -1, True, 10**12])
def test_a_token_is_renewed_before_it_expires_whatever_its_lifetime(
    tenant: FakeTenant, client: Client, lifetime: Any
) -> None:
    tenant.script["token"] = lambda _: tenant.token_answer(lifetime)
    used_s = lifetime if lifetime in (18000, 1799, 30) else 900
    first = client.api.tokens.token()
    client.clock.ahead = used_s * 0.85
    assert client.api.tokens.token() is first
    client.clock.ahead = used_s * 0.95
    assert client.api.tokens.token() is not first


def test_an_old_token_that_is_rejected_is_renewed_once_for_all(tenant: FakeTenant, client: Client) -> None:
    together = threading.Barrier(5)
    client.api.tokens.token()
    client.clock.ahead = 61

    def answer(request: Received) -> Answer:
        if request.headers["authorization"].endswith(tenant.tokens[0]):
            together.wait(10)
            return Answer(401)
        return PAGE

    tenant.script["results"] = answer
    with ThreadPoolExecutor(5) as threads:
        assert all(len(one.events) == 1 for one in threads.map(client.api.fetch, "abcde"))
    assert len(tenant.received["token"]) == 2


def rejection(client: Client) -> CyberArkError:
    with pytest.raises(CyberArkError) as raised:
        client.api.fetch("c0")
    return raised.value


def test_a_new_token_is_tried_for_a_minute_before_it_is_diagnosed(tenant: FakeTenant, client: Client) -> None:
    tenant.script["results"] = [Answer(401)]
    for second in (0, 1, 20, 59):
        client.clock.ahead = second
        error = rejection(client)
        assert isinstance(error, TransientError)
        assert error.failure.kind is FailureKind.NEW_TOKEN
    assert len(tenant.received["token"]) == 1
    client.clock.ahead = 61
    error = rejection(client)
    assert isinstance(error, ConfigurationError)
    assert (error.failure.status, error.failure.missing) == (401, ())
    assert len(tenant.received["token"]) == 2  # one a minute at most


def test_a_node_that_does_not_know_the_token_is_no_mistake_while_others_do(tenant: FakeTenant, client: Client) -> None:
    tenant.script["results"] = [Answer(401), PAGE] * 4
    for minute in range(4):
        client.clock.ahead = 50 * minute
        try:
            client.api.fetch("c0")
        except TransientError:
            client.api.fetch("c0")


@pytest.mark.parametrize("lacking", [("aud", "tenant_id"), ("scope",), ("jwt",)])
def test_a_token_is_judged_by_the_api_and_a_rejection_tells_what_it_lacks(
    tenant: FakeTenant, client: Client, lacking: tuple[str, ...]
) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name not in lacking}
    opaque = Answer(body={"access_token": "opaque"})
    tenant.script["token"] = [opaque] if lacking == ("jwt",) else lambda _: tenant.token_answer(claims=claims)
    tenant.script["results"] = [PAGE, Answer(401)]
    assert client.api.fetch("c0").events
    rejection(client)
    client.clock.ahead = 61
    assert set(rejection(client).failure.missing) == set(lacking)


@pytest.mark.parametrize("scp", [{"scp": ["isp.audit.events:read"]}, {"scope": "a isp.audit.events:read"}])
def test_both_forms_of_a_scope_and_of_an_audience_are_known(tenant: FakeTenant, client: Client, scp: Any) -> None:
    claims = {"aud": ["other", "cyberark.isp.audit"], "tenant_id": 5, **scp}
    tenant.script["token"] = lambda _: tenant.token_answer(claims=claims)
    token = client.api.tokens.token()
    assert (token.missing(), token.tenant_id) == ((), "5")


def test_without_a_password_nobody_is_asked(tenant: FakeTenant) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Client(tenant, password="").api.tokens.token()
    assert raised.value.failure.kind is FailureKind.NO_PASSWORD
    assert not tenant.received["token"]


def test_a_login_name_without_its_suffix_is_told(tenant: FakeTenant) -> None:
    tenant.script["token"] = [Answer(401, {"error": "access_denied"})]
    with pytest.raises(ClientError) as raised:
        Client(tenant, login_name="siem-svc").api.tokens.token()
    assert raised.value.failure.missing == ("suffix",)


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.b.c", "a.bnVsbA.c", "a.é.c", "a." + "W1tb" * 9000 + ".c"])
def test_what_is_no_jwt_has_no_claims(token: str) -> None:
    assert read_claims(token) is None


def test_nothing_that_is_shown_holds_a_secret(tenant: FakeTenant, client: Client) -> None:
    client.api.fetch(client.open())
    shown = "".join(repr(vars(thing)) for thing in (client.api, client.api.tokens, client.api.tokens.token()))
    assert not any(secret in shown for secret in (PASSWORD, API_KEY, *tenant.tokens))
    assert CLAIMS["tenant_id"] not in repr(client.api.tokens.token())
