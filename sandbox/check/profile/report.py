"""The findings as lines and as JSON, to be read here and pasted into an issue: without anything of the tenant's."""

import json
from collections.abc import Iterator, Sequence

from sandbox.check.profile.record import Finding, Record

FORMAT = 1


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A short table."""
    width = max(len(finding.row) for finding in findings)
    for finding in findings:
        figures = ", ".join(_figure(name, value) for name, value in finding.figures.items())
        said = f"not observed: {finding.reason}" if finding.reading is None else finding.reading
        yield f"{finding.row:<{width}}  {said}{f' ({figures})' if figures else ''}"


def as_json(findings: Sequence[Finding], record: Record, version: str) -> str:
    """Phrases of this program, and numbers."""
    rows = [json.dumps(_row(finding)) for finding in findings]
    head = {"profile": FORMAT, "version": version, "seconds": round(record.seconds), "calls": len(record.calls)}
    return json.dumps(head)[:-1] + ', "rows": [\n' + ",\n".join(rows) + "\n]}"


def _row(finding: Finding) -> dict[str, object]:
    row: dict[str, object] = {"row": finding.row, "reading": finding.reading}
    if finding.figures:
        row["figures"] = dict(finding.figures)
    if finding.reading is None:
        row["not_observed"] = finding.reason
    return row


def _figure(name: str, value: float) -> str:
    words = name.removesuffix("_s").replace("_", " ")
    return f"{words} {value:g} s" if name.endswith("_s") else f"{words} {value:g}"
