"""One POST over real TLS: what is sent, what each answer becomes, and how long any of it may take."""

import base64
import gzip
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from cyberark_modules import http as http_module
from cyberark_modules.errors import ClientError, CyberArkError, FailureKind, Service, Throttled, TransientError
from cyberark_modules.http import Answer as Usable
from cyberark_modules.http import Http, retry_after
from fakes.http_server import Answer, FakeTenant
from fakes.loopback import LoopbackServer

DATE, EPOCH_S = "Sun, 06 Nov 1994 08:49:37 GMT", 784111777
BOM = b"\xef\xbb\xbf"
SECRETS = ["s3cret-pass", base64.b64encode(b"siem-svc@x:s3cret-pass").decode()]


@pytest.fixture
def http() -> Http:
    return Http("1.2.3")


def post(
    tenant: FakeTenant, http: Http, *script: Answer, deadline_s: float = 5, service: Service = Service.AUDIT
) -> Usable:
    if script:
        tenant.script["other"] = list(script)
    headers = {"Authorization": f"Basic {SECRETS[1]}"}
    return http.post(service, f"{tenant.url}/other", "/other", headers, b"{}", deadline_s)


def failure(tenant: FakeTenant, http: Http, answer: Answer, deadline_s: float = 5) -> CyberArkError:
    with pytest.raises(CyberArkError) as raised:
        post(tenant, http, answer, deadline_s=deadline_s)
    return raised.value


@pytest.mark.parametrize("service", Service)
def test_a_request_says_who_sends_it_and_keeps_its_credentials(
    tenant: FakeTenant, http: Http, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    post(tenant, http, Answer(), service=service)
    headers = tenant.received["other"][0].headers
    assert headers["authorization"] == f"Basic {SECRETS[1]}"
    assert headers["user-agent"] == "sekoiaio-connector/cyberark-1.2.3"
    telemetry = base64.b64decode(headers.get("x-cybr-telemetry", "")).decode()
    expected = "" if service is Service.INTAKE else "in=Sekoia CyberArk Audit&it=SIEM&iv=1.2.3&vn=Sekoia.io"
    assert telemetry == expected


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"a": 1}),
        Answer(200, BOM + b'{"a": 1}'),
        Answer(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"}),
        Answer(200, b'{"a": 1}', ending="trickle"),
    ],
    ids=["plain", "byte order mark", "gzip", "slow"],
)
def test_an_answer_in_json_is_read_however_it_comes(tenant: FakeTenant, http: Http, answer: Answer) -> None:
    seen = post(tenant, http, answer)
    assert seen.json() == {"a": 1}
    assert seen.headers["content-length"] == seen.headers["Content-Length"]


