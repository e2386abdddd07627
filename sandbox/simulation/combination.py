"""One run of the adversary, drawn from a seed: a tenant under some readings, and what happens to everybody."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.events.malformed import malformed_events
from sandbox.faults import FAULTS
from sandbox.readings import ROWS, Readings
from sandbox.simulation.judge import Judge

HOUR, DAY = 3600.0, 86_400.0
Step = Callable[[Judge, random.Random], None]

_SPANS = (0.3, 7.0, 31.0, 61.0, 180.0, 400.0)
_STEPS = (3, 9)
# Events a page, and minutes of overlap: a small page with a long overlap is much work for no more insight.
_SIZES = ((1, 1), (20, 1), (20, 5), (100, 5), (500, 5), (500, 30), (1000, 5))
# Events a second without any order: what a few hours bring has to fit into the budget of keys (100 000).
_UNORDERED_RATE = 3.0
_SERVICE_FAULTS = sorted(
    name
    for name, fault in FAULTS.items()
    if fault.scope == "services"
    # Endpoints that a simulation does not have, much work, and what the readings play.
    and name not in ("logs", "platform", "burst", "late", "rival-first", "rival-regular", "intake-refuses-event")
    and not name.startswith("page-")
)


@dataclass
class Combination:
    """What a seed stands for."""

    seed: int
    readings: Readings
    page_size: int
    overlap_minutes: int
    latency_s: float
    page_latency_s: float
    push_latency_s: float
    requests_per_page: int
    rate: float
    backlog: int
    applications: list[str]
    steps: list[tuple[str, Step]] = field(default_factory=list)

    @classmethod
    def drawn(cls, seed: int, names: Iterable[str] | None = None, without: Iterable[str] = ()) -> "Combination":
        """The combination of that seed; with the `names` readings in place of drawn ones, and without some.

        What is left out by name may be a reading, or the first word of a step.
        """
        rng = random.Random(seed)
        page_size, overlap = rng.choice(_SIZES)
        left_out = set(without)
        readings = Readings(names) if names is not None else _possible(rng, left_out)
        # Small pages are as many as large ones: events are counted in pages.
        rate = rng.choice((0.0, 0.2, 1.0, 3.0)) * max(4, min(page_size, 100)) / 60
        if readings.events_per_second and page_size >= 100:
            rate = readings.events_per_second
        if "order-none" in readings.names:
            rate = min(rate, _UNORDERED_RATE)
        latency, page_latency = rng.choice((0.001, 0.02, 0.7)), rng.choice((0.05, 0.3, 2.0))
        if any(name.startswith("cursor-4") for name in readings.names) and _events_a_page(readings, page_size) <= 5:
            # A burst has to be read within a cursor's life.
            latency, page_latency = 0.001, 0.05
        rate = min(rate, _readable_rate(readings, page_size, overlap, page_latency + 2 * latency))
        return cls(
            seed=seed,
            readings=readings,
            page_size=page_size,
            overlap_minutes=overlap,
            latency_s=latency,
            page_latency_s=page_latency,
            push_latency_s=rng.choice((0.0, 0.15)),
            requests_per_page=rng.choice((1, 3)),
            rate=rate,
            backlog=int(rng.choice((0, 0.5, 4, 12)) * max(4, min(page_size, 100))),
            applications=rng.choice(([], [], [], [], ["PAM"])),
            steps=[_step(rng, left_out) for _ in range(rng.randint(*_STEPS))],
        )

    def reading_s(self, events: int) -> float:
        """About how long reading so many events through one cursor takes."""
        pages = events / _events_a_page(self.readings, self.page_size)
        return pages * (self.page_latency_s + 2 * self.latency_s)

    def describe(self) -> str:
        """In one line, without what is as usual."""
        steps = ", ".join(name for name, _ in self.steps)
        return (
            f"pages of {self.page_size}, overlap {self.overlap_minutes} min, {self.rate:.2g}/s, backlog "
            f"{self.backlog}{', filtered' if self.applications else ''}; {' '.join(self.readings.unusual)}; {steps}"
        )


def _possible(rng: random.Random, without: set[str]) -> Readings:
    """One reading of each row, but for those that nobody could survive together."""
    names = []
    for readings in ROWS.values():
        left = [reading for reading in readings if reading.name not in without]
        names.append(rng.choices(left, [reading.weight for reading in left])[0].name)
    is_ordered = "order-event-time" in names and "from-event" in names
    is_cut = "to-ignored" not in names and "order-none" not in names
    if "page-500-ever" in names and not is_ordered and not is_cut:
        # Every query that would show what is ordered after that page, though it happened before, or arrived before
        # where the filter goes by arrival, meets it first.
        names[names.index("page-500-ever")] = "page-500-hour"
    return Readings(names)


def _readable_rate(readings: Readings, page_size: int, overlap_minutes: int, page_s: float) -> float:
    """How many events a second anybody could read, some of them again, in pages that take so long."""
    names = set(readings.names)
    apart = 60.0 if "limit-call-minute" in names else 15.0 if "limit-pages-15s" in names else 0.0
    if apart or not names.isdisjoint(("limit-one-page", "limit-pages-2s")):
        page_s = 3 * max(apart, page_s, 2.0 if "limit-pages-2s" in names else 0.0)
    rate = _events_a_page(readings, page_size) / page_s / 2
    if any(name.startswith("cursor-4") for name in names):
        # Within the life of a cursor, what arrives at once has to be read.
        rate = min(rate, 600 * rate / max(2 * 60 * overlap_minutes, 720 if "shown-12min" in names else 0))
    return rate


def _events_a_page(readings: Readings, page_size: int) -> float:
    """About how many events a page holds."""
    return (
        1.0 if "middle-sparse" in readings.names else min(page_size, 5.0 if "middle-empty" in readings.names else 100)
    )


def _step(rng: random.Random, left_out: set[str]) -> tuple[str, Step]:
    make = rng.choices([make for make, _ in _STEPS_BY_WEIGHT], [weight for _, weight in _STEPS_BY_WEIGHT])[0]
    name, step = make(rng)
    while name.split()[0] in left_out:
        name, step = _fault(rng)
    span = rng.choice(_SPANS)

    def then(judge: Judge, rng: random.Random) -> None:
        step(judge, rng)
        judge.simulation.run_for(span, restart=True)

    return name, then


def _fault(rng: random.Random) -> tuple[str, Step]:
    name, span = rng.choice(_SERVICE_FAULTS), rng.choice(_SPANS)
    strength = rng.choice((0.1, 0.3, 1.0)) if "share" in FAULTS[name].unit else None
    return f"{name} {span:g}s", lambda judge, _: judge.simulation.environment.faults.add(name, strength, 0.0, span)


def _kill(rng: random.Random) -> tuple[str, Step]:
    return "kill", lambda judge, _: judge.simulation.kill()


def _kill_at_request(rng: random.Random) -> tuple[str, Step]:
    number, after = rng.randint(1, 30), rng.random() < 0.5
    service: Any = rng.choice((None, "identity", "audit", "intake"))
    late = rng.choice((None, None, 5.0, 50.0)) if not after and service == "audit" else None
    return (
        f"{'kill' if late is None else 'late-kill'} at request {number} of {service or 'any'}",
        lambda judge, _: judge.simulation.network.kill_at_request(number, service, after=after, late=late),
    )


def _kill_at_write(rng: random.Random) -> tuple[str, Step]:
    number, point = rng.randint(1, 12), rng.choice(("before", "unfinished", "after"))
    return f"kill {point} write {number}", lambda judge, _: judge.simulation.folder.kill_at_write(number, point)


def _restart(rng: random.Random) -> tuple[str, Step]:
    off = rng.choice((0.0, 5.0, 70.0, 0.5 * HOUR, 3 * HOUR))

    def stop(judge: Judge, _: random.Random) -> None:
        if judge.simulation.running:
            judge.simulation.stop()
        judge.simulation.run_for(off)

    return f"stopped {off:g}s", stop


def _turn(rng: random.Random) -> tuple[str, Step]:
    name = rng.choice(("refuse_cursors", "revoke_tokens", "use_up_the_minute"))
    return name, lambda judge, _: getattr(judge.simulation.environment.tenant, name)()


def _clock(rng: random.Random) -> tuple[str, Step]:
    jump = rng.choice((-HOUR, -5.0, 0.0, 5.0, HOUR))
    return f"clock {jump:+g}s", lambda judge, _: setattr(judge.simulation, "wall_offset", jump)


def _state(rng: random.Random) -> tuple[str, Step]:
    kind, span = rng.choice(("unwritable", "unreadable", "damaged")), rng.choice(_SPANS)
    keep, and_backup = rng.choice((0.0, 0.3, 0.99)), rng.random() < 0.5

    def act(judge: Judge, _: random.Random) -> None:
        if kind == "unwritable":
            judge.state_unwritable(span)
            return
        judge.simulation.kill()
        if kind == "unreadable":
            judge.state_unreadable(span)
        else:
            judge.damage(keep, and_backup)

    return f"state {kind}{' with backup' if kind == 'damaged' and and_backup else ''}", act


def _burst(rng: random.Random) -> tuple[str, Step]:
    count, spread = rng.choice((30, 150, 400)), rng.choice((0.0, 0.5, 20.0))

    def burst(judge: Judge, _: random.Random) -> None:
        now = judge.simulation.now
        for number in range(count):
            judge.simulation.environment.tenant.add(time=now - spread * (1 - number / count), arrival=now)

    return f"burst of {count}", burst


def _late(rng: random.Random) -> tuple[str, Step]:
    share, wait, count = rng.choice((0.2, 0.9, 1.0, 1.3, 10.0, 60.0)), rng.random(), rng.randint(1, 40)

    def late(judge: Judge, _: random.Random) -> None:
        by = min(judge.overlap * share, 5 * HOUR)
        arrival = judge.simulation.now + min(by, 600.0) * wait
        for _number in range(count):
            judge.simulation.environment.tenant.add(time=arrival - by, arrival=arrival)

    return f"{'late' if share <= 1 else 'belated'} by {share:g} overlaps", late


def _odd(rng: random.Random) -> tuple[str, Step]:
    def odd(judge: Judge, rng: random.Random) -> None:
        texts = sorted(malformed_events(judge.simulation.now, rng).values(), key=len)
        for text in rng.sample([text for text in texts if len(text) < 10_000], 6):
            judge.simulation.environment.tenant.add(text)

    return "malformed", odd


_STEPS_BY_WEIGHT = (
    (_fault, 4.0),
    (_kill, 1.0),
    (_kill_at_request, 1.5),
    (_kill_at_write, 1.0),
    (_restart, 1.0),
    (_turn, 1.0),
    (_clock, 0.5),
    (_state, 0.7),
    (_burst, 1.0),
    (_late, 1.5),
    (_odd, 0.4),
)
