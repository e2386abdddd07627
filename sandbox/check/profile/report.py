"""The findings as lines and as JSON, to be read here and pasted into an issue: without anything of the tenant's."""

import json
from collections.abc import Iterator, Sequence

from sandbox.check.profile.record import Finding, Record

FORMAT = 1


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A short table."""
    width = max(len(finding.row) for finding in findings)
    for finding in findings:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in finding.figures.items())
        said = f"not observed: {finding.reason}" if finding.reading is None else finding.reading
        yield f"{finding.row:<{width}}  {said}{f' ({figures})' if figures else ''}"


def as_json(findings: Sequence[Finding], record: Record, version: str) -> str:
    """Phrases of this program, and numbers."""
    rows = [
        {
            "row": finding.row,
            "reading": finding.reading,
            **({"figures": dict(finding.figures)} if finding.figures else {}),
            **({"not_observed": finding.reason} if finding.reading is None else {}),
        }
        for finding in findings
    ]
    content = {
        "profile": FORMAT,
        "version": version,
        "seconds": round(record.seconds),
        "calls": len(record.calls),
        "rows": rows,
    }
    return json.dumps(content, indent=1)
