"""Pushing events to the Sekoia intake: what it accepts, which events it refuses alone, and what waits."""

from .channel import Channel
from .dead_letters import DeadLetter, DeadLetters
from .outcome import Isolated, Outcome
from .push import Intake

__all__ = ["Channel", "DeadLetter", "DeadLetters", "Intake", "Isolated", "Outcome"]
