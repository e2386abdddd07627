"""The two forms as a person meets them: drawn by a JSON Schema form in Chromium, filled in, refused, saved.

FORM_PICTURES=FOLDER in the environment makes the pictures of the guide in that folder.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from form_person import MissingToolError, Person, build_page
from pydantic import BaseModel, ValidationError

from cyberark_modules.models import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from test_forms import ACCOUNT_FORM, CONNECTOR_FORM

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

PASSWORD = "correct horse; battery"
API_KEY = "kT3x0nPq7Zr1"


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with TemporaryDirectory() as folder:
        try:
            build_page(Path(folder))
        except MissingToolError as reason:
            pytest.skip(str(reason))
        with Person(Path(folder)) as person:
            yield person


def keep_picture(person: Person, name: str) -> None:
    if folder := os.environ.get("FORM_PICTURES"):
        person.takes_a_picture(Path(folder) / name)


def expect_everything_is_said(person: Person, form: dict[str, Any]) -> None:
    """Every field shows what the schema says of it, in the schema's order, and a secret has a masked box."""
    seen = list(person.sees().values())
    assert len(seen) == len(form["properties"])
    for field, (name, box) in zip(seen, form["properties"].items(), strict=True):
        assert field.title == box["title"] + ("*" if name in form["required"] else "")
        assert field.description == box["description"]
        for example in box.get("examples", []):
            assert (example if isinstance(example, str) else ", ".join(example)) in field.example
        if box["type"] == "array":
            assert field.kinds == []
        else:
            expected = {"integer": "number", "string": "password" if name in form["secrets"] else "text"}
            assert field.kinds == [expected[box["type"]]]
            assert field.read == [str(box.get("default", ""))]
        assert field.refusal == ""


def expect_refusal(person: Person, title: str, typed: str, sentence: str) -> None:
    """The form is not saved, and only this field says why."""
    person.types(title, typed)
    assert person.saves() is None
    assert {name: field.refusal for name, field in person.sees().items() if field.refusal} == {title: sentence}


def expect_only_good_addresses(person: Person, model: type[BaseModel], name: str, host: str) -> dict[str, Any]:
    """Addresses that the code refuses are refused in words; others are saved, and mean the same to the code."""
    title = model.model_fields[name].title
    examples = model.model_fields[name].examples
    assert title is not None
    assert examples is not None
    sentence = f"must look like {' or '.join(examples)}"
    assert f"https://{host}" in examples
    good = f"https://{host}"
    for bad in (
        f"http://{host}",
        f"{good}/api/audits",
        f"{good}?a=b",
        f"https://siem@{host}",
        "https://",
        "my tenant",
    ):
        expect_refusal(person, title, bad, sentence)
    for text in (f" {good}/ ", host, good):
        person.types(title, text)
        saved = person.saves()
        assert saved is not None
        assert saved[name] == text
        assert getattr(model.model_validate(saved), name) == good
        for bad in (f"http://{host}", f"{good}/api"):
            with pytest.raises(ValidationError):
                model.model_validate({**saved, name: bad})
    return saved


def test_a_person_creates_the_account(person: Person) -> None:
    person.opens(ACCOUNT_FORM)
    expect_everything_is_said(person, ACCOUNT_FORM)
    assert person.saves() is None
    refusals = [field.refusal for field in person.sees().values()]
    assert refusals == [f"must have required property '{title}'" for title in person.sees()]

    person.types("CyberArk Identity address", "https://abc1234.id.cyberark.cloud")
    person.types("Login name of the service user", "siem-svc@cyberark.cloud.1234")
    person.types("Password of the service user", PASSWORD)
    expect_refusal(
        person, "Application ID", "https://abc1234.id.cyberark.cloud/SekoiaAudit", "must look like SekoiaAudit"
    )
    person.types("Application ID", "SekoiaAudit")
    saved = expect_only_good_addresses(
        person, CyberArkModuleConfiguration, "auth_base_url", "abc1234.id.cyberark.cloud"
    )

    assert saved == {
        "auth_base_url": "https://abc1234.id.cyberark.cloud",
        "login_name": "siem-svc@cyberark.cloud.1234",
        "password": PASSWORD,
        "application_id": "SekoiaAudit",
    }
    assert PASSWORD not in person.reads()
    keep_picture(person, "form_account.png")
    expect_refusal(
        person,
        "CyberArk Identity address",
        "http://abc1234.id.cyberark.cloud/login",
        "must look like https://abc1234.id.cyberark.cloud",
    )
    keep_picture(person, "form_account_refused.png")
    assert person.finds_fault_with_the_page() == []


def test_a_person_configures_the_connector(person: Person) -> None:
    person.opens(CONNECTOR_FORM)
    expect_everything_is_said(person, CONNECTOR_FORM)
    person.types("CyberArk Audit API base URL", "https://abc1234.audit.cyberark.cloud")
    person.types("Intake key", "9bYk2mVd4QwX")
    expect_refusal(person, "CyberArk Audit API key", "two words", "must be copied whole, and nothing else")
    person.types("CyberArk Audit API key", API_KEY)
    saved = person.saves()
    assert saved is not None
    assert CyberArkAuditLogsConfiguration.model_validate(saved) == CyberArkAuditLogsConfiguration(
        api_base_url="https://abc1234.audit.cyberark.cloud", api_key=API_KEY, intake_key="9bYk2mVd4QwX"
    )

    for title, least, greatest, default in (
        ("Time between two queries (seconds)", 60, 86_400, 60),
        ("History at the first run (hours)", 1, 168, 1),
        ("Overlap (minutes)", 0, 1_440, 5),
        ("Events per page", 1, 1_000, 500),
    ):
        expect_refusal(person, title, "10" if least == 60 else str(least - 1), f"must be >= {least}")
        expect_refusal(person, title, "2000" if greatest == 1_440 else str(greatest + 1), f"must be <= {greatest}")
        expect_refusal(person, title, f"{default}.5", "must be integer")
        person.types(title, str(default))

    form = CyberArkAuditLogsConfiguration
    expect_only_good_addresses(person, form, "intake_server", "intake.sekoia.io")
    person.types("Intake server", "")
    person.types("Overlap (minutes)", "60")
    person.adds("Only these applications", "IDP")
    person.adds("Only these applications", "PAM")
    saved = expect_only_good_addresses(person, form, "api_base_url", "abc1234.audit.cyberark.cloud")
    assert form.model_validate(saved) == form(
        api_base_url="https://abc1234.audit.cyberark.cloud",
        api_key=API_KEY,
        intake_key="9bYk2mVd4QwX",
        overlap=60,
        application_codes=["IDP", "PAM"],
    )
    assert API_KEY not in person.reads()
    keep_picture(person, "form_connector.png")
    assert person.finds_fault_with_the_page() == []
