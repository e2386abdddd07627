"""Coverage: up to which event time everything was delivered for good, and the gaps that are still to be read.

Times are epoch milliseconds by the tenant's clock. Everything between the origin and the watermark was delivered,
except what the gaps name. A stream covers nothing that is younger than an overlap before its query was opened: events
that happened later may not have arrived by then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

# More often than one page fails in ever smaller sizes.
FAILING_AFTER = 8


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval [start_ms, end_ms) of event time that is not delivered yet.

    `page_size` is less than configured, and `failures` counts the attempts, where pages cannot be served; `retry_ms`
    is when to try again (0: now).
    """

    start_ms: int
    end_ms: int
    page_size: int | None = None
    failures: int = 0
    retry_ms: int = 0

    def is_like(self, other: "Gap") -> bool:
        """Whether both are to be read in the same way, now."""
        own, others = (self.page_size, self.failures), (other.page_size, other.failures)
        # What is being narrowed down stays apart: joined, it would be halved again and again.
        is_settled = not self.failures or self.page_size in (None, 1)
        return own == others and is_settled and not self.retry_ms and not other.retry_ms

    @property
    def is_failing(self) -> bool:
        """Whether not even a page of one event could be served, or that second again and again."""
        is_one_second = self.failures >= FAILING_AFTER and self.end_ms - self.start_ms <= 1000
        return self.retry_ms > 0 and (self.page_size == 1 or is_one_second)


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
    """The watermark, and the gaps behind it in order of time, none of which overlaps another.

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
    """Neighbours that are to be read alike are one gap, which costs one query."""
    last: Gap | None = None
    for gap in gaps:
        if last is not None and last.end_ms == gap.start_ms and last.is_like(gap):
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
