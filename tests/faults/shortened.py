"""Starts main.py with shortened pauses: run as `python shortened.py COMMAND` in the module's folder.

An hour of the SDK's retries becomes a second, so that an outage of a few seconds is longer than that; the connector's
own pauses become a tenth of a second to a second, and half a minute without an answer three seconds. Nothing else
differs.
"""

import runpy
import sys

from sekoia_automation.connector import Connector
from tenacity import Retrying, stop_after_delay, wait_fixed

from cyberark_modules.audit_api.backoff import Backoff
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector


def retry_for_a_second(connector: Connector) -> Retrying:
    """In place of the SDK's hour."""
    return Retrying(stop=stop_after_delay(1), wait=wait_fixed(0.2), reraise=True)


if __name__ == "__main__":
    Transport.READ_TIMEOUT_S = 3.0
    CyberArkAuditLogsConnector.retry = Backoff(first=0.1, longest=1.0, first_slow=0.5, longest_slow=2.0)
    CyberArkAuditLogsConnector._retry = retry_for_a_second  # type: ignore[method-assign]
    sys.argv[0] = "main.py"
    runpy.run_path("main.py", run_name="__main__")
