"""How the platform and its intake behave."""

from dataclasses import dataclass


@dataclass
class SekoiaSettings:
    """The platform and the intake. `push_latency` is in seconds."""

    token: str = "sandbox-platform-token"
    intake_key: str = "sandbox-intake-key"
    push_latency: float = 0.0
