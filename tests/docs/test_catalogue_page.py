"""The catalogue page against the page of Sekoia's documentation that it replaces.

What that page holds is listed here, word for word: its steps, pictures, includes, identifiers and links.
"""

import re
from pathlib import Path

import pytest
from manual_tables import ACCOUNT_FORM, CONNECTOR_FORM

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "docs" / "catalogue" / "cyberark_identity_audit_logs.md"
PICTURES = "/assets/operation_center/integration_catalog/cloud_and_saas/cyberark_audit"
UUID = "e129243d-0eeb-4b4c-a0f6-f15051b04a7e"

STEPS = [
    "Log in the CyberArk Administration Console",
    "On the left panel, click on the application switcher and click `Audit`",
    "On the left panel, Click `SIEM integrations`",
    "Click `Create SIEM integration`",
    "Click on the link on the first link to go on the CyberArk Identity Administration console",
    "On the left panel, go to `Apps & Widgets` > `Web Apps`",
    "Click `Add Web Apps`",
    "In the popup, click on the tab `Custom`",
    "Look for `OAuth2 Server` and click `Add`",
    "Click `Yes` in the new popup",
    "Type an `Application ID`, a `Name`, and a `Category`",
    "Go to the section `Scope`",
    "Click the `Add` button and type `isp.audit.events:read` in the new entry",
    "Go to the section `Token`",
    "Select `jwtRS256` as token type",
    "Check `Client creds` as authentication method and uncheck other options",
    "Go to the section `Advanced`",
    "Paste the following script",
    "Click `Save`",
    "On the left panel, go to `Core Services` > `Users`",
    "On the right panel, Select `CyberArk Cloud Directory Users` then click `Add User`",
    "In the section `Status`, check `Is service user` and `Is OAuth confidential client`",
    "Type a login name, a display name, and a password",
    "Click `Create User`",
    "Click on the user and go to the section `Application Settings`",
    "Click `Add`",
    "Select the Web application previous created",
    "On the left panel, go to `Apps & Widgets` > `Web Apps`",
    "Click on the application previously created",
    "Go to the section `Permissions`",
    "Click `Add`",
    "Look for the user previously created",
    "Check it and click `Add`",
    "Check `Grant`, `View`, `Manage`, and `Delete` for the user",
    "Click `Save`",
    "On the `Create SIEM Page`, type the name and the description of the integration and click `Apply`",
]
# By the step that they follow. One of them is named Step5l.png on a copy of that page; only Step05l.png exists.
PICTURES_AFTER = [
    (2, "Step02.png"),
    (3, "Step03.png"),
    (4, "Step04.png"),
    (4, "Step05.png"),
    (7, "Step05c.png"),
    (9, "Step05d.png"),
    (10, "Step05e.png"),
    (11, "Step05f.png"),
    (13, "Step05g.png"),
    (16, "Step05h.png"),
    (18, "Step05i.png"),
    (21, "Step05j.png"),
    (24, "Step05k.png"),
    (26, "Step05l.png"),
    (27, "Step05m.png"),
    (31, "Step05n.png"),
    (33, "Step05p.png"),
    (35, "Step05o.png"),
]
INCLUDES = [
    "_shared_content/integration/intake_configuration.md",
    "_shared_content/operations_center/integrations/generated/e129243d-0eeb-4b4c-a0f6-f15051b04a7e_sample.md",
    "_shared_content/integration/detection_section.md",
    "_shared_content/operations_center/detection/generated/suggested_rules_e129243d-0eeb-4b4c-a0f6-f15051b04a7e_do_not_edit_manually.md",
    "_shared_content/operations_center/integrations/generated/e129243d-0eeb-4b4c-a0f6-f15051b04a7e.md",
]
FURTHER_READINGS = [
    "https://docs.cyberark.com/audit/latest/en/content/audit/isp_siem-integration.htm",
    "https://docs.cyberark.com/identity-administration/latest/en/content/ispss/ispss-add-service-user.htm",
    "https://api-docs.cyberark.com/docs/ispss-api-auth/2c297daca8a97-api-token-authentication-for-cyber-ark-identity-security-platform-shared-services",
]
SCRIPT = [
    """setClaim('tenant_id', TenantData.Get("CybrTenantID"));""",
    "setClaim('aud', 'cyberark.isp.audit');",
]
OVERVIEW = [
    "- **Supported environment**: SaaS",
    "- **Detection based on**: Audit",
    "- **Supported application or feature**:",
    "    - Audit Events",
    "!!! Warning",
    "    Important note - This format is currently in beta. We highly value your feedback to improve its performance.",
]
HEADINGS = [
    "## Overview",
    "## Configure",
    "### How to create credentials",
    "### Instruction on Sekoia",
    "## Further readings",
]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text("utf-8")


