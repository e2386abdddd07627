"""Pushing events to the Sekoia intake, and the dead-letter file: the quarantine of what it rejects."""

from .intake import Intake, Report
from .request import Outcome

__all__ = ["Intake", "Outcome", "Report"]
