"""The two configuration models: what they clean, what fails validation in which words, and what they never show."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError
from sekoia_automation.exceptions import ModuleConfigurationError
from sekoia_automation.module import Module

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.configuration.fields import FIELDS, field_faults

PASSWORD, API_KEY, INTAKE_KEY = "pass-Gx7!word", "apikey-4fQ2zz", "intakekey-9Kd1"
ACCOUNT = {
    "auth_base_url": "https://abc1234.id.cyberark.cloud",
    "login_name": "siem-svc@cyberark.cloud.1234",
    "password": PASSWORD,
    "application_id": "SekoiaAudit",
}
CONNECTOR = {"api_base_url": "https://abc1234.audit.cyberark.cloud", "api_key": API_KEY, "intake_key": INTAKE_KEY}
ADDRESSES = ["auth_base_url", "api_base_url", "intake_server"]
FILTERS = ["filter_actions", "filter_applications", "filter_audit_types"]


def account(**changes: Any) -> CyberArkModuleConfiguration:
    return CyberArkModuleConfiguration.model_validate({**ACCOUNT, **changes})


def connector(**changes: Any) -> CyberArkAuditLogsConfiguration:
    return CyberArkAuditLogsConfiguration.model_validate({**CONNECTOR, **changes})


def load(name: str, value: object) -> Any:
    """The configuration of which that field is a part, with that value."""
    return (account if name in ACCOUNT else connector)(**{name: value})


def used(name: str, value: object) -> Any:
    kept = getattr(load(name, value), name)
    return kept.get_secret_value() if isinstance(kept, SecretStr) else kept


def fault(name: str, value: object) -> str:
    """The one sentence that a person reads about that value."""
    model, values = (
        (CyberArkModuleConfiguration, ACCOUNT) if name in ACCOUNT else (CyberArkAuditLogsConfiguration, CONNECTOR)
    )
    (sentence,) = field_faults(model, {**values, name: value})
    with pytest.raises(ValidationError) as invalid:
        load(name, value)
    shown = sentence + str(invalid.value)
    assert f"“{FIELDS[name]['title']}”: " in sentence
    assert not any(secret in shown for secret in (PASSWORD, API_KEY, INTAKE_KEY, "s3cretvalue"))
    return sentence


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("\u200bHTTPS://ABC1234.Id.CyberArk.Cloud///\u00a0\r\n", "https://abc1234.id.cyberark.cloud"),
        ("abc_1234.id.cyberark.cloud:8443/", "https://abc_1234.id.cyberark.cloud:8443"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        # As 1.0.0 has stored them.
        ("http://host.x:8080", "https://host.x:8080"),
        ("https://host.x/admin#/users?s3cretvalue", "https://host.x"),
        ("host.x?tenant=s3cretvalue", "https://host.x"),
        ("https://admin:s3cretvalue@host.x", "https://host.x"),
    ],
)
def test_of_an_address_the_host_counts(name: str, typed: str, kept: str) -> None:
    assert used(name, typed) == kept


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "typed",
    [
        "ftp://host.x",
        "https:///path",
        "https://s3cretvalue 1234.cyberark.cloud",
        "https://abc..cyberark.cloud",
        f"https://{'a' * 64}.cyberark.cloud",
        "https://tenänt.cyberark.cloud",
        "https://[abc",
    ],
)
def test_what_names_no_host_fails_with_what_to_enter_instead(name: str, typed: str) -> None:
    assert "It does not name a host." in fault(name, typed)
    assert "e.g. https://" in fault(name, typed)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="htps:/.@?#[] \u200bA1a-é", max_size=30))
def test_an_address_is_used_in_its_bare_form_or_fails(typed: str) -> None:
    try:
        kept = account(auth_base_url=typed).auth_base_url
    except ValidationError:
        return
    assert kept == f"https://{urlsplit(kept).netloc}"
    assert account(auth_base_url=kept).auth_base_url == kept


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("intake_server", "  \n", None),
        ("intake_server", None, None),
        ("login_name", "\u200b svc@x.1\n", "svc@x.1"),
        ("application_id", "\u202fMy App\ufeff", "My App"),
        ("api_key", f" {API_KEY}\t", API_KEY),
        ("intake_key", f"{INTAKE_KEY}\r\n", INTAKE_KEY),
        ("password", " sp ace ", " sp ace "),
        ("password", f"{PASSWORD}\r\n", PASSWORD),
        ("password", 20260101, "20260101"),
        ("password", None, ""),
        ("frequency", " 120 ", 120),
        ("frequency", 90.0, 90),
        *[
            ("frequency", stored, kept)
            for stored, kept in (("", 60), (59, 60), ("10", 60), (-5, 60), (10**12, 86_400))
        ],
        ("start_time", "\u200b", 1),
        ("start_time", 168, 168),
        *[(name, stored, []) for name in FILTERS for stored in (None, "", [], ["", "  ", None])],
        *[(name, ["IDP", " PAM ", "IDP", "\u200b"], ["IDP", "PAM"]) for name in FILTERS],
        ("filter_audit_types", "Info", ["Info"]),
        ("filter_actions", ["Logon, failed"], ["Logon, failed"]),
    ],
)
def test_what_a_form_or_a_copy_brings_along_is_cleaned(name: str, typed: object, kept: object) -> None:
    assert used(name, typed) == kept


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        *[(name, None, "It is missing.") for name in ("auth_base_url", "login_name", "api_key", "intake_key")],
        *[(name, "\u200b\n", "It is missing.") for name in ("auth_base_url", "application_id", "api_key")],
        ("login_name", ["x"], "Enter text."),
        ("password", True, "Enter text."),
        ("frequency", 60.5, "It must be a whole number."),
        ("frequency", "a minute", "It must be a whole number."),
        ("start_time", 0, "It must be at least 1."),
        ("start_time", 169, "It must be at most 168."),
        *[(name, wrong, "Enter a list. ") for name in FILTERS for wrong in ({"IDP": 1}, 5)],
    ],
)
def test_what_cannot_be_used_fails_with_a_sentence(name: str, typed: object, said: str) -> None:
    assert said in fault(name, typed)


def test_what_other_versions_stored_loads() -> None:
    published = {**CONNECTOR, "frequency": 60, "intake_server": "https://intake.sekoia.io", "chunk_size": 1000}
    assert connector(**published).intake_server == "https://intake.sekoia.io"
    assert not hasattr(connector(**published), "chunk_size")
    connector().filter_actions.append("add-user")
    assert connector().filter_actions == []


@pytest.mark.parametrize("configuration", [account(), connector()], ids=["account", "connector"])
def test_no_secret_shows(configuration: BaseModel) -> None:
    dump = configuration.model_dump()
    shown = f"{configuration!r}{configuration}{dump!r}{configuration.model_dump_json()}"
    assert not any(secret in shown for secret in (PASSWORD, API_KEY, INTAKE_KEY))


class AccountModule(Module):
    configuration: CyberArkModuleConfiguration  # type: ignore[override]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> AccountModule:
    """The SDK's, in a folder without a manifest: the models alone decide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODULE_CONFIGURATION", json.dumps({**ACCOUNT, "password": None}))
    return AccountModule()  # type: ignore[no-untyped-call, unused-ignore]


@pytest.mark.parametrize(("brought", "kept"), [(PASSWORD, PASSWORD), (20260101, "20260101"), (None, "")])
def test_the_sdk_assigns_secrets_late(module: AccountModule, brought: object, kept: str) -> None:
    module.set_secrets({"password": brought, "secret_of_another_version": "other"})  # type: ignore[no-untyped-call, unused-ignore]
    assert module.configuration.password.get_secret_value() == kept
    assert module.configuration.login_name == ACCOUNT["login_name"]
    assert PASSWORD not in repr(module.configuration.model_dump())


def test_the_sdk_shows_no_password_of_an_account_that_fails(
    module: AccountModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODULE_CONFIGURATION", json.dumps({**ACCOUNT, "login_name": "", "password": [PASSWORD]}))
    with pytest.raises(ModuleConfigurationError, match="login_name") as invalid:
        _ = module.configuration
    assert PASSWORD not in str(invalid.value)
