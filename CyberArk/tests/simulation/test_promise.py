"""The promise under any order of faults: a Hypothesis state machine whose rules are the faults, over virtual time."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from promise import Watched
from sandbox.faults import FAULTS
from sandbox.malformed import malformed_events
from sandbox.simulation import Latency

HOUR, DAY = 3600.0, 86_400.0
# The rest acts on processes, or on the platform's own endpoints, which a simulation does not have.
SERVICE_FAULTS = sorted(
    name for name, fault in FAULTS.items() if fault.scope == "services" and name not in ("logs", "platform", "burst")
)
SPANS = st.sampled_from([1.0, 7.0, 31.0, 61.0, 180.0, 600.0])
SHARES = st.sampled_from([0.1, 0.3, 1.0])


class Promise(RuleBasedStateMachine):
    """Whatever happens: once it is over, every event promised is delivered, once, and nothing was committed too soon."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: Watched | None = None

    @initialize(
        seed=st.integers(0, 2**16),
        chunk_size=st.sampled_from([1, 20, 500]),
        overlap=st.sampled_from([0, 1, 5, 30]),
        latency=st.sampled_from([0.001, 0.02, 0.7]),
        page_latency=st.sampled_from([0.0, 0.3, 2.0]),
        requests_per_page=st.sampled_from([1, 3]),
        backlog=st.sampled_from([0, 0.5, 4]),
    )
    def begin(
        self,
        seed: int,
        chunk_size: int,
        overlap: int,
        latency: float,
        page_latency: float,
        requests_per_page: int,
        backlog: float,
    ) -> None:
        self.watched = Watched(
            seed,
            Latency(latency, latency),
            -(-chunk_size // requests_per_page),
            chunk_size=chunk_size,
            overlap=overlap,
        )
        self.watched.__enter__()
        self.rng = random.Random(seed)
        self.rate = 0.0
        self.simulation = self.watched.simulation
        self.tenant = self.simulation.world.tenant
        self.tenant.settings.page_latency = page_latency
        self.tenant.delays.most = min(1.5, self.watched.overlap)
        self.tenant.delays.least = 0.0
        # Everything is counted in pages, so that a small page is no more work than a large one.
        self.page = max(4, chunk_size)
        self.tenant.add_backlog(int(backlog * self.page), HOUR / 2)
        self.simulation.start()

    def teardown(self) -> None:
        if self.watched is None:
            return
        try:
            self.tenant.stop_production()
            self.simulation.world.faults.clear()
            self.simulation.network.forget_kill()
            self.simulation.folder.forget_kill()
            self.simulation.wall_offset = 0.0
            self.watched.settle()
        finally:
            self.watched.__exit__()

    @invariant()
    def holds(self) -> None:
        if self.watched is not None:
            self.watched.check()

    # What the tenant does

    @rule(pages_per_minute=st.sampled_from([0.0, 0.1, 1.0, 3.0]))
    def produces(self, pages_per_minute: float) -> None:
        self.rate = pages_per_minute * self.page / 60
        self.tenant.produce(self.rate)

    @rule(pages=st.sampled_from([0.3, 1.0, 2.6]), spread=st.sampled_from([0.0, 0.5, 20.0]))
    def has_a_burst(self, pages: float, spread: float) -> None:
        count = int(pages * self.page)
        for number in range(count):
            self.tenant.add(time=self.simulation.now - spread * (1 - number / count), arrival=self.simulation.now)

    @rule(count=st.integers(1, 40), share=st.floats(0.0, 1.0), wait=st.floats(0.0, 1.0))
    def has_late_events(self, count: int, share: float, wait: float) -> None:
        """Events that are shown up to the overlap after they happened, now or in a while."""
        late = self.watched.overlap * share
        arrival = self.simulation.now + late * wait
        for _ in range(count):
            self.tenant.add(time=arrival - late, arrival=arrival)

    @rule(hours=st.sampled_from([0.001, 0.02, 5.0]), in_order=st.booleans())
    def has_an_event_of_a_clock_that_is_ahead(self, hours: float, in_order: bool) -> None:
        """The API puts it at its own time, or among those that arrive with it."""
        now = self.simulation.now
        ahead = now + hours * HOUR
        text = f'{{"uuid":"{_uuid(self.rng)}","timestamp":{int(ahead * 1000)}}}'
        self.tenant.add(text, time=ahead if in_order or self.page < 20 else now, arrival=now)
        self._have_some_good_ones()

    @rule()
    def has_malformed_events(self) -> None:
        for name, text in malformed_events(self.simulation.now, self.rng).items():
            if len(text) < 10_000 and (name != "timestamp hours ahead" or self.page >= 20):
                self.tenant.add(text)
                self._have_some_good_ones()

    def _have_some_good_ones(self) -> None:
        """An order that is not that of the dates can mislead, if it is all that a page shows at its end."""
        for _ in range(3):
            self.tenant.add()

    # What the services do

    @rule(name=st.sampled_from(SERVICE_FAULTS), duration=SPANS)
    def has_a_fault(self, name: str, duration: float) -> None:
        intensity = min(FAULTS[name].intensity, self.watched.overlap) if name == "late" else None
        self.simulation.world.faults.add(name, intensity, duration=duration)

    @rule(name=st.sampled_from(["api", "cursor", "intake", "token"]), share=SHARES, duration=SPANS)
    def has_a_strong_fault(self, name: str, share: float, duration: float) -> None:
        self.simulation.world.faults.add(name, 20 * share if name == "token" else share, duration=duration)

    @rule()
    def refuses_cursors(self) -> None:
        self.tenant.refuse_cursors()

    @rule()
    def revokes_tokens(self) -> None:
        self.tenant.revoke_tokens()

    @rule()
    def has_another_integration(self) -> None:
        self.tenant.use_up_the_minute()

    # What happens to the process

    @rule()
    def is_killed(self) -> None:
        self.simulation.kill()

    @rule(
        number=st.integers(1, 30),
        service=st.sampled_from([None, "identity", "audit", "intake"]),
        after=st.booleans(),
    )
    def is_killed_at_a_request(self, number: int, service: Any, after: bool) -> None:
        self.simulation.network.kill_at_request(number, service, after=after)

    @rule(number=st.integers(1, 12), point=st.sampled_from(["before", "unfinished", "after"]))
    def is_killed_at_a_write(self, number: int, point: Any) -> None:
        self.simulation.folder.kill_at_write(number, point)

    @rule()
    def is_stopped(self) -> None:
        if self.simulation.running:
            self.simulation.stop()

    @rule(span=st.sampled_from([5.0, 70.0, 2 * HOUR, 3 * DAY, 9 * DAY]))
    def is_off_for_a_while(self, span: float) -> None:
        if self.simulation.running:
            self.simulation.stop()
        self.tenant.produce(min(self.rate, 2 * self.page / span))
        self.simulation.run_for(span)
        self.tenant.produce(self.rate)

    @rule(jump=st.sampled_from([-HOUR, -5.0, 0.0, 5.0, HOUR]))
    def has_its_clock_set(self, jump: float) -> None:
        self.simulation.wall_offset = jump

    @rule(seconds=SPANS)
    def cannot_write(self, seconds: float) -> None:
        self.watched.state_unwritable(seconds)

    @rule(seconds=SPANS)
    def cannot_read(self, seconds: float) -> None:
        self.simulation.kill()
        self.watched.state_unreadable(seconds)

    @rule(keep=st.sampled_from([0.0, 0.3, 0.99]), and_copy=st.booleans())
    def finds_its_state_damaged(self, keep: float, and_copy: bool) -> None:
        self.simulation.kill()
        self.watched.damage(keep, and_copy)

    @rule(larger=st.booleans())
    def is_configured_anew(self, larger: bool) -> None:
        if self.simulation.running:
            self.simulation.stop()
        self.watched.configure(min(500, self.page * 2) if larger else max(1, self.page // 2))

    # Time

    @rule(seconds=SPANS)
    def waits(self, seconds: float) -> None:
        self.simulation.run_for(seconds, restart=True)

    @rule(seconds=SPANS)
    def waits_again(self, seconds: float) -> None:
        self.simulation.run_for(seconds, restart=True)


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": list(HealthCheck)}


def test_whatever_happens_every_event_is_delivered_once() -> None:
    run_state_machine_as_test(
        Promise, settings=settings(max_examples=60, stateful_step_count=20, derandomize=True, **_COMMON)
    )


@pytest.mark.long
def test_whatever_happens_for_long_every_event_is_delivered_once() -> None:
    run_state_machine_as_test(Promise, settings=settings(max_examples=600, stateful_step_count=40, **_COMMON))
