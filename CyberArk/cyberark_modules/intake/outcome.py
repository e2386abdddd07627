"""What became of the events of one push."""

from dataclasses import dataclass

from ..audit_api.events import Event
from ..errors import CyberArkError


@dataclass(frozen=True, slots=True)
class Isolated:
    """An event that was refused alone, although the intake accepts others."""

    event: Event
    failure: CyberArkError


@dataclass(frozen=True, slots=True)
class Outcome:
    """Every pushed event is in exactly one of the four.

    `accepted` by the intake; `too_large` for any request; `isolated`: refused alone while others are accepted;
    `remaining`: neither accepted nor known to be refused alone, to be pushed again. `failure` is why (the first reason
    seen): wait before the next push, unless this one made progress. If it is None and events remain, the push was
    long enough: push the rest at once. `in_doubt`: it may be about one event, which the next push looks for.
    """

    accepted: tuple[Event, ...] = ()
    too_large: tuple[Event, ...] = ()
    isolated: tuple[Isolated, ...] = ()
    remaining: tuple[Event, ...] = ()
    failure: CyberArkError | None = None
    in_doubt: bool = False

    @property
    def made_progress(self) -> bool:
        """Whether fewer events remain than were pushed."""
        return bool(self.accepted or self.isolated or self.too_large)
