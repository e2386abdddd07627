"""The forms of the platform: nine fields of the connector and four of the account, as the models take them."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel

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
# What a model does not say: a text may be left empty, the password comes later, a frequency is corrected.
NOT_DERIVED: dict[str, dict[str, Any]] = {
    "intake_server": {"type": "string"},
    "password": {"default": None},
    "frequency": {"minimum": 60, "maximum": 86_400},
}


@pytest.mark.parametrize(("form", "model"), FORMS, ids=["account", "connector"])
def test_a_form_agrees_with_its_model(form: dict[str, Any], model: type[BaseModel]) -> None:
    Draft7Validator.check_schema(form)
    derived = model.model_json_schema()
    assert form["properties"].keys() == derived["properties"].keys()
    assert form["secrets"] == [name for name, field in derived["properties"].items() if field.get("writeOnly")]
    assert {*form["required"]} == {*derived["required"], *form["secrets"]}
    for name, box in form["properties"].items():
        expected = {**derived["properties"][name], **NOT_DERIVED.get(name, {})}
        for keyword in ("type", "items", "default", "minimum", "maximum"):
            assert box.get(keyword) == expected.get(keyword), (name, keyword, "else see NOT_DERIVED")


def test_the_trigger_is_the_connectors_twin() -> None:
    """The library never removes a trigger: the platform would go on to run it from the image of 1.0.0."""
    assert content("trigger_audit_logs.json") == {**content("connector_audit_logs.json"), "results": {}}


def test_the_fields_are_those_that_accounts_and_intakes_refer_to() -> None:
    account, connector = (form for form, _ in FORMS)
    assert account["required"] == ["auth_base_url", "login_name", "password", "application_id"]
    assert account["secrets"] == ["password"]
    assert connector["required"] == ["api_base_url", "api_key", "intake_key"]
    assert connector["secrets"] == ["api_key"]
    filters = ["filter_actions", "filter_applications", "filter_audit_types"]
    optional = ["intake_server", "frequency", "start_time", *filters]
    assert [*connector["properties"]] == [*connector["required"], *optional]
    assert [*account["properties"]] == account["required"]


@pytest.mark.parametrize(("name", "box"), BOXES, ids=[name for name, _ in BOXES])
def test_every_field_says_in_a_few_words_what_to_enter(name: str, box: dict[str, Any]) -> None:
    assert 3 <= len(box["title"]) <= 40
    assert 20 <= len(box["description"]) <= 75
    assert "e.g. " in box["description"] or "key" in name or "password" in name
    assert not {"pattern", "examples", "anyOf"} & box.keys()  # a form shows a raw pattern when it is not met
    assert box.get("format") == ("uri" if name.endswith("_base_url") else None)
