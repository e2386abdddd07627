"""The forms of the platform, generated from the models: nine fields of the connector and four of the account."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, SecretStr

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

MODULE = Path(__file__).resolve().parents[2]


def content(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MODULE / name).read_text("utf-8"))
    return loaded


FORMS: list[tuple[dict[str, Any], type[BaseModel]]] = [
    (content("manifest.json")["configuration"], CyberArkModuleConfiguration),
    (content("connector_audit_logs.json")["arguments"], CyberArkAuditLogsConfiguration),
]
BOXES = [(name, box) for form, _ in FORMS for name, box in form["properties"].items()]
ALL_FORMS = pytest.mark.parametrize(("form", "model"), FORMS, ids=["account", "connector"])
ALL_BOXES = pytest.mark.parametrize(("name", "box"), BOXES, ids=[name for name, _ in BOXES])


@ALL_FORMS
def test_a_form_says_what_its_model_says(form: dict[str, Any], model: type[BaseModel]) -> None:
    """Not equal? Write `json.dumps(…, indent=2)` of the model's JSON Schema into both files."""
    assert form == model.model_json_schema()
    Draft7Validator.check_schema(form)
    assert form["secrets"] == [name for name, field in model.model_fields.items() if field.annotation is SecretStr]
    assert list(form["properties"])[: len(form["required"])] == form["required"]


def test_the_trigger_is_the_connectors_twin() -> None:
    """The library never removes a trigger: the platform would go on to run it from the image of 1.0.0."""
    assert content("trigger_audit_logs.json") == {**content("connector_audit_logs.json"), "results": {}}


def test_the_fields_are_those_that_accounts_and_intakes_refer_to() -> None:
    account, connector = (form for form, _ in FORMS)
    assert account["required"] == ["auth_base_url", "login_name", "password", "application_id"]
    assert account["secrets"] == ["password"]
    assert connector["required"] == ["api_base_url", "api_key", "intake_key"]
    assert connector["secrets"] == ["api_key"]
    optional = {
        "filter_actions",
        "filter_applications",
        "filter_audit_types",
        "frequency",
        "intake_server",
        "start_time",
    }
    assert {*connector["properties"]} == {*connector["required"], *optional}
    assert connector["properties"]["frequency"]["default"] == 60


@ALL_BOXES
def test_every_field_says_in_a_few_words_what_to_enter(name: str, box: dict[str, Any]) -> None:
    assert 3 <= len(box["title"]) <= 40
    assert 20 <= len(box["description"]) <= 75
    assert "e.g. " in box["description"] or "key" in name or "password" in name
    assert box["type"] in ("string", "integer", "array")
    assert not {"pattern", "examples", "anyOf"} & box.keys()  # a form shows a raw pattern when it is not met
    assert box.get("format") == ("uri" if name.endswith("_base_url") else None)
    if "default" in box:
        assert Draft7Validator(box).is_valid(box["default"])
