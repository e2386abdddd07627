"""Whatever can happen to a tenant, a platform and a process, as the rules of a Hypothesis state machine.

Its invariants are the promise. Each rule lets some time pass, so that what it brings meets what the others brought.
"""

import random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from promise import EmptyPages, Watched

from sandbox.faults import FAULTS
from sandbox.simulation import Latency
from sandbox.tenant.malformed import malformed_events

HOUR, DAY = 3600.0, 86_400.0
# The others act on the process, which has rules of its own here, or on endpoints that a simulation does not have.
SERVICE_FAULTS = sorted(
    name for name, fault in FAULTS.items() if fault.scope == "services" and name not in ("logs", "platform", "burst")
)
# Events a page, and minutes of overlap: a small page with a long overlap is much work for no more insight.
SIZES = [(1, 0), (1, 1), (20, 1), (20, 5), (20, 30), (100, 0), (100, 5)]
SPANS = st.sampled_from([0.3, 7.0, 31.0, 61.0, 180.0, 400.0])
SHARES = st.sampled_from([0.1, 0.3, 1.0])
RATES = st.sampled_from([0.0, 0.2, 1.0, 3.0])
SERVICES = st.sampled_from([None, "identity", "audit", "intake"])
POINTS = st.sampled_from(["before", "unfinished", "after"])


