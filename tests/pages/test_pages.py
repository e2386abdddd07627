"""The pages agree with the code, and each leads its reader only to what that reader can open."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from repository import DOCS, MODULE, TOP, text, texts_of_the_code
from tools import generate

PAGE = DOCS / "catalogue" / "cyberark_identity_audit_logs.md"
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PICTURES = "/assets/operation_center/integration_catalog/cloud_and_saas/cyberark_audit"
INCLUDES = "_shared_content/operations_center/integrations/generated/e129243d-0eeb-4b4c-a0f6-f15051b04a7e"
WORDS_AT_MOST = 11_500
# Words that the product has another word for: see "Terms" in CONTRIBUTING.md.
RETIRED = re.compile(
    r"\b(backfills?|lookbacks?|reconcil\w+|seen\s+keys?|gaps?|for\s+ever|beside|anew|asked\s+for|dated|so\s+many"
    r"|unserv\w+|refuses?|refused|set\s+aside|the\s+guide|Time between two queries|Events per page)\b"
)


def prose(path: Path) -> str:
    """Return a page without code and without what is generated from elsewhere."""
    found = re.sub(r"<!-- (\w+):begin -->.+?<!-- \1:end -->", "", text(path), flags=re.S)
    return re.sub(r"```.+?```|`[^`\n]+`", "", found, flags=re.S)


def rows() -> dict[str, dict[str, Any]]:
    """Return the rows of the diagnosis table by their code."""
    table = tomllib.loads(text(MODULE / "diagnosis" / "table.toml"))
    return {row["name"]: row for group in table["groups"] for row in group["rows"]}


def form(name: str, entry: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(TOP / "CyberArk" / f"{name}.json"))[entry]
    return found


ACCOUNT, CONNECTOR = form("manifest", "configuration"), form("connector_audit_logs", "arguments")


def anchors(page: str) -> set[str]:
    """Return the anchors of a page, as Git hosts make them."""
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.M)
    }
    return headings | set(re.findall(r'<a id="([^"]+)">', page))


# The set-up page, which the Sekoia documentation publishes.


def steps() -> dict[int, tuple[str, str]]:
    """Return the words of each step, and what is below them."""
    part = text(PAGE).partition("### How to create credentials\n")[2].partition("\n### ")[0]
    found = re.split(r"^(\d+)\. (.+)$", part, flags=re.M)
    return {
        int(number): (words, below) for number, words, below in zip(found[1::3], found[2::3], found[3::3], strict=True)
    }


def test_the_36_steps_and_their_pictures_are_those_of_the_published_page() -> None:
    """Except that the pictures of steps 33 and 35, which are swapped there, are below their own steps."""
    published = [line.split("\t") for line in text(Path(__file__).with_name("published_steps.txt")).splitlines()]
    found = [[words, *re.findall(r"/(Step\w+\.png)", below)] for words, below in steps().values()]
    assert found == published
    assert [*steps()] == [*range(1, 37)]
    for _, below in steps().values():
        assert all(line.startswith("    ") for line in below.splitlines() if line)  # else the list would end
    pictures = re.findall(
        rf'^    !\[Step \d+\]\({PICTURES}/Step\w+\.png\)\{{: style="max-width:100%"\}}$', text(PAGE), re.M
    )
    assert len(pictures) == text(PAGE).count("![") == 18


def test_the_page_has_the_form_of_the_documentation() -> None:
    page = text(PAGE)
    head = ["---", "uuid: e129243d-0eeb-4b4c-a0f6-f15051b04a7e", "name: CyberArk Identity Audit Logs", "type: intake"]
    assert page.splitlines()[:7] == [*head, "---", "", "## Overview"]
    for line in ("- **Vendor**: CyberArk", "- **Supported environment**: SaaS", "- **Detection based on**: Audit"):
        assert f"{line}\n" in page
    for include in (f"{INCLUDES}_sample", "_shared_content/integration/detection_section", INCLUDES):
        assert f"\n{{!{include}.md!}}\n" in page
    assert "beta" not in page
    script = """setClaim('tenant_id', TenantData.Get("CybrTenantID"));\n    setClaim('aud', 'cyberark.isp.audit');"""
    assert script in steps()[18][1]


def test_each_value_is_noted_at_a_step_before_a_form_asks_for_it() -> None:
    page = text(PAGE)
    notes, _, in_sekoia = page.partition("### Instruction on Sekoia")
    hidden = {"intake_key"}  # Sekoia fills it in
    titles = [
        each["properties"][name]["title"]
        for each in (ACCOUNT, CONNECTOR)
        for name in each["required"]
        if name not in hidden
    ]
    values = dict(re.findall(r"^    \| `([^`]+)` \| (.+) \(step \d+\) \|$", in_sekoia, re.M))
    assert sorted(values) == sorted(titles)
    for value in values.values():
        assert re.search(rf"^\| {value} \|.*\| \d+ \|$", notes, re.M), value
        assert re.search(rf"\*\*{value}\*\*", notes, re.I), value


def test_no_link_leaves_the_documentation_before_the_further_readings() -> None:
    body = text(PAGE).partition("## Further readings")[0]
    assert all(target.startswith("/") for target in re.findall(r"\]\(([^)]+)\)", body))
    hosts = {re.sub(r"[/`].*", "", address) for address in re.findall(r"https?://(\S+)", body)}
    assert hosts == {"abc1234.id.cyberark.cloud", "abc1234.audit.cyberark.cloud"}


# Codes and messages.


def test_every_code_is_on_the_set_up_page_and_in_the_reference() -> None:
    manual = text(DOCS / "manual.md")
    printed = {code for each in texts_of_the_code() for code in re.findall(r" \[([a-z-]+)\]$", each)}
    for code in {*rows(), *printed}:
        assert f"`{code}`" in text(PAGE), "run: .venv/bin/python -m tools.generate"
        assert f'<a id="{code}">' in manual, "run: .venv/bin/python -m tools.generate"


def test_the_codes_that_the_set_up_page_explains_have_the_steps_of_the_table() -> None:
    explained = dict(re.findall(r"^\| `([a-z-]+)` \| .+ \| ([\d, ]+) \|$", text(PAGE), re.M))
    assert len(explained) == 10
    for code, numbers in explained.items():
        assert {int(number) for number in numbers.split(",")} <= set(rows()[code]["steps"]), code


def test_pages_name_only_codes_that_exist() -> None:
    for page in PAGES:
        named = set(
            re.findall(r"\[?`((?:identity|audit|token|intake|query|login|credentials|scope)-[a-z-]+)`", text(page))
        )
        assert named <= set(rows()), page.name


def test_no_message_leads_to_something_that_its_reader_cannot_open() -> None:
    texts = [str(row[key]) for row in rows().values() for key in ("problem", "remedy")]
    texts += [text(path) for path in [PAGE, *(TOP / "CyberArk").glob("*.json"), TOP / "CyberArk" / "CHANGELOG.md"]]
    texts += texts_of_the_code()
    assert [found for found in texts if re.search(r"\b(guide|manual|runbook)s?\b", found, re.I)] == []


# All pages.


def test_what_is_generated_is_up_to_date() -> None:
    for path, content in generate.pages().items():
        assert not path.exists() or text(path) == content, "run: .venv/bin/python -m tools.generate"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    if page == PAGE:
        return  # its links are those of another site
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        assert not target.startswith("http"), target
        file, _, anchor = target.partition("#")
        found = page.parent / file if file else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(text(found)), target


def test_every_picture_is_on_a_page() -> None:
    named = {name for page in PAGES for name in re.findall(r"images/([\w.-]+)", text(page))}
    assert named == {path.name for path in (DOCS / "images").iterdir()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_exist(page: Path) -> None:
    sources = {"check": "tools/check", "release": "tools", "demo": "sandbox", "bench": "sandbox"}
    for line in re.findall(r"(?:^|`)\s*\./dev ([^`#\n]+)", text(page), re.M):
        command, *words = shlex.split(line)
        assert command == "help" or f"\n  {command}  " in text(TOP / "dev"), line
        place = TOP / sources.get(command, ".")
        files = [TOP / "dev"] if place == TOP else [*place.rglob("*.py")]
        for option in (word.split("=")[0] for word in words if word.startswith("--") and word != "--help"):
            assert not files or any(f'"{option}"' in text(file) or f"{option} " in text(file) for file in files), line
    for path in re.findall(r"(?:\.venv/bin/python|\n    )\s?((?:tools|\.ci)/[\w./-]+)", text(page)):
        assert (TOP / path).exists(), path


def test_the_pages_are_short_and_use_one_word_for_one_thing() -> None:
    assert sum(len(text(page).split()) for page in PAGES) <= WORDS_AT_MOST
    for page in PAGES:
        # "Initial lookback" is the title of a field.
        found = RETIRED.findall(prose(page).replace("Initial lookback", ""))
        assert found == [], page.name
