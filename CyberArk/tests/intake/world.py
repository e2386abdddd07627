"""An intake and the caller of `Intake` in virtual time: pushes and resends go on side by side."""

import heapq
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import requests

from cyberark_modules.clock import Clock
from cyberark_modules.events import Event, read_page
from cyberark_modules.http import Http
from cyberark_modules.intake import Intake, Outcome
from cyberark_modules.intake.dead_letters import FILE_NAME

T = TypeVar("T")
URL = "https://intake.invalid/batch"
# What the intake does with a request: a status, or 0 for silence (no answer), -1 for a reset, 1 for a block page.
Rule = Callable[[list[str], float], int]
SILENCE, RESET, BLOCK_PAGE, EMPTY, NOT_INTAKE = 0, -1, 1, 2, 3


class Killed(BaseException):
    """The process is killed here."""


class Timeline(Clock):
    """A clock that tasks wait on; one of them runs at a time, and time passes only when all of them wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._queue: list[tuple[float, int, threading.Semaphore]] = []
        self._number = 0
        self._tasks: set[int] = set()
        self._main = threading.Semaphore(0)

    def wall(self) -> float:
        return 1_769_853_600.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def start(self, task: Callable[[], None]) -> None:
        def run() -> None:
            self._tasks.add(threading.get_ident())
            turn.acquire()
            task()
            self._main.release()

        turn = threading.Semaphore(0)
        self._put(0, turn)
        threading.Thread(target=run, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        if threading.get_ident() not in self._tasks:
            self.now += seconds
            return
        turn = threading.Semaphore(0)
        self._put(seconds, turn)
        self._main.release()
        turn.acquire()

    def run_until(self, end: float) -> None:
        while self._queue and self._queue[0][0] <= end:
            self.now, _, turn = heapq.heappop(self._queue)
            turn.release()
            self._main.acquire()
        self.now = max(self.now, end)

    def _put(self, seconds: float, turn: threading.Semaphore) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self.now + seconds, self._number, turn))


@dataclass
class Scripted(Http):
    """The edge: a network of one intake. `rule` decides about each request; `requests` are times, texts, answers."""

    timeline: Timeline
    rule: Rule = lambda _texts, _now: 200
    latency_s: float = 0.1
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: Counter[str] = field(default_factory=Counter)
    accepted_at: dict[str, float] = field(default_factory=dict)
    requests: list[tuple[float, list[str], int]] = field(default_factory=list)
    step: Callable[[], None] = lambda: None
    content: bytes = b""
    process: int = 0

    def __post_init__(self) -> None:
        super().__init__("1")
        self.clock = self.timeline

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        return call()

    def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        assert url == URL
        process = self.process
        self.step()
        texts = json.loads(body)["jsons"]
        answer = self.rule(texts, self.timeline.now)
        self.requests.append((self.timeline.now, texts, answer))
        late = self.latency_s > deadline_s or answer == SILENCE
        self.timeline.sleep(min(self.latency_s, deadline_s) if answer != SILENCE else deadline_s)
        if answer in (200, EMPTY):
            self.accepted.update(texts)
            self.accepted_at.update(dict.fromkeys(texts, self.timeline.now))
        if process != self.process:
            raise Killed
        self.step()
        if late:
            raise TimeoutError
        if answer == RESET:
            raise requests.ConnectionError("reset")
        bodies = {BLOCK_PAGE: b"<html>blocked</html>", EMPTY: b"{}", NOT_INTAKE: self.content}
        return max(200, answer), self.headers, bodies.get(answer, b'{"event_ids": ["1"]}')


def events(count: int, start: int = 0, size: int = 0) -> list[Event]:
    """Return events whose uuids are numbered from `start` on, of about `size` characters."""
    fields = (
        {"uuid": f"{number:08x}-0000-4000-8000-000000000000", "timestamp": 1_700_000_000_000, "p": "x" * size}
        for number in range(start, start + count)
    )
    return list(read_page(json.dumps({"data": list(fields)}).encode()).events)


def named(*texts: str) -> list[Event]:
    """Return events of those texts, whose uuids are their texts too."""
    return [Event(text, text.encode("utf-8", "replace"), None, text) for text in texts]


class Caller:
    """Pushes what there is, and what remains again after the pause; resends every second: as the engine does."""

    def __init__(self, folder: Path) -> None:
        self.timeline = Timeline()
        self.http = Scripted(self.timeline)
        self.folder = folder
        self.waiting: deque[Event] = deque()
        self.pending: list[Event] = []
        self.arrived_at: dict[str, float] = {}
        self.done: set[str] = set()
        self.outcomes: list[Outcome] = []
        self.errors: list[str] = []
        self.quarantined = 0
        self.rate, self.every_s = 0, 5.0
        self.killed_at: list[float] = []
        self._process = 0
        self.start()
        self.timeline.start(self._arrive)

    def start(self) -> None:
        """Start the process, after the one before was killed: what it has not done is pushed again."""
        http = self.http
        self._process += 1
        self.http.process = self._process

        def sdk_push(texts: list[Any]) -> None:
            self.intake.send_chunk(texts)

        self.intake = Intake(sdk_push, http, lambda: (URL, "key"), self.folder, self.errors.append)
        for task in (self._push, self._resend):
            self.timeline.start(partial(self._until_killed, task, self._process))

    def arrive(self, new: Sequence[Event]) -> None:
        self.waiting.extend(new)
        self.arrived_at.update(dict.fromkeys((event.text for event in new), self.timeline.now))

    def push(self) -> Outcome:
        """Push once what is pending, and what was read meanwhile."""
        while self.waiting and len(self.pending) < 2500:
            self.pending.append(self.waiting.popleft())
        outcome = self.intake.push(self.pending)
        self.outcomes.append(outcome)
        done = {event.text for event in outcome.done}
        self.quarantined += len(done) > outcome.accepted
        assert not done & {event.text for event in outcome.remaining}
        self.done |= done
        self.pending = [event for event in self.pending if event.text not in done]
        return outcome

    def run(self, seconds: float, rate: int = 0, every_s: float = 5.0) -> None:
        """Let time pass in which that many events a second arrive."""
        self.rate, self.every_s = rate, every_s
        self.timeline.run_until(self.timeline.now + seconds)

    def in_file(self) -> list[str]:
        path = self.folder / FILE_NAME
        return [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def _until_killed(self, task: Callable[[], float], process: int) -> None:
        try:
            while process == self._process:
                self.timeline.sleep(task())
        except Killed:
            if process == self._process:
                self.killed_at.append(self.timeline.now)
                self.start()

    def _push(self) -> float:
        if not self.pending and not self.waiting:
            return 0.5
        return max(0.01, self.push().pause_s)

    def _resend(self) -> float:
        self.intake.resend()
        return 1.0

    def _arrive(self) -> None:
        while True:
            self.timeline.sleep(self.every_s)
            count = int(self.rate * self.every_s)
            self.arrive(events(count, 1_000_000 + len(self.arrived_at)))
