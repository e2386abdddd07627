"""The guide that fills the two forms says nothing that they do not."""

import json
import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from sandbox import MODULE, TOP

GUIDE = TOP / "docs" / "cyberark_identity_audit_logs.md"
ACCOUNT_FORM: dict[str, Any] = json.loads((MODULE / "manifest.json").read_text("utf-8"))["configuration"]
CONNECTOR_FORM: dict[str, Any] = json.loads((MODULE / "connector_audit_logs.json").read_text("utf-8"))["arguments"]


@pytest.fixture(scope="module")
def guide() -> str:
    return GUIDE.read_text("utf-8")


def between(page: str, name: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    assert page.count(begin) == page.count(end) == 1
    return page.split(begin)[1].split(end)[0].strip("\n")


def table_of_fields(form: dict[str, Any]) -> str:
    """A form as the table that the guide shows."""
    rows = ["| Field | Name | Needed | If left empty | Limits | What it is |", "| --- | --- | --- | --- | --- | --- |"]
    for name, box in form["properties"].items():
        needed = "yes" if name in form["required"] else "no"
        default = box.get("default")
        empty = "refused" if needed == "yes" else str(default) if default else "everything" if default == [] else "–"
        limits = f"{box['minimum']} to {box['maximum']}" if "minimum" in box else ""
        secret = " Kept as a secret." if name in form["secrets"] else ""
        rows.append(f"| {box['title']} | `{name}` | {needed} | {empty} | {limits} | {box['description']}{secret} |")
    return "\n".join(rows)


@pytest.mark.parametrize(("form", "name"), [(ACCOUNT_FORM, "account-fields"), (CONNECTOR_FORM, "connector-fields")])
def test_guide_shows_every_field(guide: str, form: dict[str, Any], name: str) -> None:
    assert between(guide, name) == table_of_fields(form)


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


def test_steps_that_the_forms_and_the_guide_name_exist(guide: str) -> None:
    said = json.dumps([ACCOUNT_FORM, CONNECTOR_FORM]) + guide
    assert {int(number) for number in re.findall(r"[Ss]tep (\d+)", said)} <= set(range(1, 37))


def test_links_within_the_guide_lead_somewhere(guide: str) -> None:
    headings = re.findall(r"^#+ (.+)$", guide, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    anchors |= set(re.findall(r'<a id="([^"]+)">', guide))
    for target in re.findall(r"\]\(([^)]+)\)", guide):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (GUIDE.parent / target.split("#")[0]).exists()


def test_sample_event_of_the_guide_is_an_event(guide: str) -> None:
    sample = re.search(r"```json\n(.+?)\n```", between(guide, "sample-event"), re.DOTALL)
    assert sample is not None
    event = TypeAdapter(dict[str, Any]).validate_json(sample[1])
    assert {"uuid", "tenantId", "timestamp", "username", "applicationCode", "auditCode", "action"} <= event.keys()
    assert isinstance(event["timestamp"], int)


def test_guide_keeps_a_place_for_troubleshooting(guide: str) -> None:
    between(guide, "troubleshooting")
