"""A simulation whose promise is judged: what the API returns is delivered, once, and nothing false is said."""

import re
from collections import deque
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from sandbox.faults.catalogue import FAULTS
from sandbox.faults.fault import Fault
from sandbox.simulation import Line, Simulation
from sandbox.world.ledger import RETENTION_S
from sandbox.world.messages import Request, Response, Service

PAGES_IN_FLIGHT = 5 * 500
"""Events that a kill may send again at most: five pages."""

_MOST_WINDOWS = 400
_LARGEST_STATE = 5_000_000
_CAUGHT_UP = re.compile(r"Caught up: every event up to (\S+ \S+) UTC")
_DATA_LOSS = re.compile(r"Data loss: events from .* to (\S+ \S+) UTC")
_PATIENCE_S = 90.0
_OVERLAP_S = 300.0
# Between a push and the save that covers it, s.
_SAVED_WITHIN_S = 6.0


def rows(*levels: str) -> list[Fault]:
    """Return the faults of these levels that act on what the connector asks for in virtual time."""
    elsewhere = ("logs", "secrets", "callback")
    return [fault for fault in FAULTS.values() if fault.level in levels and fault.group not in elsewhere]


class Judged(Simulation):
    """A simulation that notes what is promised at every moment; `broken()` tells what did not hold.

    `duplicates_allowed` grows with each kill, by what the intake had accepted since the state was saved.
    """

    def __init__(self, seed: int = 0, page_s: float = 0.3, push_s: float = 0.15, **configuration: Any) -> None:
        self._pushes: deque[tuple[float, object, int]] = deque()
        super().__init__(seed, observe=self._note, **configuration)
        self.world.settings.audit.page_latency_s = page_s
        self.world.settings.sekoia.push_latency_s = push_s
        self.duplicates_allowed = 0
        self._disk_failed_at = -inf
        self._unsaved_queries = 0
        self.longest_silence_s = 0.0
        self.untrue: list[str] = []
        self.most_windows = self.largest_state = 0

    def start(self) -> None:
        process = self.timeline.process
        if process is not None and (process.is_killed or not self.folder.writable):
            self.duplicates_allowed += self._unsaved()
            self._unsaved_queries += self._disk_has_failed()  # when the last one was opened could not be saved
        self._pushes.clear()
        super().start()

    def run_for(self, seconds: float, restart: bool = False) -> None:
        """Let time pass, and look at the state every minute."""
        end = self.now + seconds
        while self.now < end:
            super().run_for(min(60.0, end - self.now), restart)
            if (checkpoint := self.checkpoint if self._connector is not None else None) is not None:
                self.most_windows = max(self.most_windows, len(checkpoint.windows))
            self.largest_state = max(self.largest_state, len(self.read("context.json")))

    def read(self, name: str) -> bytes:
        """Return the content of a file of the state, nothing where there is none."""
        path = Path(self.folder.path, name)
        return path.read_bytes() if path.exists() else b""

    def broken(self, patience_s: float = 0.0) -> list[str]:
        """Return what of the promise does not hold now."""
        ledger, checks = self.world.ledger, list[tuple[object, str]]()
        snapshot, lost = ledger.snapshot(), ledger.lost_count(patience_s)
        checks += [(lost, f"{lost} lost, e.g. {ledger.lost(patience_s, 3) if lost else ''}")]
        checks += [(snapshot.altered, f"{snapshot.altered} altered, e.g. {ledger.altered[:1]}")]
        more = snapshot.duplicates > self.duplicates_allowed
        checks += [(more, f"{snapshot.duplicates} duplicates, {self.duplicates_allowed} allowed")]
        too_soon = snapshot.queries_too_soon > self._unsaved_queries
        checks += [(too_soon, f"{snapshot.queries_too_soon} queries too soon")]
        checks += [(self.most_windows >= _MOST_WINDOWS, f"{self.most_windows} windows")]
        checks += [(self.largest_state >= _LARGEST_STATE, f"a state of {self.largest_state} bytes")]
        checks += [(self.folder.on_main_loop, "files on the main loop")]
        return [text for holds, text in checks if holds] + self.untrue[:3]

    def hear(self, line: Line) -> None:
        """Keep a line, and compare what is said with the truth at that moment."""
        super().hear(line)
        if (said := _DATA_LOSS.match(line.message)) and _epoch_s(said[1]) > line.time - RETENTION_S:
            self.untrue.append(f"said at {line.time:.1f}: {line.message}")
        if (said := _CAUGHT_UP.match(line.message)) is None:
            return
        ledger, until_ms = self.world.ledger, _epoch_s(said[1]) * 1000
        index = ledger.index
        waiting = self.read("dead_letters.jsonl").decode("utf-8", "replace")
        left = [
            number
            for number in ledger.missing(_PATIENCE_S)
            if index.times_ms[number] <= until_ms
            and index.arrivals[number] - index.times_ms[number] / 1000 <= _OVERLAP_S
            and not ("dead-letter file" in line.message and index.text(number)[9:45] in waiting)
        ]
        if left:
            self.untrue.append(f"said at {line.time:.1f} with {len(left)} missing: {line.message}")

    def _note(self, service: Service, request: Request, response: Response) -> None:
        if service == "intake" and response.status == 200:
            ledger, now = self.world.ledger, self.timeline()
            last = self._pushes[-1][0] if self._pushes else now
            self.longest_silence_s = max(self.longest_silence_s, now - last)
            self._pushes.append((now, self._saved_state(), ledger.accepted + ledger.duplicates))
            self._disk_failed_at = self._disk_failed_at if self.folder.writable else now
            old, newest = self._pushes[min(1, len(self._pushes) - 1)], self._pushes[-1]
            if old[1] != newest[1] and old[0] < now - 60:
                self._pushes.popleft()

    def _saved_state(self) -> object:
        path = self.folder.path / "context.json"
        return path.stat().st_mtime_ns if path.exists() else None

    def _unsaved(self) -> int:
        """Return how many events were accepted since the state was saved, or shortly before."""
        saved, now, before = self._saved_state(), self.now, 0
        ledger = self.world.ledger
        for time, state, total in self._pushes:
            if state == saved or time > now - _SAVED_WITHIN_S:
                break
            before = total
        unsaved = ledger.accepted + ledger.duplicates - before if self._pushes else 0
        return unsaved if self._disk_has_failed() else min(unsaved, PAGES_IN_FLIGHT)

    def _disk_has_failed(self) -> bool:
        return not self.folder.writable or self.now - self._disk_failed_at < _PATIENCE_S


def _epoch_s(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
