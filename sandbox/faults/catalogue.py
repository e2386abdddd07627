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

FAULTS: dict[str, FaultType] = {
    fault.name: fault
    for fault in (*INTAKE_FAULTS, *API_FAULTS, *TOKEN_FAULTS, *CURSOR_FAULTS, *CONTENT_FAULTS, *PROCESS_FAULTS)
}
