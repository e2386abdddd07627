"""No secret leaves the process: not in an error, a log line or a repr, and not with a defect that reaches Sentry."""

import json
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import sentry_sdk
import trustme
from pydantic import SecretStr
from sentry_sdk.transport import Transport

from cyberark_modules.errors import CyberArkError, FailureKind
from cyberark_modules.platform import secrets
from cyberark_modules.platform.connector import PlatformConnector
from fakes.connector import KEY, connector_to, events
from fakes.intake_server import Answer, IntakeServer
from fakes.scene import PASSWORD as FORM_PASSWORD
from fakes.scene import scene_in

PASSWORD, API_KEY = 's3cret "pass" wörd/1', "s3cret-api-key"


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is sent to Sentry, as text."""
    sent: list[str] = []

    class Recorder(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.append(envelope.serialize().decode())

    monkeypatch.setattr(secrets, "_masked_texts", set())
    secrets.install_sentry_filter()
    client = sentry_sdk.Client("https://key@sentry.invalid/1", transport=Recorder, default_integrations=False)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        yield sent


def texts_of_chain(error: BaseException | None) -> Iterator[str]:
    """Everything that a traceback or a debugger shows of an error, and of those that it is chained to."""
    while error is not None:
        yield from (str(error), repr(error), repr(vars(error)), repr(error.args))
        assert error.__cause__ is None
        error = error.__context__


def failures(folder: Path) -> Iterator[CyberArkError]:
    """Errors of pushes that failed on the way, and of such that were answered."""

    def failure_of(address: str) -> CyberArkError:
        with connector_to(address, folder) as connector:
            outcome = connector.intake.push(events(2))
            assert outcome.failure is not None
            assert KEY not in repr(outcome)
            assert KEY not in repr(connector.intake)
            assert KEY not in repr(connector.channel)
            assert connector.intake.push_one(events(1)[0].text) is not None
            return outcome.failure

    yield failure_of("http://127.0.0.1:9")
    yield failure_of("http://nowhere.invalid")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with IntakeServer(tls=context) as server:
        yield failure_of(server.url)
    for answer in (Answer(0), Answer(403), Answer(500), Answer(200, b"OK"), Answer(307)):
        with IntakeServer(lambda _texts, _size, answer=answer: answer) as server:  # type: ignore[misc]
            yield failure_of(server.url)


def test_no_failure_of_a_push_holds_the_intake_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kinds = set()
    with caplog.at_level(logging.INFO):
        for failure in failures(tmp_path):
            kinds.add(failure.failure.kind)
            for text in texts_of_chain(failure):
                assert KEY not in text
    assert kinds >= {FailureKind.CONNECTION, FailureKind.NAME, FailureKind.CERTIFICATE_AUTHORITY, FailureKind.STATUS}
    assert KEY not in caplog.text


def fail_with(password: str, headers: dict[str, str]) -> None:
    body = {"password": password}
    raise RuntimeError(f"unexpected {headers['x-api-key']} in {body}")


def test_a_defect_that_reaches_sentry_holds_no_secret(reported: list[str], tmp_path: Path) -> None:
    secrets.mask(SecretStr(PASSWORD), API_KEY, KEY, "")
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        sentry_sdk.set_context("connector_configuration", {"intake_key": KEY, "nested": [{"key": API_KEY}]})
        sentry_sdk.add_breadcrumb(message=f"sent with {KEY}", data={"body": KEY.encode()})
        sentry_sdk.add_breadcrumb(message=json.dumps({"p": PASSWORD}) + quote_plus(PASSWORD) + quote(PASSWORD))
        try:
            fail_with(PASSWORD, {"x-api-key": API_KEY})
        except RuntimeError as error:
            connector.log_exception(error, message="Unexpected error", seen=(KEY, {API_KEY: 1}))
    assert len(reported) >= 1
    text = "\n".join(reported)
    assert "unexpected **********" in text
    assert "fail_with" in text
    assert '"vars"' not in text
    for secret in (PASSWORD, "s3cret", KEY, API_KEY):
        assert secret not in text


def test_the_secrets_of_both_forms_are_masked_from_the_start(reported: list[str], tmp_path: Path) -> None:
    def defect() -> None:
        raise RuntimeError(f"unexpected {API_KEY}, {KEY}, {FORM_PASSWORD}")

    with scene_in(tmp_path) as scene:
        scene.form |= {"api_key": API_KEY, "intake_key": KEY}
        scene.clock.alarms.append((3.0, defect))
        scene.run(10)
    assert any("unexpected **********, **********, **********" in text for text in reported)
    assert not any(secret in text for text in reported for secret in (API_KEY, KEY, FORM_PASSWORD))


def test_what_is_no_secret_reaches_sentry(reported: list[str], connector: PlatformConnector) -> None:
    secrets.mask(API_KEY)
    connector.log("Falling behind by 30 s", level="warning", extra=3)
    assert "Falling behind by 30 s" in reported[0]


@pytest.fixture
def connector(tmp_path: Path) -> Iterator[PlatformConnector]:
    with connector_to("http://127.0.0.1:9", tmp_path) as connector:
        yield connector
