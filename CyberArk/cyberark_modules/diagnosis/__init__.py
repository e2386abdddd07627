"""From what was seen to what the problem is, and to the step of the guide that resolves it.

One table, `table.toml`, which a person reviews without reading Python. The account validator, the connector's log,
`./dev check` and the manual's troubleshooting all use it.
"""

from .table import CLOCK_OFF_S, DIAGNOSES, Diagnosis, ResolvedBy, diagnose

__all__ = ["CLOCK_OFF_S", "DIAGNOSES", "Diagnosis", "ResolvedBy", "diagnose"]
