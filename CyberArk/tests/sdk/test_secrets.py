"""No secret leaves the process: not in a log line, a traceback or an event of Sentry, however it is written."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import sentry_sdk
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sentry_sdk.transport import Transport

from cyberark_modules import masking
from cyberark_modules.sdk.process import install_filters
from sdk.scene import PlainConnector, Platform

PASSWORD, API_KEY = 's3cret "pass" wörd/1', "s3cret-api-key+"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzM2NyZXQifQ." + "s3cr-et_" * 40


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_secrets", [])
    monkeypatch.setattr(masking, "_pattern", masking._pattern)
    masking.mask(SecretStr(PASSWORD), API_KEY, f"svc@a:{PASSWORD}", TOKEN, "")


@pytest.fixture
def reported() -> Iterator[list[str]]:
    """What is sent to Sentry, as text."""
    sent: list[str] = []

    class Recorder(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.append(envelope.serialize().decode())

    client = sentry_sdk.Client("https://key@sentry.invalid/1", transport=Recorder, default_integrations=False)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        yield sent


def based(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = [
    PASSWORD,
    json.dumps(PASSWORD),
    json.dumps({"p": PASSWORD}, ensure_ascii=False),
    quote(PASSWORD),
    quote(PASSWORD, safe=""),
    quote_plus(PASSWORD),
    based(PASSWORD),
    base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    f"Basic {based(f'svc@a:{PASSWORD}')}",
    API_KEY,
    quote(API_KEY),
    based(API_KEY),
    TOKEN,
    TOKEN[:200],
    f"Bearer {TOKEN}",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_as_it_travels(form: str) -> None:
    text = masking.masked(f"before <{form}> after")
    assert text.startswith("before <")
    assert text.endswith("> after")
    assert masking.MASK in text
    assert "s3c" not in text
    assert based("s3cret")[:6] not in text


@given(st.text(min_size=8, max_size=40), st.binary(max_size=4), st.binary(max_size=4))
def test_it_is_found_within_any_base64(secret: str, before: bytes, after: bytes) -> None:
    raw = secret.encode("utf-8", "surrogatepass")
    masking.mask(secret)
    text = masking.masked(base64.b64encode(before + raw + after).decode())
    assert masking.MASK in text
    assert len(text.replace(masking.MASK, "")) <= 4 * (len(before) + len(after)) / 3 + 12


def test_what_is_no_secret_stays() -> None:
    text = "Delivery failed: Sekoia intake (intake.sekoia.io/batch): HTTP 503 [intake-unavailable]"
    assert masking.masked(text) == text


def test_the_secrets_of_the_forms_stay_known_whatever_tokens_follow() -> None:
    for number in range(100):
        masking.mask(f"token-{number:04}-{'x' * 40}")
    masking.mask(f"{API_KEY}!", "abcde")
    assert {masking.masked(text) for text in (API_KEY, f"{API_KEY}!", based("abcde")[:6])} == {masking.MASK}
    assert masking.masked(f"token-0099-{'x' * 40}") == masking.MASK
    assert len(masking._secrets) <= 40


def fail_with(password: str, headers: dict[str, str]) -> None:
    body = {"password": password}
    raise RuntimeError(f"unexpected {headers['x-api-key']} in {body}")


def test_a_defect_holds_no_secret_wherever_it_is_reported(
    reported: list[str], connector: PlainConnector, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    try:
        install_filters()
        sentry_sdk.set_context("connector_configuration", {"nested": [{"key": API_KEY}], API_KEY: 1})
        sentry_sdk.add_breadcrumb(message="; ".join(FORMS), data={"body": API_KEY.encode()})
        try:
            fail_with(PASSWORD, {"x-api-key": API_KEY})
        except RuntimeError as error:
            connector.log_exception(error, message=f"Unexpected error with {PASSWORD}", seen=(PASSWORD, {API_KEY: 1}))
        connector.log(f"an error with {API_KEY}", level="error")
        logging.getLogger("requests").warning("sent %s", PASSWORD)
        while connector._is_sending():
            pass
    finally:
        logging.getLogger().removeHandler(handler)
    texts = {
        "sentry": "\n".join(reported),
        "platform": json.dumps(platform.lines, ensure_ascii=False),
        "stderr": capsys.readouterr().err,
    }
    assert '"vars"' not in texts["sentry"]
    for name, text in texts.items():
        assert "unexpected **********" in text, name
        for form in (*FORMS, "s3c"):
            assert form not in text, name
    assert "fail_with" in texts["stderr"]
    assert "sent **********" in texts["stderr"]
