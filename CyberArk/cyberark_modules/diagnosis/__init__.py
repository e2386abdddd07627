"""From what was seen to what is wrong, and to the step of the guide that mends it.

One table, which the account validator, the connector's log, `./dev check` and the guide's troubleshooting speak from.
"""

from ..errors import Failure
from .audit import AUDIT
from .identity import IDENTITY, TOKEN
from .intake import INTAKE
from .network import CLOCK_OFF_S, NETWORK
from .row import Diagnosis, ResolvedBy

__all__ = ["CLOCK_OFF_S", "DIAGNOSES", "Diagnosis", "ResolvedBy", "diagnose"]

# By the headings of the guide's troubleshooting; the first row that fits is the diagnosis.
DIAGNOSES: dict[str, tuple[Diagnosis, ...]] = {
    "CyberArk Identity: the address, the web app and the service user": IDENTITY,
    "CyberArk Identity: the token": TOKEN,
    "CyberArk Audit": AUDIT,
    "Sekoia's intake": INTAKE,
    "The network and the machine": NETWORK,
}


def diagnose(failure: Failure) -> Diagnosis:
    """Return the diagnosis of what was seen; there always is one: the last row fits everything."""
    rows = (row for rows in DIAGNOSES.values() for row in rows)
    return next(row for row in rows if row.fits(failure))
