"""Every fault by its name."""

from sandbox.faults.api import API_FAULTS
from sandbox.faults.content import CONTENT_FAULTS
from sandbox.faults.cursor import CURSOR_FAULTS
from sandbox.faults.fault import Fault, FaultType, Stage
from sandbox.faults.intake import INTAKE_FAULTS
from sandbox.faults.token import TOKEN_FAULTS


def _nothing(stage: Stage, intensity: float) -> Fault:
    return Fault()


PROCESS_FAULTS = (
    FaultType(
        "kill", "kill -9 of the connector, restarted at once", 30, "seconds between", _nothing, "process", "kills"
    ),
    FaultType(
        "sigterm", "the connector is asked to stop, then started", 45, "seconds between", _nothing, "process", "stops"
    ),
    FaultType(
        "state", "the state cannot be written", 20, "seconds of each minute", _nothing, "process", "times unwritable"
    ),
    FaultType(
        "clock", "the wall clock jumps forward, then back", 3600, "seconds of jump", _nothing, "process", "jumps"
    ),
)

GROUPS = {
    "The intake and the platform": INTAKE_FAULTS,
    "The Audit API": API_FAULTS,
    "Tokens": TOKEN_FAULTS,
    "Cursors": CURSOR_FAULTS,
    "Events": CONTENT_FAULTS,
    "The connector's process": PROCESS_FAULTS,
}
"""What a fault acts on, for people."""

FAULTS: dict[str, FaultType] = {fault.name: fault for group in GROUPS.values() for fault in group}
