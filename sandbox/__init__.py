"""A CyberArk tenant and a Sekoia platform on loopback, for the demo, the tests and the benchmarks.

It plays the services as their public documentation describes them, injects faults from a seed, and keeps the
truth: what was made, what the intake accepted, what is lost and what came twice. It never runs in production.
"""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MODULE = TOP / "CyberArk"

# The module is no installed package: `python -m sandbox.check` finds it wherever the clone is.
if str(MODULE) not in sys.path:
    sys.path.append(str(MODULE))
