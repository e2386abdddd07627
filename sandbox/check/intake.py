"""One test event to the intake, sent as the connector sends events."""

import json
import signal
from pathlib import Path
from uuid import uuid4

from cyberark_modules import CyberArkModule
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector


def build_sender(configuration: CyberArkAuditLogsConfiguration) -> CyberArkAuditLogsConnector:
    """A connector that is used for its delivery only. To be called in the main thread."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sender = CyberArkAuditLogsConnector(CyberArkModule(), data_path=Path())
    for number, handler in handlers.items():
        # The SDK has taken them over, to stop a connector that runs.
        signal.signal(number, handler)
    sender.configuration = configuration
    return sender


def send_test_event(sender: CyberArkAuditLogsConnector, tenant_id: str, now_ms: int) -> None:
    """Raises CyberArkError when the intake does not accept it."""
    event = {
        "uuid": str(uuid4()),
        "tenantId": tenant_id,
        "timestamp": now_ms,
        "username": "nobody",
        "applicationCode": "TEST",
        "auditCode": "TEST0000",
        "auditType": "Info",
        "action": "Test of the connector's set-up",
        "message": "A test event, sent by `./dev check --send`. Nothing happened in CyberArk.",
        "customData": {},
    }
    error = sender.intake.push_one(json.dumps(event))
    if error is not None:
        raise error
