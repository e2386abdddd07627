"""The two forms of the platform, and the guide that fills them: neither may say anything that the models do not."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import BaseModel, SecretStr, ValidationError

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

MODULE = Path(__file__).resolve().parents[2]
ACCOUNT_FORM: dict[str, Any] = json.loads((MODULE / "manifest.json").read_text("utf-8"))["configuration"]
CONNECTOR_FORM: dict[str, Any] = json.loads((MODULE / "connector_audit_logs.json").read_text("utf-8"))["arguments"]
FORMS: list[tuple[dict[str, Any], type[BaseModel]]] = [
    (ACCOUNT_FORM, CyberArkModuleConfiguration),
    (CONNECTOR_FORM, CyberArkAuditLogsConfiguration),
]
BOXES = [(name, box, model) for form, model in FORMS for name, box in form["properties"].items()]
TEXTS = [(name, box, model) for name, box, model in BOXES if "pattern" in box]
ALL_BOXES = pytest.mark.parametrize(("name", "box", "model"), BOXES, ids=[name for name, _, _ in BOXES])


def form_takes(box: dict[str, Any], value: object) -> bool:
    return Draft7Validator(box).is_valid(value)


def code_takes(model: type[BaseModel], name: str, value: object) -> bool:
    filled: dict[str, object] = {
        "auth_base_url": "https://abc1234.id.cyberark.cloud",
        "login_name": "siem-svc@cyberark.cloud.1234",
        "application_id": "SekoiaAudit",
        "api_base_url": "https://abc1234.audit.cyberark.cloud",
        "api_key": "key",
        "intake_key": "key",
    }
    try:
        model.model_validate({**filled, name: value})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("form", "model"), FORMS, ids=["account", "connector"])
def test_form_says_what_the_model_says(form: dict[str, Any], model: type[BaseModel]) -> None:
    assert form == model.model_json_schema()


@pytest.mark.parametrize("name", ["manifest.json", "connector_audit_logs.json"])
def test_files_are_written_as_the_librarys_linter_wants_them(name: str) -> None:
    text = (MODULE / name).read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=2)


def test_the_manifest_announces_the_validator_and_the_version() -> None:
    manifest = json.loads((MODULE / "manifest.json").read_text("utf-8"))
    assert manifest["supports_validation"] is True
    assert f" - {manifest['version']}" in (MODULE / "CHANGELOG.md").read_text("utf-8")
    assert "results" not in json.loads((MODULE / "connector_audit_logs.json").read_text("utf-8"))


@pytest.mark.parametrize(("form", "model"), FORMS, ids=["account", "connector"])
def test_form_is_a_schema_that_masks_every_secret(form: dict[str, Any], model: type[BaseModel]) -> None:
    Draft7Validator.check_schema(form)
    assert form["secrets"] == [name for name, field in model.model_fields.items() if field.annotation is SecretStr]
    assert set(form["secrets"]) <= set(form["required"])


def test_a_person_must_give_what_the_connector_cannot_do_without() -> None:
    assert ACCOUNT_FORM["required"] == ["auth_base_url", "login_name", "password", "application_id"]
    assert CONNECTOR_FORM["required"] == ["api_base_url", "api_key", "intake_key"]


@pytest.mark.parametrize(("form", "model"), FORMS, ids=["account", "connector"])
def test_required_fields_come_first(form: dict[str, Any], model: type[BaseModel]) -> None:
    assert list(form["properties"])[: len(form["required"])] == form["required"]


@ALL_BOXES
def test_every_field_has_a_name_and_an_explanation(name: str, box: dict[str, Any], model: type[BaseModel]) -> None:
    assert 3 <= len(box["title"]) <= 40
    assert box["description"].endswith(".")
    assert box["type"] in ("string", "integer", "array")


@ALL_BOXES
def test_every_description_gives_an_example_and_the_default_is_accepted(
    name: str, box: dict[str, Any], model: type[BaseModel]
) -> None:
    assert "e.g. " in box["description"] or "key" in name or "password" in name
    assert "examples" not in box  # shown by no form of the platform
    assert len(box["description"]) <= 200
    if "default" in box:
        assert form_takes(box, box["default"])
        assert code_takes(model, name, box["default"])


@ALL_BOXES
def test_a_pattern_can_be_read_by_a_person(name: str, box: dict[str, Any], model: type[BaseModel]) -> None:
    assert len(box.get("pattern", "")) <= 50


GOOD = {
    "auth_base_url": ["https://abc1234.id.cyberark.cloud", "abc1234.id.cyberark.cloud/", " https://a.b:8443 "],
    "api_base_url": ["https://abc1234-eu.audit.cyberark.cloud", "\u200bhttps://abc1234.audit.cyberark.cloud"],
    "intake_server": ["", "https://intake.sekoia.io", "intake.sekoia.io"],
    "application_id": ["SekoiaAudit", "My App"],
}
BAD = {
    "auth_base_url": [
        "",
        "http://abc1234.id.cyberark.cloud",
        "https://a.id.cyberark.cloud/admin",
        "https://",
        "u@a.b",
    ],
    "api_base_url": ["", "http://abc1234.audit.cyberark.cloud", "https://abc1234.audit.cyberark.cloud/api", "a.b?c=d"],
    "intake_server": ["http://intake.sekoia.io", "https://intake.sekoia.io/batch"],
    "application_id": ["", "https://abc1234.id.cyberark.cloud/app"],
}


@pytest.mark.parametrize(("name", "box", "model"), TEXTS, ids=[name for name, _, _ in TEXTS])
def test_the_form_accepts_what_is_right_and_refuses_the_usual_mistakes(
    name: str, box: dict[str, Any], model: type[BaseModel]
) -> None:
    for value in GOOD[name]:
        assert form_takes(box, value)
        assert code_takes(model, name, value)
    for value in BAD[name]:
        assert not form_takes(box, value)
        assert not code_takes(model, name, value)


NUMBERS = [(name, box) for name, box, _ in BOXES if box["type"] == "integer"]


@pytest.mark.parametrize(("name", "box"), NUMBERS, ids=[name for name, _ in NUMBERS])
@settings(deadline=None)
@given(value=st.integers(-10, 2000))
@example(value=86_401)
def test_form_and_code_accept_the_same_numbers(name: str, box: dict[str, Any], value: int) -> None:
    # A stored configuration loads whatever its frequency: it is brought within the limits.
    assert code_takes(CyberArkAuditLogsConfiguration, name, value) == (form_takes(box, value) or name == "frequency")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_a_browser_reads_the_patterns_as_python_does() -> None:
    values = [value for values in (*GOOD.values(), *BAD.values()) for value in values if "\u200b" not in value]
    script = """
        const {patterns, values} = JSON.parse(require("fs").readFileSync(0, "utf-8"));
        const verdicts = patterns.map((pattern) => ["", "u"].map((flags) => {
            const expression = new RegExp(pattern, flags);
            return values.map((value) => expression.test(value));
        }));
        process.stdout.write(JSON.stringify(verdicts));
    """
    patterns = [box["pattern"] for _, box, _ in TEXTS]
    answer = subprocess.run(
        ["node", "-e", script],
        input=json.dumps({"patterns": patterns, "values": values}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for pattern, (plain, unicode) in zip(patterns, json.loads(answer.stdout), strict=True):
        expected = [re.search(pattern, value) is not None for value in values]
        assert plain == expected
        assert unicode == expected
