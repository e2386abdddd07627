"""Programs for the people who run, check and release the connector; nothing of them runs in production."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MODULE = TOP / "CyberArk"
PAGE = TOP / "docs" / "catalogue" / "cyberark_identity_audit_logs.md"

# The module is no installed package: `python -m tools.check` finds it wherever the clone is.
sys.path.append(str(MODULE))
