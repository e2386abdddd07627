"""The two forms as a person meets them: drawn by a JSON Schema form in Chromium, filled in, refused, saved.

FORM_PICTURES=FOLDER in the environment makes the pictures of the manual in that folder;
`pngquant --force --strip --ext .png 32 FOLDER/form_*.png` then makes them small.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from form_person import MissingToolError, Person, build_page
from pydantic import BaseModel, ValidationError

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from sandbox import MODULE

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

ACCOUNT_FORM: dict[str, Any] = json.loads((MODULE / "manifest.json").read_text("utf-8"))["configuration"]
CONNECTOR_FORM: dict[str, Any] = json.loads((MODULE / "connector_audit_logs.json").read_text("utf-8"))["arguments"]

PASSWORD = "correct horse; battery"
API_KEY = "kT3x0nPq7Zr1"
INTAKE_KEY = "9bYk2mVd4QwX"
GOOD_ADDRESSES = {
    "auth_base_url": "https://abc1234.id.cyberark.cloud",
    "api_base_url": "https://abc1234.audit.cyberark.cloud",
    "intake_server": "https://intake.sekoia.io",
}
# What people type by mistake into each form, by the title of the field; "" leaves a field empty that is required.
ACCOUNT_MISTAKES = {
    "CyberArk Identity address": "http://abc1234.id.cyberark.cloud/login",
    "Login name of the service user": "",
    "Password of the service user": "",
    "Application ID": "/oauth2/token/SekoiaAudit",
}
CONNECTOR_MISTAKES = {
    "CyberArk Audit API base URL": "https://abc1234.audit.cyberark.cloud/api",
    "CyberArk Audit API key": "",
    "Intake key": "",
    "Intake server": "my intake",
    "Time between two queries (seconds)": "10",
    "History at the first run (hours)": "169",
    "Overlap (minutes)": "2000",
    "Events per page": "1001",
}
READABLE = 80


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
        if box["type"] == "array":
            assert field.kinds == []
        else:
            expected = {"integer": "number", "string": "password" if name in form["secrets"] else "text"}
            assert field.kinds == [expected[box["type"]]]
            assert field.read == [str(box.get("default", ""))]
        assert field.refusal == ""


def refusal_of_text(form: dict[str, Any], title: str) -> str:
    """What the plain renderer says of a text that the schema refuses: the pattern, as it is."""
    pattern = next(box["pattern"] for box in form["properties"].values() if box["title"] == title)
    return f'must match pattern "{pattern}"'


def saved_by(person: Person) -> dict[str, Any]:
    saved = person.saves()
    assert saved is not None, person.sees()
    return saved


def expect_refusal(person: Person, title: str, typed: str, sentence: str) -> None:
    """The form is not saved, and only this field says why."""
    person.types(title, typed)
    assert person.saves() is None
    assert {name: field.refusal for name, field in person.sees().items() if field.refusal} == {title: sentence}


def expect_only_good_addresses(person: Person, form: dict[str, Any], model: type[BaseModel], name: str) -> None:
    """On a form that can be saved: what the code refuses is refused in words, the rest means the same to the code."""
    title, good = form["properties"][name]["title"], GOOD_ADDRESSES[name]
    host = good.removeprefix("https://")
    before = saved_by(person)
    for bad in (
        f"http://{host}",
        f"{good}/api/audits",
        f"{good}?a=b",
        f"https://siem@{host}",
        "https://",
        "my tenant",
    ):
        expect_refusal(person, title, bad, refusal_of_text(form, title))
        with pytest.raises(ValidationError, match=name):
            model.model_validate({**before, name: bad})
    for text in (f" {good}/ ", host, good):
        person.types(title, text)
        saved = saved_by(person)
        assert saved == {**before, name: text}
        assert getattr(model.model_validate(saved), name) == good


def test_a_person_creates_the_account(person: Person) -> None:
    person.opens(ACCOUNT_FORM)
    expect_everything_is_said(person, ACCOUNT_FORM)
    assert person.saves() is None
    assert [field.refusal for field in person.sees().values()] == [
        f"must have required property '{title}'" for title in person.sees()
    ]

    filled = {
        "CyberArk Identity address": "https://abc1234.id.cyberark.cloud",
        "Login name of the service user": "siem-svc@cyberark.cloud.1234",
        "Password of the service user": PASSWORD,
        "Application ID": "SekoiaAudit",
    }
    for title, text in filled.items():
        person.types(title, text)
    expect_refusal(
        person, "Application ID", "/oauth2/token/SekoiaAudit", refusal_of_text(ACCOUNT_FORM, "Application ID")
    )
    person.types("Application ID", "SekoiaAudit")
    expect_only_good_addresses(person, ACCOUNT_FORM, CyberArkModuleConfiguration, "auth_base_url")
    assert list(saved_by(person).values()) == list(filled.values())
    assert person.sees()["Password of the service user"].kinds == ["password"]
    assert PASSWORD not in person.reads()
    keep_picture(person, "form_account.png")

    assert person.finds_fault_with_the_page() == []


def test_a_person_configures_the_connector(person: Person) -> None:
    load = CyberArkAuditLogsConfiguration.model_validate
    least: dict[str, Any] = {
        "api_base_url": "https://abc1234.audit.cyberark.cloud",
        "api_key": API_KEY,
        "intake_key": INTAKE_KEY,
    }
    person.opens(CONNECTOR_FORM)
    expect_everything_is_said(person, CONNECTOR_FORM)
    person.types("CyberArk Audit API base URL", least["api_base_url"])
    person.types("Intake key", INTAKE_KEY)
    assert person.saves() is None
    person.types("CyberArk Audit API key", API_KEY)
    assert load(saved_by(person)) == load(least)
    assert person.sees()["CyberArk Audit API key"].kinds == ["password"]
    assert API_KEY not in person.reads()
    keep_picture(person, "form_connector.png")

    expect_refusal(person, "Time between two queries (seconds)", "10", "must be >= 60")
    person.types("Time between two queries (seconds)", "120")
    expect_refusal(person, "History at the first run (hours)", "169", "must be <= 168")
    person.types("History at the first run (hours)", "24")
    expect_refusal(person, "Overlap (minutes)", "2000", "must be <= 1440")
    expect_refusal(person, "Overlap (minutes)", "0.5", "must be integer")
    person.types("Overlap (minutes)", "0")
    expect_refusal(person, "Events per page", "1001", "must be <= 1000")
    person.types("Events per page", "")
    numbers = {"frequency": 120, "start_time": 24, "overlap": 0}
    assert load(saved_by(person)) == load({**least, **numbers})

    expect_only_good_addresses(person, CONNECTOR_FORM, CyberArkAuditLogsConfiguration, "api_base_url")
    expect_only_good_addresses(person, CONNECTOR_FORM, CyberArkAuditLogsConfiguration, "intake_server")
    person.types("Intake server", "")
    for title, value in (("applications", "IDP"), ("applications", "PAM"), ("actions", "Add Safe")):
        person.adds(f"Only these {title}", value)
    filters = {"application_codes": ["IDP", "PAM"], "actions": ["Add Safe"]}
    assert load(saved_by(person)) == load({**least, **numbers, **filters})
    assert person.finds_fault_with_the_page() == []


@pytest.mark.parametrize(
    ("form", "mistakes", "name"),
    [(ACCOUNT_FORM, ACCOUNT_MISTAKES, "form_account"), (CONNECTOR_FORM, CONNECTOR_MISTAKES, "form_connector")],
    ids=["account", "connector"],
)
def test_a_mistake_in_each_field_is_refused_in_a_line(
    person: Person, form: dict[str, Any], mistakes: dict[str, str], name: str
) -> None:
    # Any list of texts is a filter: nothing typed there is a mistake that the form could know.
    boxes = [box for box in form["properties"].values() if box["type"] != "array"]
    assert [box["title"] for box in boxes] == list(mistakes)
    person.opens(form)
    for title, text in mistakes.items():
        if text:
            person.types(title, text)
    assert person.saves() is None
    keep_picture(person, f"{name}_refused.png")
    refusals = [person.sees()[title].refusal for title in mistakes]
    assert all(0 < len(refusal) <= READABLE for refusal in refusals), refusals
