"""CyberArk and Sekoia on this machine, for the demo, the tests and the benchmark.

One world answers requests as pure functions of its clock; it is served over TLS to a real process, or called directly
in virtual time. It injects faults by name and keeps the truth in a ledger. It never runs in production.
"""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MODULE = TOP / "CyberArk"

# The module is not an installed package: `python -m sandbox.demo` finds it wherever the clone is.
if str(MODULE) not in sys.path:
    sys.path.append(str(MODULE))
