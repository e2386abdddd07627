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
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from cyberark_modules.models import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration

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


GUIDE = MODULE.parent / "docs" / "manual.md"
needs_guide = pytest.mark.skipif(not GUIDE.exists(), reason="the module folder stands alone, without the guide")


@pytest.fixture(scope="module")
def guide() -> str:
    return GUIDE.read_text("utf-8")


def between(page: str, name: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    assert page.count(begin) == page.count(end) == 1
    return page.split(begin)[1].split(end)[0].strip("\n")


STEPS = {
    2: "Audit",
    3: "SIEM integrations",
    4: "Create SIEM integration",
    6: "Web Apps",
    9: "OAuth2 Server",
    11: "Application ID",
    13: "isp.audit.events:read",
    15: "jwtRS256",
    16: "Client creds",
    18: "setClaim('tenant_id', TenantData.Get(\"CybrTenantID\"));",
    19: "Save",
    22: "Is OAuth confidential client",
    23: "password",
    27: "web app",
    33: "Add",
    34: "Grant",
    36: "Apply",
}


@needs_guide
def test_guide_has_the_36_steps_in_order_each_with_what_to_see(guide: str) -> None:
    parts = re.split(r'<a id="step-(\d+)"></a>', guide)
    numbers = [int(number) for number in parts[1::2]]
    texts = [re.split(r"^#", part, maxsplit=1, flags=re.MULTILINE)[0] for part in parts[2::2]]
    assert numbers == list(range(1, 37))
    for number, step in zip(numbers, texts, strict=True):
        assert re.match(rf"\*\*{number}\.\*\* ", step)
        assert len(re.findall(r"You should see ", step)) == 1
        assert STEPS.get(number, "") in step
    assert "setClaim('aud', 'cyberark.isp.audit');" in texts[17]


@needs_guide
def test_steps_that_the_forms_and_the_guide_name_exist(guide: str) -> None:
    said = json.dumps([ACCOUNT_FORM, CONNECTOR_FORM]) + guide
    assert {int(number) for number in re.findall(r"[Ss]tep (\d+)", said)} <= set(range(1, 37))


@needs_guide
def test_links_within_the_guide_lead_somewhere(guide: str) -> None:
    headings = re.findall(r"^#+ (.+)$", guide, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    anchors |= set(re.findall(r'<a id="([^"]+)">', guide))
    for target in re.findall(r"\]\(([^)]+)\)", guide):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (GUIDE.parent / target.split("#")[0]).exists()


@needs_guide
def test_sample_event_of_the_guide_is_an_event(guide: str) -> None:
    sample = re.search(r"```json\n(.+?)\n```", between(guide, "sample-event"), re.DOTALL)
    assert sample is not None
    event = TypeAdapter(dict[str, Any]).validate_json(sample[1])
    assert {"uuid", "tenantId", "timestamp", "username", "applicationCode", "auditCode", "action"} <= event.keys()
    assert isinstance(event["timestamp"], int)


@needs_guide
def test_guide_keeps_a_place_for_troubleshooting(guide: str) -> None:
    between(guide, "troubleshooting")
