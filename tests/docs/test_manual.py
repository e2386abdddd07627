"""The manual against the forms, the diagnoses and the catalogue page."""

import json
import re
from typing import Any

import pytest
from manual_tables import ACCOUNT_FORM, CONNECTOR_FORM, MANUAL, between, made
from pydantic import TypeAdapter
from test_catalogue_page import FURTHER_READINGS, SCRIPT, STEPS

TITLES = [box["title"] for form in (ACCOUNT_FORM, CONNECTOR_FORM) for box in form["properties"].values()]
# What one can click in Sekoia, as Sekoia's own documentation names it.
CLICKS = ["Intakes", "+ New intake", "Copy intake key", "Accounts", "New accounts", "Configure", "Save"]


@pytest.fixture(scope="module")
def manual() -> str:
    return MANUAL.read_text("utf-8")


def section(manual: str, heading: str) -> str:
    return manual.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", made())
def test_tables_are_those_that_the_code_makes(manual: str, name: str) -> None:
    """When this fails: see the first lines of manual_tables.py."""
    assert between(manual, name) == made()[name]


@pytest.mark.parametrize("title", TITLES)
def test_each_field_is_named_by_its_title(manual: str, title: str) -> None:
    assert f"| {title} |" in section(manual, "The fields")


def test_six_values_are_listed_with_their_field(manual: str) -> None:
    table = re.findall(r"^\| (\d) \|.*\| (.+?) \| (?:account|connector) \|$", manual, re.MULTILINE)
    assert [number for number, _ in table] == list("123456")
    titles = [title for _, cell in table for title in cell.split(", ")]
    required = [
        form["properties"][name]["title"] for form in (ACCOUNT_FORM, CONNECTOR_FORM) for name in form["required"]
    ]
    assert sorted(titles) == sorted(required)


def test_each_step_is_that_of_the_catalogue_page_with_what_to_see(manual: str) -> None:
    parts = re.split(r'<a id="step-(\d+)"></a>\*\*\d+\.\*\* (.+)\n', manual)
    assert list(zip(map(int, parts[1::3]), parts[2::3], strict=True)) == list(enumerate(STEPS, start=1))
    for below in parts[3::3]:
        assert "You should see" in re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0]
    for line in SCRIPT:
        assert f"\n{line}\n" in manual


def test_where_to_click_in_sekoia_is_named(manual: str) -> None:
    clicks = section(manual, "In Sekoia: where to click")
    for step in "abcde":
        assert f"\n**{step}. " in clicks
    for click in CLICKS:
        assert f"`{click}`" in clicks
    assert "*CyberArk Audit Logs*" in clicks


def test_steps_that_the_forms_and_the_manual_name_exist(manual: str) -> None:
    said = json.dumps([ACCOUNT_FORM, CONNECTOR_FORM]) + manual
    assert {int(number) for number in re.findall(r"[Ss]tep (\d+)", said)} <= set(range(1, 37))


def test_sample_event_is_an_event(manual: str) -> None:
    sample = re.search(r"```json\n(.+?)\n```", between(manual, "sample-event"), re.DOTALL)
    assert sample is not None
    event = TypeAdapter(dict[str, Any]).validate_json(sample[1])
    assert {"uuid", "tenantId", "timestamp", "username", "applicationCode", "auditCode", "action"} <= event.keys()
    assert isinstance(event["timestamp"], int)


@pytest.mark.parametrize(
    "heading",
    [
        "The first run",
        "Volume",
        "Late events",
        "Filters",
        "Two instances on one tenant",
        "Events that the intake refuses",
        "Upgrade from 1.0.0 to 2.0.0",
    ],
)
def test_manual_has_a_section_on(manual: str, heading: str) -> None:
    assert len(section(manual, heading).split()) > 40
    assert f"- [{heading}](#" in manual


def test_links_lead_somewhere(manual: str) -> None:
    anchors = anchors_of(manual)
    for target in re.findall(r"\]\(([^)]+)\)", manual):
        if target.startswith("https://"):
            assert target in FURTHER_READINGS
            continue
        file, _, anchor = target.partition("#")
        assert not file or (MANUAL.parent / file).is_file(), target
        if anchor:
            assert anchor in (anchors_of((MANUAL.parent / file).read_text("utf-8")) if file else anchors), target


def anchors_of(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))
