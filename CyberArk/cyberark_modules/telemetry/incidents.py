"""Logging each problem once when it starts and once when it ends, not at every attempt."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sekoia_automation.module import LogLevelStr

Log = Callable[[str, LogLevelStr], None]
# An address that does not answer may be a short outage; after this long it is more likely wrong.
ESCALATED_AFTER_S = 900.0


@dataclass
class _Incident:
    since: float
    logged: dict[str, LogLevelStr] = field(default_factory=dict)


class Incidents:
    """What fails at the moment, by name ("collection", "delivery", "state"). `monotonic` gives seconds."""

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._monotonic = monotonic
        self._current: dict[str, _Incident] = {}

    def failed(self, name: str, text: str, level: LogLevelStr, kind: str = "", escalates: bool = False) -> None:
        """Note a failure, and log it if its kind is new. One that `escalates` is logged again if it lasts."""
        incident = self._current.setdefault(name, _Incident(self._monotonic()))
        if escalates and self._monotonic() - incident.since >= ESCALATED_AFTER_S:
            level = "critical"
        if incident.logged.get(kind) != level:
            incident.logged[kind] = level
            self._log(text, level)

    def recovered(self, name: str, text: str = "") -> bool:
        """Note that it works, and log it, in those words if given; return whether it had failed."""
        incident = self._current.pop(name, None)
        if incident is None:
            return False
        lasted = duration(self._monotonic() - incident.since)
        self._log(f"{text or f'{name.capitalize()} recovered'} after {lasted}", "info")
        return True


def duration(seconds: float) -> str:
    """Return that time as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
