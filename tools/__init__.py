"""Programs for the people who run, check and release the connector; nothing of them runs in production."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MODULE = TOP / "CyberArk"

# The module is no installed package: `python -m tools.check` finds it wherever the clone is.
if str(MODULE) not in sys.path:
    sys.path.append(str(MODULE))
