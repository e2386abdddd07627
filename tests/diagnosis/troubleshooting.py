"""The guide's troubleshooting, made from the table of diagnoses.

`PYTHONPATH=CyberArk python tests/diagnosis/troubleshooting.py` writes it into the guide.
"""

import re
from pathlib import Path

from cyberark_modules.diagnosis import DIAGNOSES, Diagnosis, ResolvedBy

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "cyberark_identity_audit_logs.md"
BEGIN, END = "<!-- troubleshooting:begin -->\n", "<!-- troubleshooting:end -->"

_MENDED_BY = {
    ResolvedBy.PERSON: "you",
    ResolvedBy.PERSON_IF_IT_LASTS: "you, if it lasts",
    ResolvedBy.TIME: "time",
}


def section() -> str:
    """What stands between the two marks, both left out."""
    parts = []
    for heading, rows in DIAGNOSES.items():
        parts += [f"### {heading}", "", "| What you read | What was seen | What to do | Mended by |"]
        parts += ["| --- | --- | --- | --- |", *map(_line, rows), ""]
    return "\n".join(parts)


def section_in_guide() -> str:
    return GUIDE.read_text().partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    before, _, rest = GUIDE.read_text().partition(BEGIN)
    GUIDE.write_text(before + BEGIN + section() + END + rest.partition(END)[2])


def _line(row: Diagnosis) -> str:
    place = "The address of the service that the message names" if row.is_about_address else _linked(str(row.place))
    remedy = f"{place[:1].upper()}{place[1:]}: {row.remedy[0].lower()}{row.remedy[1:]}" if place else row.remedy
    return f"| {row.problem} | {row.seen} | {remedy} | {_MENDED_BY[row.resolved_by]} |"


def _linked(place: str) -> str:
    fields, comma, steps = place.rpartition(", step")
    if not comma:
        fields, steps = ("", place) if place.startswith("step") else (place, "")
    return fields + comma + re.sub(r"\d+", lambda number: f"[{number[0]}](#step-{number[0]})", steps)


if __name__ == "__main__":
    write()
