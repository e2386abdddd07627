"""The promise, checked from outside: what the API showed, what the intake accepted, and what the state file claims."""

import random
from datetime import timedelta
from typing import Any

import orjson

from cyberark_modules.audit_api.events import read_event
from cyberark_modules.checkpoint import Checkpoint, decode
from sandbox.environment import Service
from sandbox.faults.fault import Fault
from sandbox.ledger.ledger import RETENTION_SECONDS
from sandbox.server.http import Request, Response, json_response
from sandbox.simulation import Latency, Simulation
from sandbox.tenant.audit_api import CREATE_QUERY

STATE, COPY = "context.json", "context.previous.json"
QUERY_SPACING_S = 60.0
# The longest pause before what could not be stored is tried again.
STORED_AGAIN_WITHIN_S = 62.0


class EmptyPages(Fault):
    """Pages that come empty although there is more: no end, whatever they look like."""

    def __init__(self, share: float) -> None:
        self._rng = random.Random(1)
        self._share = share

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        hit = endpoint == "results" and response.status == 200 and self._rng.random() < self._share
        return json_response({"data": [], "paging": {"cursor": {"cursorRef": None}}}) if hit else response


class Watched:
    """A simulation whose promise is watched. `overlap` is the longest lateness (s) that is promised."""

    def __init__(
        self, seed: int = 0, latency: Latency | None = None, events_per_request: int = 1_000_000, **configuration: Any
    ) -> None:
        self.simulation = Simulation(
            seed,
            latency,
            events_per_request,
            observe=self._observe,
            stored=self._stored,
            ended=self._ended,
            **configuration,
        )
        self.chunk_size = int(configuration.get("chunk_size", 500))
        self.applications: list[str] = configuration.get("application_codes", [])
        self.overlap = timedelta(minutes=configuration.get("overlap", 5)).total_seconds()
        self.accepted: set[int] = set()
        self.keys: set[bytes] = set()
        self.may_double = 0.0
        self.promised_from = float("inf")
        self.too_soon: list[float] = []
        self._last_query = float("-inf")
        self._taken = 0
        self._taken_when_stored: dict[str, int] = {}
        self._unwritable_until = float("-inf")
        self._unreadable_until = float("-inf")
        self._judged_to = 0
        self._unaccepted: set[int] = set()

    def __enter__(self) -> "Watched":
        self.simulation.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self.simulation.__exit__(None, None, None)

    @property
    def unsaved(self) -> int:
        """How many events were accepted since the state was stored."""
        return self._taken - self._taken_when_stored.get(STATE, 0)

    def configure(self, chunk_size: int) -> None:
        """Change the page size for the next start."""
        self.simulation.configure(chunk_size=chunk_size)
        self.chunk_size = chunk_size

    @property
    def _is_unwell(self) -> bool:
        """The state cannot be written, or could not a moment ago."""
        return self.simulation.now <= self._unwritable_until + STORED_AGAIN_WITHIN_S

    def state_unwritable(self, seconds: float) -> None:
        folder, timeline = self.simulation.folder, self.simulation.timeline
        folder.writable = False
        self._unwritable_until = end = max(self._unwritable_until, timeline.now + seconds)
        timeline.at(end, lambda: setattr(folder, "writable", timeline.now >= self._unwritable_until))

    def state_unreadable(self, seconds: float) -> None:
        folder, timeline = self.simulation.folder, self.simulation.timeline
        folder.readable = False
        self._unreadable_until = end = max(self._unreadable_until, timeline.now + seconds)
        timeline.at(end, lambda: setattr(folder, "readable", timeline.now >= self._unreadable_until))

    def damage(self, keep: float, and_copy: bool) -> None:
        """Damage the state while nothing runs."""
        has_copy = self.simulation.folder.read(COPY) is not None and not and_copy
        if self.simulation.folder.read(STATE) is not None:
            self.may_double += self._taken - self._taken_when_stored[COPY] if has_copy else float("inf")
        self.simulation.folder.damage(STATE, keep)
        if and_copy:
            self.simulation.folder.damage(COPY, keep)

    def missing(self) -> list[int]:
        """The events that the API shows, that came no later than is promised, and that the intake has not accepted."""
        now = self.simulation.timeline()
        arrivals = self.simulation.environment.ledger.index.arrivals
        return [number for number in self._promised() if arrivals[number] <= now]

    def check(self) -> None:
        """What holds at every moment."""
        ledger = self.simulation.environment.ledger.snapshot()
        assert not self.too_soon, f"a query {self.too_soon} s after the last"
        assert ledger.altered == 0, self.simulation.environment.ledger.altered[:3]
        assert ledger.doubled <= self.may_double, f"{ledger.doubled} came twice, {self.may_double} may"
        assert not [line for line in self.simulation.said("error") if line.startswith("Unexpected")]
        if not self._is_unwell:
            assert self.unsaved <= self.chunk_size, "more than a page would come twice after a kill"
        stored = self.simulation.folder.read(STATE)
        if stored and not self._is_damaged(stored):
            self._check(decode(stored, int(self.simulation.now * 1000)))
        if self.simulation.running and (checkpoint := self.simulation.connector.checkpoint) is not None:
            self._check(checkpoint)

    def check_kept(self) -> None:
        """What holds once the faults are over and time has passed."""
        self.check()
        index = self.simulation.environment.ledger.index
        missing = self.missing()
        assert not missing, f"{len(missing)} lost: {[index.text(number)[:200] for number in missing[:5]]}"

    def settle(self, within: float = 6 * 3600.0, step: float = 60.0) -> None:
        """Let time pass until everything promised is there, and a little longer; then check the promise."""
        simulation = self.simulation
        latest = simulation.environment.ledger.index.last_arrival() or simulation.now
        self._run(max(0.0, latest - simulation.now) + 1.0, step)
        end = simulation.now + within
        while (self.missing() or self.promised_from == float("inf")) and simulation.now < end:
            self._run(step, step)
        self._run(130.0, step)
        self.check_kept()

    def _run(self, seconds: float, step: float) -> None:
        end = self.simulation.now + seconds
        while self.simulation.now < end:
            self.simulation.run_for(min(step, end - self.simulation.now), restart=True)
            self.check()

    def _check(self, checkpoint: Checkpoint) -> None:
        """Nothing is committed that was not accepted."""
        progress, kept = checkpoint.progress, checkpoint.delivered
        self.promised_from = min(self.promised_from, progress.settled_ms / 1000)
        index = self.simulation.environment.ledger.index
        kept_keys = set(kept.undated).union(*(slot.keys for slot in kept.slots.values())) - self.keys
        left_out = {read_event(index.text(number).decode()).key for number in index.too_large}
        assert kept_keys <= left_out, "the state names events as delivered that the intake has not accepted"
        assert progress.position_ms <= self.simulation.timeline() * 1000 + 1, "the position is in the future"
        second = progress.settled_ms // 1000 * 1000
        skipped = [number for number in self._promised() if index.times_ms[number] < second]
        assert not skipped, f"settled beyond {len(skipped)} events that are not delivered"

    def _promised(self) -> list[int]:
        index = self.simulation.environment.ledger.index
        self._unaccepted.update(range(self._judged_to, len(index)))
        self._judged_to = len(index)
        self._unaccepted -= self.accepted
        oldest_ms = max(self.promised_from, self.simulation.now - RETENTION_SECONDS) * 1000
        return [
            number
            for number in self._unaccepted
            if index.times_ms[number] >= oldest_ms
            and index.arrivals[number] <= index.times_ms[number] / 1000 + self.overlap + 0.001
            and number not in index.too_large
            and (not self.applications or index.factory.kind(number).application in self.applications)
        ]

    def _observe(self, service: Service, request: Request, response: Response) -> None:
        if service == "audit" and request.path == CREATE_QUERY:
            spacing = self.simulation.now - self._last_query
            if spacing < QUERY_SPACING_S:
                self.too_soon.append(spacing)
            if response.status == 200:
                self._last_query = self.simulation.now
        if service != "intake" or response.status != 200 or response.ending != "complete":
            return
        index = self.simulation.environment.ledger.index
        for text in orjson.loads(request.body)["jsons"] if b"\\ud" not in request.body else request.json()["jsons"]:
            number = index.identify(text)
            if number is not None:
                self.accepted.add(number)
            self.keys.add(read_event(text).key)
            self._taken += 1

    def _stored(self, name: str) -> None:
        self._taken_when_stored[name] = self._taken

    def _ended(self, was_killed: bool) -> None:
        if was_killed or self._is_unwell:
            self.may_double += self.unsaved
        self._taken_when_stored[STATE] = self._taken
        if self._is_unwell:
            # What could not be stored cannot be known by the next process.
            self._last_query = float("-inf")
            if self.simulation.folder.read(STATE) is None:
                # The next start is a first run, which promises its own history only.
                self.promised_from = float("inf")

    @staticmethod
    def _is_damaged(content: bytes) -> bool:
        try:
            return "collection" not in orjson.loads(content)
        except orjson.JSONDecodeError:
            return True
