"""Starts main.py with shortened pauses: run as `python shortened.py COMMAND` in the module's folder.

Pauses between retries become a tenth of a second to a second, and half a minute without an answer three seconds. An
event that is refused by itself is held for ten seconds, and not for four minutes, before it is set aside.
Nothing else differs.
"""

import runpy
import sys

from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.collection import delivery
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector

if __name__ == "__main__":
    Transport.READ_TIMEOUT_S = 3.0
    CyberArkAuditLogsConnector.backoff = Backoff(first=0.1, longest=1.0, first_slow=0.5, longest_slow=2.0)
    delivery.HELD_AT_LEAST_MS, delivery.HELD_RETRY_S = 10_000, 2.0
    sys.argv[0] = "main.py"
    runpy.run_path("main.py", run_name="__main__")
