"""Logging each problem once when it starts and once when it ends, not at every attempt."""

from collections.abc import Callable

from sekoia_automation.module import LogLevelStr

Log = Callable[[str, LogLevelStr], None]
# An address that does not answer may be a short outage; after this long it is more likely wrong.
ESCALATED_AFTER_S = 900.0


class Incidents:
    """What fails at the moment, by name ("collection", "delivery", "checkpoint"). `monotonic` gives seconds."""

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        self._log, self._monotonic = log, monotonic
        self._since: dict[str, float] = {}
        self._logged: dict[tuple[str, str], LogLevelStr] = {}

    def failed(self, name: str, text: str, level: LogLevelStr, kind: str = "", escalates: bool = False) -> None:
        """Note a failure, and log it if its kind is new. One that `escalates` is logged again if it lasts."""
        since = self._since.setdefault(name, self._monotonic())
        if escalates and self._monotonic() - since >= ESCALATED_AFTER_S:
            level = "critical"
        if self._logged.get((name, kind)) != level:
            self._logged[name, kind] = level
            self._log(text, level)

    def recovered(self, name: str) -> bool:
        """Note that it works, and log it; return whether it had failed."""
        since = self._since.pop(name, None)
        if since is not None:
            self._logged = {of: level for of, level in self._logged.items() if of[0] != name}
            self._log(f"{name.capitalize()} recovered after {duration(self._monotonic() - since)}", "info")
        return since is not None


def duration(seconds: float) -> str:
    """Return that time as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
