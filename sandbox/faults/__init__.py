"""Named faults, combinable, drawn from a seed."""

from sandbox.faults.catalogue import FAULTS, GROUPS
from sandbox.faults.fault import FaultType
from sandbox.faults.injector import Faults

__all__ = ["FAULTS", "GROUPS", "FaultType", "Faults"]
