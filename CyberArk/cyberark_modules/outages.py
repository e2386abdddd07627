"""Saying what is unwell once when it starts, and once when it is over; not at every try."""

from collections.abc import Callable
from dataclasses import dataclass

from sekoia_automation.module import LogLevelStr

from .progress import RETENTION

Say = Callable[[str, LogLevelStr], None]
# An address that does not answer may be a passing outage; after this long it is more likely wrong.
ESCALATED_AFTER_S = 900.0


@dataclass
class _Outage:
    since: float
    said: dict[str, LogLevelStr]


class Outages:
    """What is unwell at the moment, by name ("collection", "delivery", "state"). `monotonic` gives seconds."""

    def __init__(self, say: Say, monotonic: Callable[[], float]) -> None:
        self._say = say
        self._monotonic = monotonic
        self._current: dict[str, _Outage] = {}

    def failed(self, name: str, text: str, level: LogLevelStr, kind: str = "", escalates: bool = False) -> None:
        """Note a failure, and say it if its kind is a new one. One that `escalates` is said again if it lasts."""
        outage = self._current.setdefault(name, _Outage(self._monotonic(), {}))
        if escalates and self._monotonic() - outage.since >= ESCALATED_AFTER_S:
            level = "critical"
        if outage.said.get(kind) != level:
            outage.said[kind] = level
            self._say(text, level)

    def over(self, name: str, saying: str = "") -> bool:
        """Note that it works, and say so, in those words if given; return whether it had been unwell."""
        outage = self._current.pop(name, None)
        if outage is None:
            return False
        seconds = self._monotonic() - outage.since
        lasted = _in_words(seconds)
        resumed = f"{saying or f'{name.capitalize()} resumed'} after {lasted}"
        if seconds < RETENTION.total_seconds():
            self._say(f"{resumed}, nothing was lost", "info")
        else:
            self._say(
                f"{resumed}. The Audit API shows the last 7 days only: older events that were not collected cannot be "
                "fetched any more.",
                "error",
            )
        return True


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
