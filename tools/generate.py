"""Write the tables of the pages, from the forms and the diagnoses: `.venv/bin/python -m tools.generate`."""

import json
import re
import tomllib
from pathlib import Path

from cyberark_modules import diagnosis
from tools import MODULE, PAGE, TOP

MANIFEST, CONNECTOR = (MODULE / f"{name}.json" for name in ("manifest", "connector_audit_logs"))
MANUAL = TOP / "docs" / "manual.md"


def diagnoses() -> dict[str, list[diagnosis.Diagnosis]]:
    """Return the rows of the diagnosis table by their heading."""
    table = tomllib.loads((MODULE / "cyberark_modules" / "diagnosis" / "table.toml").read_text("utf-8"))
    return {group["heading"]: [diagnosis.Diagnosis(None, **row) for row in group["rows"]] for group in table["groups"]}


def settings() -> str:
    """Return the fields of both forms as a table, in the order in which Sekoia shows them."""
    lines = ["| Field | Name | Default | Description |", "| --- | --- | --- | --- |"]
    manifest, connector = (json.loads(path.read_text("utf-8")) for path in (MANIFEST, CONNECTOR))
    for form in (manifest["configuration"], connector["arguments"]):
        for name, field in sorted(form["properties"].items()):
            default = "required" if name in form["required"] else field.get("default") or "–"
            lines.append(f"| {field['title']} | `{name}` | {default} | {field['description']} |")
    return "\n".join(lines)


def reference() -> str:
    """Return every diagnosis with an anchor of its own."""
    lines = []
    for heading, rows in diagnoses().items():
        lines += [f"### {heading}", ""]
        for row in rows:
            problem = row.problem.replace("{service}", "the service").replace("{status}", "5xx")
            problem = problem[0].upper() + problem[1:]
            lines.append(f'- <a id="{row.name}"></a>`{row.name}`: {problem}{_place(row)}')
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def _place(row: diagnosis.Diagnosis) -> str:
    """Return what to correct: the step alone where the problem names the fields."""
    if row.resolved_by == "time" and not row.fields:
        return " Nothing to correct."
    problem = row.problem.lower()
    is_named = row.steps and all(field.lower() in problem for field in row.fields)
    places = [] if is_named else [*row.fields]
    if row.is_about_address:
        places.append("the address in the message")
    if row.steps:
        places.append(row.link.removesuffix(f" of {diagnosis.PAGE}"))
    return f" Correct: {'; '.join(places)}." if places else ""


def other_codes(page: str) -> str:
    """Return the codes that the table of the catalogue page does not explain, by who has to act."""
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.M))
    found: dict[str, list[str]] = {"correct": [], "network": [], "nothing": []}
    for heading, rows in diagnoses().items():
        for row in rows:
            key = "network" if "network" in heading else "correct"
            key = "nothing" if row.resolved_by == "time" else key
            if row.name not in explained:
                found[key].append(f"`{row.name}`")
    titles = {
        "correct": "Correct the field or the step that the message names",
        "network": "Check the network between the connector and the service that the message names",
        "nothing": "Do nothing, the connector tries again",
    }
    return "\n".join(f"- {titles[key]}: {', '.join(codes)}." for key, codes in found.items())


def pages() -> dict[Path, str]:
    """Return the text of the pages that hold generated parts, with these parts up to date."""
    manual, page = MANUAL.read_text("utf-8"), PAGE.read_text("utf-8")
    for name, content in (("settings", settings()), ("diagnoses", reference())):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, rest = manual.split(begin)
        manual = f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}"
    begin, end = "All other codes:\n\n", "\n\nAfter a correction,"
    before, rest = page.split(begin)
    return {MANUAL: manual, PAGE: f"{before}{begin}{other_codes(page)}{end}{rest.split(end)[1]}"}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