class Adversary(RuleBasedStateMachine):
    """Once it is over, every event promised is delivered, once; and at no time was anything committed too soon.

    Events are counted in pages, so that a small page is no more work than a large one.
    """

    watched: Watched | None = None

    @initialize(
        seed=st.integers(0, 2**16),
        sizes=st.sampled_from(SIZES),
        latency=st.sampled_from([0.001, 0.02, 0.7]),
        page_latency=st.sampled_from([0.0, 0.3, 2.0]),
        requests_per_page=st.sampled_from([1, 3]),
        backlog=st.sampled_from([0, 0.5, 4]),
        rate=RATES,
    )
    def begins(
        self,
        seed: int,
        sizes: tuple[int, int],
        latency: float,
        page_latency: float,
        requests_per_page: int,
        backlog: float,
        rate: float,
    ) -> None:
        chunk_size, overlap = sizes
        self.watched = Watched(
            seed,
            Latency(latency, latency),
            -(-chunk_size // requests_per_page),
            chunk_size=chunk_size,
            overlap=overlap,
        )
        self.simulation = self.watched.__enter__().simulation
        self.environment, self.tenant = self.simulation.environment, self.simulation.environment.tenant
        self.rng = random.Random(seed)
        self.overlap = overlap * 60.0
        self.page = max(4, chunk_size)
        self.tenant.settings.page_latency = page_latency
        delays = self.tenant.delays
        delays.least, delays.most = 0.0, min(1.5, self.overlap)
        delays.late_share, delays.late_bound = 0.1, self.overlap
        self.tenant.add_backlog(int(backlog * self.page), HOUR / 2)
        self.simulation.start()
        self.produces(rate, 0.0)

    def teardown(self) -> None:
        """The faults are over."""
        if self.watched is None:
            return
        try:
            self.tenant.stop_production()
            self.environment.faults.clear()
            self.simulation.network.forget_kill()
            self.simulation.folder.forget_kill()
            self.simulation.wall_offset = 0.0
            self.watched.settle()
        finally:
            self.watched.__exit__()

    @invariant()
    def promise_holds(self) -> None:
        if self.watched is not None:
            self.watched.check()

    def passes(self, seconds: float) -> None:
        self.simulation.run_for(seconds, restart=True)

    # What the tenant does.

    @rule(pages_a_minute=RATES, then=SPANS)
    def produces(self, pages_a_minute: float, then: float) -> None:
        self.rate = pages_a_minute * self.page / 60
        self.tenant.produce(self.rate)
        self.passes(then)

    @rule(pages=st.sampled_from([0.3, 1.0, 2.6]), spread=st.sampled_from([0.0, 0.5, 20.0]), then=SPANS)
    def has_a_burst(self, pages: float, spread: float, then: float) -> None:
        count = int(pages * self.page)
        for number in range(count):
            # Shown when the last of them happens, and so never later than is promised.
            late = min(spread, self.overlap) * (1 - number / count)
            self.tenant.add(time=self.simulation.now - late, arrival=self.simulation.now)
        self.passes(then)

    @rule(count=st.integers(1, 40), share=st.floats(0.0, 1.0), wait=st.floats(0.0, 1.0), then=SPANS)
    def has_late_events(self, count: int, share: float, wait: float, then: float) -> None:
        """Events that are shown up to the overlap after they happened, now or in a while."""
        late = self.overlap * share
        arrival = self.simulation.now + late * wait
        for _ in range(count):
            self.tenant.add(time=arrival - late, arrival=arrival)
        self.passes(then)

    @rule(hours=st.sampled_from([0.001, 0.02, 5.0]), in_order=st.booleans(), then=SPANS)
    def has_an_event_of_a_clock_that_is_ahead(self, hours: float, in_order: bool, then: float) -> None:
        """The API puts it at its own time, or among those that arrive with it."""
        now = self.simulation.now
        ahead = now + hours * HOUR
        text = f'{{"uuid":"{_uuid(self.rng)}","timestamp":{int(ahead * 1000)}}}'
        self.tenant.add(text, time=ahead if in_order else now, arrival=now)
        self._have_good_ones()
        self.passes(then)

    @rule(then=SPANS)
    def has_malformed_events(self, then: float) -> None:
        texts = sorted(malformed_events(self.simulation.now, self.rng).values(), key=len)
        for text in self.rng.sample([text for text in texts if len(text) < 10_000], 6):
            self.tenant.add(text)
            self._have_good_ones()
        self.passes(then)

    def _have_good_ones(self) -> None:
        """Where all the last dates read are wrong, nobody could tell how far it is read."""
        for _ in range(3):
            self.tenant.add()

    # What the services do.

    @rule(name=st.sampled_from(SERVICE_FAULTS), duration=SPANS, then=SPANS)
    def has_a_fault(self, name: str, duration: float, then: float) -> None:
        intensity = min(FAULTS[name].intensity, self.overlap) if name == "late" else None
        self.environment.faults.add(name, intensity, duration=duration)
        self.passes(then)

    @rule(
        name=st.sampled_from(["api", "cursor", "intake", "intake-refusals"]), share=SHARES, duration=SPANS, then=SPANS
    )
    def has_a_fault_of_some_strength(self, name: str, share: float, duration: float, then: float) -> None:
        self.environment.faults.add(name, share, duration=duration)
        self.passes(then)

    @rule(share=SHARES, duration=SPANS, then=SPANS)
    def has_pages_that_come_empty(self, share: float, duration: float, then: float) -> None:
        self.environment.faults.hold(EmptyPages(share), duration=duration)
        self.passes(then)

    @rule(action=st.sampled_from(["refuse_cursors", "revoke_tokens", "use_up_the_minute"]), then=SPANS)
    def turns(self, action: str, then: float) -> None:
        getattr(self.tenant, action)()
        self.passes(then)

    # What happens to the process.

    @rule(then=SPANS)
    def is_killed(self, then: float) -> None:
        self.simulation.kill()
        self.passes(then)

    @rule(number=st.integers(1, 30), service=SERVICES, after=st.booleans(), then=SPANS)
    def is_killed_at_a_request(self, number: int, service: Any, after: bool, then: float) -> None:
        self.simulation.network.kill_at_request(number, service, after=after)
        self.passes(then)

    @rule(number=st.integers(1, 12), point=POINTS, then=SPANS)
    def is_killed_at_a_write(self, number: int, point: Any, then: float) -> None:
        self.simulation.folder.kill_at_write(number, point)
        self.passes(then)

    @rule(
        off=st.sampled_from([0.0, 5.0, 70.0, 2 * HOUR, 3 * DAY, 9 * DAY]),
        larger=st.sampled_from([0.5, 1.0, 2.0]),
        then=SPANS,
    )
    def is_stopped(self, off: float, larger: float, then: float) -> None:
        """For a while, and perhaps to be configured anew."""
        if self.simulation.running:
            self.simulation.stop()
        self.watched_for_sure.configure(min(500, max(1, int(self.watched_for_sure.chunk_size * larger))))
        self.tenant.produce(min(self.rate, 2 * self.page / max(off, 1.0)))
        self.simulation.run_for(off)
        self.tenant.produce(self.rate)
        self.passes(then)

    @rule(jump=st.sampled_from([-HOUR, -5.0, 0.0, 5.0, HOUR]), then=SPANS)
    def has_its_clock_set(self, jump: float, then: float) -> None:
        self.simulation.wall_offset = jump
        self.passes(then)

    @rule(seconds=SPANS, then=SPANS)
    def cannot_write(self, seconds: float, then: float) -> None:
        self.watched_for_sure.state_unwritable(seconds)
        self.passes(then)

    @rule(seconds=SPANS, then=SPANS)
    def cannot_read(self, seconds: float, then: float) -> None:
        self.simulation.kill()
        self.watched_for_sure.state_unreadable(seconds)
        self.passes(then)

    @rule(keep=st.sampled_from([0.0, 0.3, 0.99]), and_copy=st.booleans(), then=SPANS)
    def finds_its_state_damaged(self, keep: float, and_copy: bool, then: float) -> None:
        self.simulation.kill()
        self.watched_for_sure.damage(keep, and_copy)
        self.passes(then)

    @property
    def watched_for_sure(self) -> Watched:
        assert self.watched is not None
        return self.watched


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
