"""Coverage: up to which event time everything was delivered for good, and the gaps that are still to be read.

Times are epoch milliseconds by the tenant's clock. Everything between the origin and the watermark was delivered,
except what the gaps name. A stream covers nothing that is younger than an overlap before its query was opened: events
that happened later may not have arrived by then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


class GapState(StrEnum):
    """What is known of a gap. What each means and what ends it is in the table of `collection/narrowing.py`."""

    UNREAD = "unread"
    NARROWED = "narrowed"
    SEARCHED = "searched"
    SKIPPED = "skipped"
    HALVED = "halved"
    REFUSED = "refused"
    UNSERVABLE = "unservable"


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval [start_ms, end_ms) of event time that is not delivered yet.

    `page_size` is how many events to ask for in a page (None: as many as configured), `failures` how many pages and
    queries have failed there, one after the other. `search_ms` is how far the last step of a search went, `retry_ms`
    when to ask again (epoch ms); both are 0 in the other states. Raises ValueError if a field does not fit the state.
    """

    start_ms: int
    end_ms: int
    state: GapState = GapState.UNREAD
    page_size: int | None = None
    failures: int = 0
    search_ms: int = 0
    retry_ms: int = 0

    def __post_init__(self) -> None:
        is_searched, waits = self.search_ms > 0, self.retry_ms > 0
        fits = is_searched == (self.state in (GapState.SEARCHED, GapState.SKIPPED))
        fits &= waits == (self.state in (GapState.REFUSED, GapState.UNSERVABLE))
        if self.state not in (GapState.HALVED, GapState.UNSERVABLE):
            fits &= (self.page_size is not None) == (is_searched or self.state is GapState.NARROWED)
        if not fits:
            raise ValueError(f"no gap is like this: {self}")

    def in_state(self, state: GapState, page_size: int | None, *, search_ms: int = 0, retry_ms: int = 0) -> "Gap":
        """Return it in that state; nothing of the former one is left."""
        return replace(self, state=state, page_size=page_size, search_ms=search_ms, retry_ms=retry_ms)

    def is_read_with(self, other: "Gap") -> bool:
        """Whether one query may read both: what is being narrowed down stays apart, or it would be halved for ever."""
        is_narrowest = self.state is GapState.NARROWED and self.page_size == 1
        is_alike = (self.state, self.page_size, self.failures) == (other.state, other.page_size, other.failures)
        return is_alike and (self.state is GapState.UNREAD or is_narrowest)

    @property
    def is_unservable(self) -> bool:
        """Whether the API cannot serve it, and it is retried at growing intervals."""
        return self.state is GapState.UNSERVABLE


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval [start_ms, end_ms) of event time."""

    start_ms: int
    end_ms: int

    def holds(self, time_ms: int | None) -> bool:
        """Return whether that event time is in it."""
        return time_ms is not None and self.start_ms <= time_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Coverage:
    """The watermark, and the gaps before it in order of time, none of which overlaps another.

    `origin_ms` is where collection began: nothing before it was asked for.
    """

    watermark_ms: int
    origin_ms: int
    gaps: tuple[Gap, ...] = ()

    def covered(self, start_ms: int, end_ms: int) -> "Coverage":
        """Return the coverage once that interval is delivered for good."""
        if end_ms <= start_ms:
            return self
        return replace(self, gaps=tuple(part for gap in self.gaps for part in _without(gap, start_ms, end_ms)))

    def with_gap(self, gap: Gap) -> "Coverage":
        """Return the coverage with that gap; what it overlaps is described by it alone."""
        if gap.start_ms >= gap.end_ms:
            return self
        gaps = (*self.covered(gap.start_ms, gap.end_ms).gaps, gap)
        return replace(self, gaps=tuple(_merged(sorted(gaps, key=lambda each: each.start_ms))))

    def gap_at(self, time_ms: int) -> Gap | None:
        """Return the gap that holds that event time."""
        return next((gap for gap in self.gaps if gap.start_ms <= time_ms < gap.end_ms), None)

    def advanced(self, watermark_ms: int) -> "Coverage":
        """Return the coverage with everything up to there delivered, except the gaps."""
        return replace(self, watermark_ms=max(self.watermark_ms, watermark_ms))

    def expired(self, oldest_ms: int) -> tuple["Coverage", tuple[Interval, ...]]:
        """Return the coverage without what the API no longer shows (before `oldest_ms`), and what was lost."""
        lost = [Interval(gap.start_ms, min(gap.end_ms, oldest_ms)) for gap in self.gaps if gap.start_ms < oldest_ms]
        if self.watermark_ms < oldest_ms:
            lost.append(Interval(self.watermark_ms, oldest_ms))
        if not lost:
            return self, ()
        return self.covered(0, oldest_ms).advanced(oldest_ms), tuple(lost)

    @property
    def first_missing_ms(self) -> int:
        """The event time up to which nothing is missing."""
        return min([self.watermark_ms, *(gap.start_ms for gap in self.gaps)])


def _merged(gaps: list[Gap]) -> Iterator[Gap]:
    """Neighbours that one query may read are one gap, which costs one query."""
    last: Gap | None = None
    for gap in gaps:
        if last is not None and last.end_ms == gap.start_ms and last.is_read_with(gap):
            last = replace(last, end_ms=gap.end_ms)
            continue
        if last is not None:
            yield last
        last = gap
    if last is not None:
        yield last


def _without(gap: Gap, start_ms: int, end_ms: int) -> Iterator[Gap]:
    if end_ms <= gap.start_ms or gap.end_ms <= start_ms:
        yield gap
        return
    if gap.start_ms < start_ms:
        yield replace(gap, end_ms=start_ms)
    if end_ms < gap.end_ms:
        yield replace(gap, start_ms=end_ms)
