"""How the platform and its intake behave."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Acceptance: TypeAlias = Literal["ids", "empty-object", "healthy", "ok", "empty", "error"]


@dataclass
class SekoiaSettings:
    """The platform and the intake. `push_latency` is in seconds.

    `counts_bytes`: the limit of an event is counted in bytes, not in characters. `refused_texts`: a request with an
    event that has one of them in its text is answered with `refused_status`. `reset_above`: requests of more bytes are
    reset. `acceptance`: what 200 comes with; only the first two are an intake's, and take the events.
    """

    token: str = "sandbox-platform-token"
    intake_key: str = "sandbox-intake-key"
    push_latency: float = 0.0
    counts_bytes: bool = False
    refused_texts: tuple[str, ...] = ()
    refused_status: int = 400
    reset_above: int | None = None
    acceptance: Acceptance = "ids"