@pytest.mark.parametrize(
    ("answer", "error", "kind"),
    [
        (Answer(500), TransientError, FailureKind.STATUS),
        (Answer(503), TransientError, FailureKind.STATUS),
        (Answer(502, b"<html>bad gateway</html>"), TransientError, FailureKind.STATUS),
        (Answer(408), TransientError, FailureKind.STATUS),
        (Answer(413), TransientError, FailureKind.STATUS),
        (Answer(429), Throttled, FailureKind.STATUS),
        (Answer(400, b"[]"), ClientError, FailureKind.STATUS),
        (Answer(404, b"<html>"), ClientError, FailureKind.NOT_JSON),
        (Answer(201, b"{}"), ClientError, FailureKind.SHAPE),
        (Answer(ending="reset"), TransientError, FailureKind.CONNECTION),
        (Answer(200, b"{}", ending="cut"), TransientError, FailureKind.CONNECTION),
        (Answer(200, b"{}", {"Content-Encoding": "gzip"}), TransientError, FailureKind.SHAPE),
        *[(Answer(status), ClientError, FailureKind.REDIRECT) for status in (301, 302, 303, 307, 308)],
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_was_seen_becomes_an_error_named_for_what_the_caller_does(
    tenant: FakeTenant, http: Http, answer: Answer, error: type[CyberArkError], kind: FailureKind
) -> None:
    headers = {"Location": f"{tenant.url}/oauth2/token/x", "Retry-After": "7", **answer.headers}
    raised = failure(tenant, http, Answer(answer.status, answer.body, headers, answer.ending))
    assert type(raised) is error
    assert raised.failure.kind is kind
    is_asked_to_wait = isinstance(raised, TransientError) and kind is FailureKind.STATUS
    assert getattr(raised, "retry_after", None) == (7 if is_asked_to_wait else None)
    assert not tenant.received["token"]  # no redirect is followed


@pytest.mark.parametrize("ending", ["hang", "trickle", "trickle-headers"])
def test_the_whole_call_has_a_deadline(tenant: FakeTenant, http: Http, ending: str) -> None:
    started = time.monotonic()
    raised = failure(tenant, http, Answer(200, b"x" * 1000, ending=ending), deadline_s=0.3)
    assert raised.failure.kind is FailureKind.TIMEOUT
    assert 0.2 < time.monotonic() - started < 2


def test_a_body_that_trickles_does_not_keep_its_thread(tenant: FakeTenant, http: Http) -> None:
    tenant.script["other"] = [Answer(200, b"x" * 1000, ending="trickle")]
    with pytest.raises(TimeoutError):
        http.exchange(f"{tenant.url}/other", {}, b"", 0.1)


def ports(tenant: FakeTenant) -> set[int]:
    return {request.port for request in tenant.received["other"]}


@pytest.mark.parametrize(
    ("first", "is_kept"),
    [
        (Answer(200, b"{}"), True),
        (Answer(204), True),
        (Answer(429), True),
        (Answer(401), False),  # the next connection may reach a node that knows the token
        (Answer(503), False),
        (Answer(200, b"{}", {"Content-Encoding": "gzip"}), False),
        (Answer(ending="reset"), False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_connection_is_used_again_unless_it_failed(
    tenant: FakeTenant, http: Http, first: Answer, is_kept: bool
) -> None:
    tenant.script["other"] = [first, Answer(200, b"{}")]
    with suppress(CyberArkError):
        post(tenant, http)
    post(tenant, http)
    assert (len(ports(tenant)) == 1) is is_kept


def test_a_connection_that_was_idle_is_not_used_again(
    tenant: FakeTenant, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(tenant, http, Answer(200, b"{}"))
    monkeypatch.setattr(http_module, "IDLE_S", 0.05)
    time.sleep(0.1)
    post(tenant, http)
    assert len(ports(tenant)) == 2


def test_calls_are_made_side_by_side_each_with_its_own_connection(tenant: FakeTenant, http: Http) -> None:
    together = threading.Barrier(7)

    def answer(_: object) -> Answer:
        together.wait(10)
        return Answer(200, b"{}")

    tenant.script["other"] = answer
    with ThreadPoolExecutor(7) as threads:
        assert len(list(threads.map(lambda _: post(tenant, http), range(7)))) == 7
    assert len(ports(tenant)) == 7


def kind_at(url: str) -> FailureKind:
    with pytest.raises(TransientError) as raised:
        Http("1").post(Service.AUDIT, url, "/", {}, b"", 5)
    return raised.value.failure.kind


def test_each_way_to_reach_nobody_is_told_apart(tenant: FakeTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind_at("https://localhost:9") is FailureKind.CONNECTION
    assert kind_at("https://nobody.invalid") is FailureKind.NAME
    with LoopbackServer(BaseHTTPRequestHandler) as plain:
        assert kind_at(plain.url.replace("http:", "https:")) is FailureKind.TLS
    monkeypatch.setenv("NO_PROXY", "")
    for proxy in ("http://localhost:9", "http://nobody.invalid:9"):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert kind_at(tenant.url) is FailureKind.PROXY


def test_a_certificate_is_verified_before_anything_is_sent(
    tenant: FakeTenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kind_at(tenant.url.replace("localhost", "127.0.0.1")) is FailureKind.CERTIFICATE_HOST
    (tmp_path / "other").mkdir()
    with FakeTenant(tmp_path / "other", not_after=datetime(2020, 1, 1, tzinfo=UTC)) as expired:
        assert kind_at(expired.url) is FailureKind.CERTIFICATE_AUTHORITY
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(expired.ca_file))
        assert kind_at(expired.url) is FailureKind.CERTIFICATE_DATE
    (tmp_path / "broken.pem").write_text("nothing")
    for name in ("broken.pem", "gone.pem"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / name))
        assert kind_at(tenant.url) is FailureKind.TRUST_STORE
    assert not tenant.received
    assert not expired.received


def chain(error: BaseException | None) -> list[BaseException]:
    """The error with all that it hides: `from None` keeps an error out of tracebacks only."""
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 429, 503])
@pytest.mark.parametrize("field", ["error", "error_description", "message", "other"])
def test_no_error_holds_what_a_service_repeats(
    tenant: FakeTenant, http: Http, secret: str, status: int, field: str
) -> None:
    tenant.script["other"] = [Answer(status, {field: f"unknown app {secret}", "error": secret})]
    with pytest.raises(CyberArkError) as raised:
        raise post(tenant, http).unusable(FailureKind.SHAPE)
    for error in chain(raised.value):
        assert isinstance(error, CyberArkError)
        assert secret not in repr(vars(error)) + str(error)


@pytest.mark.parametrize("ending", ["reset", "cut", "hang"])
def test_no_error_holds_the_request_that_failed(tenant: FakeTenant, http: Http, ending: str) -> None:
    raised = failure(tenant, http, Answer(200, b"{}", ending=ending), deadline_s=0.5)
    assert all(isinstance(error, CyberArkError) for error in chain(raised))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": "invalid_request", "error_description": "Unknown app SekoiaAudit"}, "unknown app"),
        ({"error": "invalid_grant", "error_description": "other words"}, "invalid_grant"),
        ({"error": "hunter"}, "other_error"),
        ({"error": "Not Found"}, ""),
        ({"error": {"a": 1}}, ""),
        ({"message": "Forbidden"}, ""),
    ],
    ids=str,
)
def test_the_known_words_of_an_error_are_kept(
    tenant: FakeTenant, http: Http, body: dict[str, object], error: str
) -> None:
    assert failure(tenant, http, Answer(403, body)).failure.error == error


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[(other, None) for other in (None, "", "1.5", "soon", "-3")],
        (" 12 ", 12),
        ("86400", 900),
        ("Sun, 06 Nov 1994 08:50:00 GMT", 23),
        ("Sun, 06 Nov 1994 08:50:00", 23),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_services_clock(value: str | None, seconds: float | None) -> None:
    headers = {} if value is None else {"Retry-After": value}
    assert retry_after({**headers, "Date": DATE}) == seconds
    assert retry_after(headers) == (0 if value and "1994" in value else seconds)


@pytest.mark.parametrize(
    ("service", "status", "is_read"),
    [
        (Service.AUDIT, 200, True),
        (Service.IDENTITY, 200, True),
        (Service.INTAKE, 200, False),
        (Service.AUDIT, 503, False),
    ],
)
def test_the_date_of_cyberarks_complete_answers_is_read(
    tenant: FakeTenant, http: Http, service: Service, status: int, is_read: bool
) -> None:
    tenant.script["other"] = [Answer(status, headers={"Date": DATE})]
    with suppress(CyberArkError):
        post(tenant, http, service=service)
    assert (abs(http.clock.now_ms() / 1000 - EPOCH_S) < 5) is is_read
