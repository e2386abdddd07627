"""The two forms of the platform: they say what the models say, and take what the code takes."""

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

MODULE = Path(__file__).resolve().parent.parent
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
def test_examples_and_defaults_are_taken(name: str, box: dict[str, Any], model: type[BaseModel]) -> None:
    values = [*box.get("examples", []), *([box["default"]] if "default" in box else [])]
    assert values or "key" in name or "password" in name
    for value in values:
        assert form_takes(box, value)
        assert code_takes(model, name, value)


HOSTS = [
    "abc1234.id.cyberark.cloud",
    "localhost",
    "A-b.C",
    "127.0.0.1",
    "256.1.1.1",
    "1.2.3",
    "-a.b",
    "a..b",
    "x" * 64,
]
PIECES = st.tuples(
    st.sampled_from(["", " ", "\u00a0", "\u200b", "\ufeff\n"]),
    st.sampled_from(["", "https://", "HttpS://", "http://", "ftp://", "//", "https:/", "u:p@"]),
    st.sampled_from([*HOSTS, "", "é.fr", "a b", "my_app", "siem@x.y"]),
    st.sampled_from(["", ":8443", ":0", ":65535", ":65536", ":", ":x"]),
    st.sampled_from(["", "/", "//", "/p", "?", "#", "\\", " x"]),
    st.sampled_from(["", " ", "\u200b", "\r\n"]),
).map("".join)
TYPED = PIECES | st.text(max_size=20) | st.text(alphabet="aZ0-._:/?#@\\ \n\u200b", max_size=20)


@pytest.mark.parametrize(("name", "box", "model"), TEXTS, ids=[name for name, _, _ in TEXTS])
@settings(max_examples=150, deadline=None)
@given(value=TYPED)
@example(value="")
@example(value="http://abc1234.id.cyberark.cloud")
@example(value=f"{'a.' * 127}b")
def test_form_and_code_take_the_same_texts(name: str, box: dict[str, Any], model: type[BaseModel], value: str) -> None:
    assert form_takes(box, value) == code_takes(model, name, value)


NUMBERS = [(name, box) for name, box, _ in BOXES if box["type"] == "integer"]


@pytest.mark.parametrize(("name", "box"), NUMBERS, ids=[name for name, _ in NUMBERS])
@settings(deadline=None)
@given(value=st.integers(-10, 2000) | st.floats() | st.booleans() | st.text(max_size=3))
@example(value=86_401)
def test_form_and_code_take_the_same_numbers(name: str, box: dict[str, Any], value: object) -> None:
    model = CyberArkAuditLogsConfiguration
    if form_takes(box, value):
        assert code_takes(model, name, value)
    elif isinstance(value, int) and not isinstance(value, bool):
        # A stored configuration goes on loading whatever its frequency: it is brought within the limits.
        assert code_takes(model, name, value) == (name == "frequency")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_a_browser_reads_the_patterns_as_the_code_does() -> None:
    blanks = ["", " ", "\u00a0", "\u200b", "\ufeff\n", "\u3000"]
    starts = ["", "https://", "HTTPS://", "http://"]
    ends = ["", ":443", ":65536", "/", "/path", "?q", "#f", "\\", " "]
    hosts = [*HOSTS, "", "é.fr", "𝒳.fr", "siem svc@x.y", "a\nb"]
    values = [f"{b}{s}{h}{e}{b}" for b in blanks for s in starts for h in hosts for e in ends]
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
