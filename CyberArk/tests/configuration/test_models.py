"""The two configuration models: what they clean, what they refuse and in which words, and what they never show."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError
from sekoia_automation.connector import Connector
from sekoia_automation.exceptions import ModuleConfigurationError, TriggerConfigurationError
from sekoia_automation.module import Module
from sentry_sdk.serializer import serialize

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

PASSWORD = "pass-Gx7!word"
API_KEY = "apikey-4fQ2zz"
INTAKE_KEY = "intakekey-9Kd1"

ACCOUNT = {
    "auth_base_url": "https://abc1234.id.cyberark.cloud",
    "login_name": "siem-svc@cyberark.cloud.1234",
    "password": PASSWORD,
    "application_id": "SekoiaAudit",
}
CONNECTOR = {
    "api_base_url": "https://abc1234.audit.cyberark.cloud",
    "api_key": API_KEY,
    "intake_key": INTAKE_KEY,
}


def account(**changes: Any) -> CyberArkModuleConfiguration:
    return CyberArkModuleConfiguration.model_validate({**ACCOUNT, **changes})


def connector(**changes: Any) -> CyberArkAuditLogsConfiguration:
    return CyberArkAuditLogsConfiguration.model_validate({**CONNECTOR, **changes})


def refusal(load: Any, **changes: Any) -> str:
    """The text that a person reads when these values are refused."""
    with pytest.raises(ValidationError) as refused:
        load(**changes)
    return str(refused.value)


def load_address(name: str, value: object) -> Any:
    """The value of the one address field, loaded by the model that holds it."""
    load = account if name == "auth_base_url" else connector
    return getattr(load(**{name: value}), name)


ADDRESS_FIELDS = ["auth_base_url", "api_base_url", "intake_server"]


@pytest.mark.parametrize("name", ADDRESS_FIELDS)
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://abc1234.id.cyberark.cloud", "https://abc1234.id.cyberark.cloud"),
        ("  https://abc1234.id.cyberark.cloud/\r\n", "https://abc1234.id.cyberark.cloud"),
        ("\u200bhttps://abc1234.id.cyberark.cloud///\u00a0\ufeff", "https://abc1234.id.cyberark.cloud"),
        ("abc1234.id.cyberark.cloud", "https://abc1234.id.cyberark.cloud"),
        ("abc1234.id.cyberark.cloud:8443/", "https://abc1234.id.cyberark.cloud:8443"),
        ("HTTPS://ABC1234.Id.CyberArk.Cloud", "https://abc1234.id.cyberark.cloud"),
        ("localhost:65535", "https://localhost:65535"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
    ],
)
def test_an_address_is_cleaned(name: str, typed: str, kept: str) -> None:
    assert load_address(name, typed) == kept


@pytest.mark.parametrize("name", ADDRESS_FIELDS)
@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("http://abc1234.id.cyberark.cloud", "must begin with https://"),
        ("ftp://abc1234.id.cyberark.cloud", "must begin with https://"),
        ("https://abc1234.id.cyberark.cloud/admin", "no path"),
        ("abc1234.id.cyberark.cloud/oauth2/token/SekoiaAudit", "no path"),
        ("https://abc1234.id.cyberark.cloud?tenant=s3cretvalue", "no path"),
        ("https://abc1234.id.cyberark.cloud/#s3cretvalue", "no path"),
        ("https://admin:s3cretvalue@abc1234.id.cyberark.cloud", "user name or a password"),
        ("https://", "does not name a valid host"),
        ("https:///path", "does not name a valid host"),
        ("https://abc 1234.cyberark.cloud", "does not name a valid host"),
        ("https://abc..cyberark.cloud", "does not name a valid host"),
        ("https://abc.cyberark.cloud.", "does not name a valid host"),
        (f"https://{'a' * 64}.cyberark.cloud", "does not name a valid host"),
        ("https://abc.cyberark.cloud:0", "does not name a valid host"),
        ("https://abc.cyberark.cloud:65536", "does not name a valid host"),
        ("https://tenänt.cyberark.cloud", "does not name a valid host"),
        ("https://[abc", "does not name a valid host"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_paste_instead(name: str, typed: object, fault: str) -> None:
    load = account if name == "auth_base_url" else connector
    text = refusal(load, **{name: typed})
    assert fault in text
    assert "Enter the " in text or "enter the " in text
    assert "e.g. https://" in text
    assert "s3cretvalue" not in text


@pytest.mark.parametrize("name", ["auth_base_url", "api_base_url"])
@pytest.mark.parametrize("typed", ["", "  \n", None])
def test_a_missing_address_of_the_tenant_is_refused(name: str, typed: object) -> None:
    load = account if name == "auth_base_url" else connector
    assert "The address is missing. Enter the " in refusal(load, **{name: typed})


@pytest.mark.parametrize("typed", ["", "  \n", None])
def test_an_intake_server_left_empty_is_the_platforms_own(typed: object) -> None:
    assert connector(intake_server=typed).intake_server is None
    assert connector().intake_server is None


LABELS = st.sampled_from(
    ["abc1234", "id", "CyberArk", "cloud", "a-b", "-a", "a-", "1", "255", "256", "x" * 63, "x" * 64, "", "é"]
)
HOSTS = st.lists(LABELS | st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), min_size=1, max_size=5).map(
    ".".join
) | st.ip_addresses(v=4).map(str)
ADDRESSES = st.tuples(
    st.sampled_from(["", "", " ", "\u200b", "\n\t"]),
    st.sampled_from(["https://", "https://", "", "HTTPS://", "http://", "https:/", "//", "user:pw@"]),
    HOSTS,
    st.sampled_from(["", "", ":443", ":0", ":65535", ":65536", ":99999", ":1", ":", ":x", ":0443"]),
    st.sampled_from(["", "", "/", "//", "/path", "?q=1", "#part", "/ /", "\\", ";p"]),
    st.sampled_from(["", "", " ", "\ufeff", "\r\n", "."]),
).map("".join)
LOOSE_TEXT = st.text(alphabet="htps:/.@?#[] \u200bA1a-é", max_size=30)


@settings(max_examples=200, deadline=None)
@given(typed=ADDRESSES | LOOSE_TEXT)
def test_an_address_is_a_bare_https_address_or_refused_with_a_sentence(typed: str) -> None:
    try:
        kept, said = account(auth_base_url=typed).auth_base_url, ""
    except ValidationError as refused:
        kept, said = "", str(refused)
    parts = urlsplit(kept)
    assert "Enter the address of the tenant only" in said or (parts.hostname and kept == f"https://{parts.netloc}")
    assert "@" not in kept
    assert not kept or account(auth_base_url=kept).auth_base_url == kept


@pytest.mark.parametrize("blanks", [" ", "\n", "\u00a0", "\u200b", "\ufeff", "\u202f", "\t \u200d"])
def test_what_a_copy_brings_along_is_trimmed(blanks: str) -> None:
    cleaned = account(login_name=f"{blanks}svc@x.1{blanks}", application_id=f"{blanks}My App{blanks}")
    assert (cleaned.login_name, cleaned.application_id) == ("svc@x.1", "My App")
    collecting = connector(api_key=f"{blanks}{API_KEY}{blanks}", intake_key=f"{blanks}{INTAKE_KEY}{blanks}")
    assert (collecting.api_key.get_secret_value(), collecting.intake_key) == (API_KEY, INTAKE_KEY)


@pytest.mark.parametrize("name", ["login_name", "application_id", "api_key", "intake_key"])
@pytest.mark.parametrize("typed", ["", "  ", "\u200b\n", None])
def test_an_empty_text_is_refused(name: str, typed: object) -> None:
    load = account if name in ACCOUNT else connector
    text = refusal(load, **{name: typed})
    assert name in text
    assert "It is empty." in text


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("login_name", "svc\n@cyberark.cloud"),
        ("login_name", 5),
        ("application_id", "https://abc.id.cyberark.cloud/oauth2/token/App"),
        ("application_id", "App?x"),
        ("api_key", f"{API_KEY} {API_KEY}"),
        ("api_key", f"{API_KEY}é"),
        ("intake_key", f"{INTAKE_KEY}\n{INTAKE_KEY}"),
    ],
)
def test_a_text_with_something_foreign_inside_is_refused_and_not_repeated(name: str, typed: Any) -> None:
    text = refusal(account if name in ACCOUNT else connector, **{name: typed})
    assert name in text
    assert API_KEY not in text
    assert INTAKE_KEY not in text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [(PASSWORD, PASSWORD), (" sp ace ", " sp ace "), (f"{PASSWORD}\r\n", PASSWORD), ("", ""), (None, "")],
)
def test_a_password_keeps_its_spaces_and_loses_a_pasted_line_break(typed: str | None, kept: str) -> None:
    assert account(password=typed).password.get_secret_value() == kept


def test_an_account_loads_before_its_password_has_come() -> None:
    stored = {name: value for name, value in ACCOUNT.items() if name != "password"}
    assert CyberArkModuleConfiguration.model_validate(stored).password.get_secret_value() == ""


def test_a_key_may_be_assigned_masked_already() -> None:
    configuration = connector()
    configuration.api_key = SecretStr("another-key\n")
    assert configuration.api_key == SecretStr("another-key")


def test_the_api_key_is_required() -> None:
    with pytest.raises(ValidationError, match="api_key"):
        CyberArkAuditLogsConfiguration.model_validate({k: v for k, v in CONNECTOR.items() if k != "api_key"})


@pytest.mark.parametrize(
    ("stored", "used", "raised_from"),
    [
        (60, 60, None),
        (300, 300, None),
        ("120", 120, None),
        (90.0, 90, None),
        (59, 60, 59),
        ("10", 60, 10),
        (0, 60, 0),
        (-5, 60, -5),
        (None, 60, None),
        (" ", 60, None),
        (10**12, 86_400, None),
    ],
)
def test_a_frequency_is_brought_within_its_limits(stored: object, used: int, raised_from: int | None) -> None:
    configuration = connector(frequency=stored)
    assert configuration.frequency == used
    assert configuration.frequency_raised_from == raised_from
    assert json.loads(configuration.model_dump_json())["frequency"] == used


def test_a_raised_frequency_is_still_known_after_another_field_is_assigned() -> None:
    configuration = connector(frequency=30)
    configuration.overlap = 10
    assert configuration.model_copy(deep=True).frequency_raised_from == 30


@pytest.mark.parametrize("stored", ["a minute", 60.5, [60], float("nan"), float("inf"), "9" * 5000])
def test_a_frequency_that_is_no_whole_number_is_refused(stored: object) -> None:
    assert "valid" in refusal(connector, frequency=stored) or "finite" in refusal(connector, frequency=stored)


LIMITS = [("start_time", 1, 168, 1), ("overlap", 0, 1440, 5), ("chunk_size", 1, 1000, 500)]


@pytest.mark.parametrize(("name", "least", "greatest", "default"), LIMITS)
def test_a_number_is_taken_up_to_its_limits(name: str, least: int, greatest: int, default: int) -> None:
    assert getattr(connector(), name) == default
    for empty in (None, "", "\u200b"):
        assert getattr(connector(**{name: empty}), name) == default
    for number in (least, greatest):
        for stored in (number, str(number), f" {number} ", float(number)):
            assert getattr(connector(**{name: stored}), name) == number
    for wrong in (least - 1, greatest + 1, "many", 1.5):
        text = refusal(connector, **{name: wrong})
        assert name in text
        assert "Input should be " in text


@pytest.mark.parametrize("name", ["application_codes", "audit_types", "actions"])
def test_filters_are_cleaned(name: str) -> None:
    assert getattr(connector(), name) == []
    for empty in (None, "", " , ", [], ["", "  ", None]):
        assert getattr(connector(**{name: empty}), name) == []
    for stored in (["IDP", " PAM ", "IDP", "\u200b"], "IDP,PAM", " IDP ,\nPAM, IDP,"):
        assert getattr(connector(**{name: stored}), name) == ["IDP", "PAM"]
    assert getattr(connector(**{name: ["Add Safe", "add-user"]}), name) == ["Add Safe", "add-user"]
    for wrong in ({"IDP": 1}, [1], 5, [["IDP"]]):
        assert "Enter a list, with one value per entry" in refusal(connector, **{name: wrong})


@pytest.mark.parametrize("name", ["application_codes", "audit_types"])
def test_codes_typed_into_one_box_are_several(name: str) -> None:
    assert getattr(connector(**{name: ["IDP, PAM", "ITDR"]}), name) == ["IDP", "PAM", "ITDR"]


def test_an_action_of_a_list_may_hold_a_comma() -> None:
    assert connector(actions=["Logon, failed"]).actions == ["Logon, failed"]


def test_two_configurations_do_not_share_their_filters() -> None:
    connector().actions.append("add-user")
    assert connector().actions == []


def test_what_the_published_connector_stored_loads_as_it_is() -> None:
    """Version 1.0.0: nine fields, of which it checked little more than the types."""
    stored_account = {**ACCOUNT, "auth_base_url": "https://abc1234.id.cyberark.cloud/", "unknown": [1]}
    assert CyberArkModuleConfiguration.model_validate(stored_account).auth_base_url == ACCOUNT["auth_base_url"]
    for frequency in (1, 10, 60, 3600, 10**6):
        stored = {**CONNECTOR, "frequency": frequency, "intake_server": "https://intake.sekoia.io", "chunk_size": 1000}
        assert connector(**stored).frequency == min(max(frequency, 60), 86_400)
    assert connector(intake_server=None, frequency="10").frequency_raised_from == 10
    assert connector(api_base_url="https://abc_1234-eu.audit.cyberark.cloud").api_base_url


def test_fields_of_other_versions_are_ignored() -> None:
    assert not hasattr(account(region="eu"), "region")
    assert not hasattr(connector(ratelimit_per_minute=5), "ratelimit_per_minute")


@pytest.mark.parametrize("configuration", [account(), connector()])
def test_no_secret_shows(configuration: BaseModel) -> None:
    shown = [
        repr(configuration),
        str(configuration),
        repr(configuration.model_dump()),
        configuration.model_dump_json(),
        repr(serialize(configuration.model_dump())),
    ]
    for secret in (PASSWORD, API_KEY, INTAKE_KEY):
        assert not any(secret in text for text in shown)


@settings(deadline=None)
@given(
    broken=st.sampled_from([5, "http://x", "a b\n", None, [], {}, "\ud800"]),
    names=st.sets(st.sampled_from([*ACCOUNT, *CONNECTOR]), min_size=1),
)
def test_no_broken_value_makes_a_secret_show(broken: object, names: set[str]) -> None:
    for model, values in ((CyberArkModuleConfiguration, ACCOUNT), (CyberArkAuditLogsConfiguration, CONNECTOR)):
        if changes := dict.fromkeys(names & values.keys(), broken):
            text = _text_of_refusal(model, {**values, **changes})
            assert not any(secret in text for secret in (PASSWORD, API_KEY, INTAKE_KEY))


def _text_of_refusal(model: type[BaseModel], values: dict[str, Any]) -> str:
    try:
        return repr(model.model_validate(values))
    except ValidationError as refused:
        return f"{refused} {refused!r}"


class AccountModule(Module):
    configuration: CyberArkModuleConfiguration  # type: ignore[override]


class AuditLogs(Connector):
    configuration: CyberArkAuditLogsConfiguration

    def run(self) -> None:
        raise NotImplementedError


class Platform:
    """The SDK started with these configurations, from a folder without a manifest: the models alone decide."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch, self._folder = monkeypatch, folder
        monkeypatch.chdir(folder)

    def module(self, **changes: object) -> AccountModule:
        self._monkeypatch.setenv("MODULE_CONFIGURATION", json.dumps({**ACCOUNT, **changes}))
        return AccountModule()  # type: ignore[no-untyped-call, unused-ignore]

    def connector(self, **changes: object) -> AuditLogs:
        self._monkeypatch.setenv("CONNECTOR_CONFIGURATION", json.dumps({**CONNECTOR, **changes}))
        return AuditLogs(self.module(), data_path=self._folder)  # type: ignore[no-untyped-call, unused-ignore]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Platform]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Platform(monkeypatch, tmp_path)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_secrets_that_the_sdk_brings_late_stay_masked(platform: Platform) -> None:
    module = platform.module(password=None)
    module.set_secrets({"password": PASSWORD, "secret_of_another_version": "other"})  # type: ignore[no-untyped-call, unused-ignore]
    assert module.configuration.password == SecretStr(PASSWORD)
    assert module.configuration.login_name == ACCOUNT["login_name"]
    assert PASSWORD not in repr(module.configuration.model_dump())


def test_a_secret_that_the_platform_holds_as_null_is_an_empty_one(platform: Platform) -> None:
    module = platform.module()
    module.set_secrets({"password": None})  # type: ignore[no-untyped-call, unused-ignore]
    assert module.configuration.password.get_secret_value() == ""


def test_the_sdk_reports_a_bad_account_without_its_password(platform: Platform) -> None:
    with pytest.raises(ModuleConfigurationError) as refused:
        _ = platform.module(login_name="", password=[PASSWORD]).configuration
    assert "login_name" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_the_sdk_reports_a_bad_connector_without_its_keys(platform: Platform) -> None:
    with pytest.raises(TriggerConfigurationError) as refused:
        _ = platform.connector(api_base_url=f"https://u:{API_KEY}@host", intake_key=[INTAKE_KEY]).configuration
    assert "user name or a password" in str(refused.value)
    assert API_KEY not in str(refused.value)
    assert INTAKE_KEY not in str(refused.value)


def test_the_sdk_reads_the_connectors_configuration(platform: Platform) -> None:
    configuration = platform.connector().configuration
    assert configuration.intake_key == INTAKE_KEY
    assert configuration.api_key.get_secret_value() == API_KEY
