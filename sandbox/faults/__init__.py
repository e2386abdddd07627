"""Named faults, combinable, drawn from a seed."""

from sandbox.faults.catalogue import FAULTS
from sandbox.faults.fault import FaultType
from sandbox.faults.injector import Faults

__all__ = ["FAULTS", "FaultType", "Faults"]
