"""What is generated from code: the JSON of both forms, and of the manual the tables of fields and troubleshooting.

`PYTHONPATH=CyberArk .venv/bin/python tests/docs/manual_tables.py`, from the top of this repository, writes all of it.
"""

import json
import re
from pathlib import Path
from typing import Any

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.diagnosis import DIAGNOSES, Diagnosis, ResolvedBy

TOP = Path(__file__).resolve().parents[2]
MANUAL = TOP / "docs" / "manual.md"
ACCOUNT_FILE, CONNECTOR_FILE = TOP / "CyberArk/manifest.json", TOP / "CyberArk/connector_audit_logs.json"
ACCOUNT_FORM: dict[str, Any] = json.loads(ACCOUNT_FILE.read_text("utf-8"))["configuration"]
CONNECTOR_FORM: dict[str, Any] = json.loads(CONNECTOR_FILE.read_text("utf-8"))["arguments"]

_FIXED_BY = {
    ResolvedBy.PERSON: "you",
    ResolvedBy.PERSON_IF_IT_LASTS: "you, if it persists",
    ResolvedBy.TIME: "the connector, by retrying",
}


def fields(form: dict[str, Any]) -> str:
    """Return a form as a table."""
    rows = [
        "| Field | Name | Required | If left empty | Limits | Description |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, box in form["properties"].items():
        required = "yes" if name in form["required"] else "no"
        default = box.get("default")
        empty = "refused" if required == "yes" else str(default) if default else "everything" if default == [] else "–"
        limits = f"{box['minimum']} to {box['maximum']}" if "minimum" in box else ""
        secret = " Stored as a secret." if name in form["secrets"] else ""
        rows.append(f"| {box['title']} | `{name}` | {required} | {empty} | {limits} | {box['description']}{secret} |")
    return "\n".join(rows)


def troubleshooting() -> str:
    """Return every diagnosis, one table for each heading."""
    parts = []
    for heading, rows in DIAGNOSES.items():
        parts += [f"### {heading}", "", "| Message | What the connector saw | What to do | Fixed by |"]
        parts += ["| --- | --- | --- | --- |", *map(_line, rows), ""]
    return "\n".join(parts).rstrip("\n")


def made() -> dict[str, str]:
    """Return what belongs between the marks of each name."""
    return {
        "account-fields": fields(ACCOUNT_FORM),
        "connector-fields": fields(CONNECTOR_FORM),
        "troubleshooting": troubleshooting(),
    }


def between(text: str, name: str) -> str:
    begin, end = _marks(name)
    assert text.count(begin) == text.count(end) == 1, name
    return text.partition(begin)[2].partition(end)[0].strip("\n")


def write_forms() -> None:
    """Write the JSON of both forms as their models describe them."""
    for form, model, file, entry in (
        (ACCOUNT_FORM, CyberArkModuleConfiguration, ACCOUNT_FILE, "configuration"),
        (CONNECTOR_FORM, CyberArkAuditLogsConfiguration, CONNECTOR_FILE, "arguments"),
    ):
        form.clear()
        form.update(model.model_json_schema())
        document = json.loads(file.read_text("utf-8")) | {entry: form}
        file.write_text(json.dumps(document, indent=2), "utf-8")


def write() -> None:
    """Write the tables into the manual."""
    text = MANUAL.read_text("utf-8")
    for name, content in made().items():
        begin, end = _marks(name)
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"
    MANUAL.write_text(text, "utf-8")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def _line(row: Diagnosis) -> str:
    place = "The address of the service that the message names" if row.is_about_address else _linked(str(row.place))
    remedy = f"{place[:1].upper()}{place[1:]}: {row.remedy[0].lower()}{row.remedy[1:]}" if place else row.remedy
    problem = row.about("The service", "5xx").problem
    return f"| {problem} | {row.seen} | {remedy} | {_FIXED_BY[row.resolved_by]} |"


def _linked(place: str) -> str:
    """Return the place with a link for each step of the manual; numbers in the titles of fields stay as they are."""
    fields, comma, steps = place.rpartition(", step")
    if not comma:
        fields, steps = ("", place) if place.startswith("step") else (place, "")
    return fields + comma + re.sub(r"\d+", lambda number: f"[{number[0]}](#step-{number[0]})", steps)


if __name__ == "__main__":
    write_forms()
    write()