def steps_of(page: str) -> list[tuple[int, str, str]]:
    """Return number, words, and what stands below each step."""
    steps = page.partition("### How to create credentials\n")[2].partition("\n### ")[0]
    parts = re.split(r"^(\d+)\. (.+)$", steps, flags=re.MULTILINE)
    return [(int(number), words, below) for number, words, below in zip(*[iter(parts[1:])] * 3, strict=True)]


def test_front_matter_is_that_of_the_documentation(page: str) -> None:
    assert page.startswith(f"---\nuuid: {UUID}\nname: CyberArk Identity Audit Logs\ntype: intake\n---\n\n")


def test_headings_are_those_of_the_documentation_in_order(page: str) -> None:
    assert re.findall(r"^#+ .+$", page, re.MULTILINE) == HEADINGS


def test_overview_says_what_it_said(page: str) -> None:
    overview = page.partition("## Overview")[2].partition("## Configure")[0].splitlines()
    assert [line for line in overview if line] == OVERVIEW


def test_each_of_the_36_steps_is_there_word_for_word(page: str) -> None:
    assert len(STEPS) == 36
    assert [(number, words) for number, words, _ in steps_of(page)] == list(enumerate(STEPS, start=1))


def test_each_picture_is_below_its_step(page: str) -> None:
    found = [
        (number, name)
        for number, _, below in steps_of(page)
        for name in re.findall(
            rf'^    !\[\w+\]\({PICTURES}/(Step\w+\.png)\)\{{: style="max-width:100%"\}}$', below, re.MULTILINE
        )
    ]
    assert found == PICTURES_AFTER
    assert page.count("![") == len(PICTURES_AFTER)


def test_what_is_below_a_step_belongs_to_it(page: str) -> None:
    """A line that is not indented by four would end the list: the next step would be number 1."""
    for number, _, below in steps_of(page):
        assert all(not line or line.startswith("    ") for line in below.splitlines()), number


def test_script_is_below_step_18_as_it_has_to_be_pasted(page: str) -> None:
    below = {number: below for number, _, below in steps_of(page)}[18]
    script = below.partition("```")[2].partition("```")[0]
    assert [line.strip() for line in script.strip().splitlines()] == SCRIPT


def test_includes_are_there_in_order(page: str) -> None:
    assert re.findall(r"^\{!(.+)!\}$", page, re.MULTILINE) == INCLUDES
    assert page.count("{!") == len(INCLUDES)


def test_no_link_leads_out_but_the_further_readings(page: str) -> None:
    body, _, readings = page.partition("## Further readings")
    assert re.findall(r"\((https://[^)]+)\)", readings) == FURTHER_READINGS
    targets = re.findall(r"\]\(([^)]+)\)", body)
    assert all(target.startswith(f"{PICTURES}/Step") for target in targets)
    assert "<a " not in page
    addresses = set(re.findall(r"https?://[\w.-]+", body))
    assert addresses == {"https://abc1234.id.cyberark.cloud", "https://abc1234.audit.cyberark.cloud"}


def test_page_names_what_other_consoles_ask_for(page: str) -> None:
    notes = {number: below.partition("!!! note")[2] for number, _, below in steps_of(page)}
    assert "`Run` and `Automatically Deploy`" in notes[35]
    assert "`Administration` > `My environment` > `Integrations` > `Export to SIEM`" in notes[4]
    assert "`CyberArk Audit Logs`" in page


@pytest.mark.parametrize("form", [ACCOUNT_FORM, CONNECTOR_FORM], ids=["account", "connector"])
def test_page_says_where_to_find_what_each_required_field_wants(
    page: str, form: dict[str, dict[str, dict[str, str]]]
) -> None:
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    named = {title for row in cells[2:] for title in row[3].split(", ")}
    assert {form["properties"][name]["title"] for name in form["required"]} <= named
