"""The checkpoint: all that a restart needs, as one frozen value that is written whole. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..audit_api.events import Event
from .coverage import Coverage, Gap, GapState, Interval
from .seen import Seen
from .stream import Stream, Use

RETENTION_MS = 7 * 86_400_000
# The published connector keeps as many; after a downgrade they are all that it knows.
RECENT_UUIDS = 1000
# The keys around a window that its stream may show: beside the overlap, what a page reaches beyond.
SLACK_MS = 120_000
# The longest that opening a query may take, with a renewed token: until then the API may count it.
QUERY_MAY_TAKE_MS = 60_000
# So long after a first query is wanted, its first pages have been delivered.
FIRST_READ_WITHIN_MS = 300_000
_FOR_EVER_MS = 1 << 50


@dataclass(frozen=True, slots=True)
class Held:
    """An event that the intake refuses by itself: it waits here, and is pushed again alone.

    `status` is the HTTP status of the last refusal (0: none), `since_ms` when the first came, `attempts` how many.
    """

    text: str
    uuid: str | None
    status: int
    since_ms: int
    attempts: int = 1


@dataclass(frozen=True)
class Checkpoint:
    """What was delivered, and what is being read.

    `position_ms` is the newest event time delivered; `queried_ms` when the last query was opened, or was about to be;
    `overlap_ms` the overlap of that time. `query_key` tells which queries the cursors belong to, `tenant_id` whose
    events these are. `recent` holds the last uuids delivered, for a downgrade. `reconciled_ms` is when the
    last finished reconciliation was opened: it was read to its end, or what it left unread became a gap.
    """

    coverage: Coverage
    streams: tuple[Stream, ...] = ()
    seen: Seen = field(default_factory=Seen)
    held: tuple[Held, ...] = ()
    position_ms: int = 0
    queried_ms: int | None = None
    overlap_ms: int | None = None
    query_key: str = ""
    tenant_id: str = ""
    recent: tuple[str, ...] = ()
    reconciled_ms: int = 0

    def stream(self, use: Use) -> Stream | None:
        """Return the stream of that use; of backfills, the first."""
        return next((stream for stream in self.streams if stream.use is use), None)

    @property
    def backfills(self) -> tuple[Stream, ...]:
        """The streams that read gaps."""
        return tuple(stream for stream in self.streams if stream.use is Use.BACKFILL)

    def with_stream(self, stream: Stream) -> "Checkpoint":
        """Return the checkpoint with that stream in the place of the one of its number, or of its use."""
        others = tuple(
            other
            for other in self.streams
            if other.number != stream.number and (stream.use is Use.BACKFILL or other.use is not stream.use)
        )
        return replace(self, streams=(*others, stream))

    def without_stream(self, stream: Stream) -> "Checkpoint":
        """Return the checkpoint without the stream of that number."""
        return replace(self, streams=tuple(other for other in self.streams if other.number != stream.number))

    def lookback_from_ms(self, now_ms: int) -> int:
        """Return where the next lookback starts: at the watermark, as far back as the keys are remembered.

        What lies before those keys is left out only where a tail has read it since the lookback before.
        """
        watermark_ms, tail = self.coverage.watermark_ms, self.stream(Use.TAIL)
        was_read = tail is not None and tail.start_ms <= watermark_ms + SLACK_MS
        return max(watermark_ms, self.seen.complete_from_ms if was_read else 0, oldest_ms(now_ms))

    def given_up(self, stream: Stream) -> Interval:
        """Return the part of what that stream shows of which the keys were given up, although it was read before.

        Nothing tells there what is new: it is left out, and not delivered again. That is the window of a stream that
        was opened where the tail has read; and what a backfill in order of time shows past its window, which another
        stream reads.
        """
        tail = self.stream(Use.TAIL)
        tail_has_read = tail is not None and tail.start_ms <= stream.start_ms + SLACK_MS
        if stream.use is Use.RECONCILIATION or (stream.use is not Use.TAIL and tail_has_read):
            return Interval(stream.start_ms, self.seen.complete_from_ms)
        if stream.use is Use.BACKFILL and stream.end_ms is not None and stream.disorder_ms <= SLACK_MS:
            return Interval(stream.end_ms, self.seen.complete_from_ms)
        return Interval(0, 0)

    def delivered(self, events: Iterable[Event], stream: Stream, now_ms: int) -> "Checkpoint":
        """Return the checkpoint once the intake has accepted those events, which that stream had shown."""
        events = tuple(events)
        if not events:
            return self
        late_before_ms, arrived_ms = self.coverage.watermark_ms - SLACK_MS, now_ms
        if stream.use is Use.BACKFILL:
            # Where the date filter goes by arrival, the events of its window arrived in it.
            late_before_ms = min(late_before_ms, stream.start_ms)
            arrived_ms = min(now_ms, stream.end_ms or now_ms)
        dates = [event.time_ms for event in events if event.time_ms is not None and event.time_ms <= now_ms]
        uuids = tuple(event.uuid for event in events if event.uuid)
        return replace(
            self,
            seen=self.seen.with_events(events, late_before_ms, now_ms, arrived_ms),
            position_ms=max(self.position_ms, *dates, 0),
            recent=(*self.recent, *uuids)[-RECENT_UUIDS:],
        )

    def pruned(self, overlap_ms: int, now_ms: int) -> "Checkpoint":
        """Return the checkpoint without the keys that nothing can show any more."""
        margin_ms = overlap_ms + SLACK_MS
        floors = [self.coverage.watermark_ms]
        floors += [stream.start_ms for stream in self.streams if stream.use in (Use.TAIL, Use.LOOKBACK)]
        live = Interval(max(0, min(floors) - margin_ms), _FOR_EVER_MS)
        read = [(gap.start_ms, gap.end_ms) for gap in self.unread_gaps()]
        read += [
            (
                stream.start_ms if stream.use is Use.RECONCILIATION else stream.resume_ms(overlap_ms),
                stream.end_ms or _FOR_EVER_MS,
            )
            for stream in self.streams
            if stream.use in (Use.BACKFILL, Use.RECONCILIATION)
        ]
        zones = [Interval(start - margin_ms, end + margin_ms) for start, end in read]
        return replace(self, seen=self.seen.pruned([live, *zones], now_ms))

    def unread_gaps(self) -> Iterator[Gap]:
        """Yield what of the gaps no backfill reads: what has failed less often first, then the oldest.

        What a search has skipped comes after what follows it.
        """
        gaps = self.coverage.gaps
        for gap in sorted(gaps, key=lambda each: (each.failures, each.state is GapState.SKIPPED, each.start_ms)):
            start_ms = gap.start_ms
            for stream in sorted(self.backfills, key=lambda each: each.start_ms):
                end_ms = stream.end_ms or gap.end_ms
                if end_ms <= start_ms or gap.end_ms <= stream.start_ms:
                    continue
                if start_ms < stream.start_ms:
                    yield replace(gap, start_ms=start_ms, end_ms=stream.start_ms)
                start_ms = max(start_ms, end_ms)
            if start_ms < gap.end_ms:
                yield replace(gap, start_ms=start_ms)


def oldest_ms(now_ms: int) -> int:
    """Return the oldest event time that may be asked for: a `dateFrom` of exactly seven days is refused."""
    return now_ms - RETENTION_MS + SLACK_MS


def first_readable_ms(now_ms: int) -> int:
    """Return where reading the whole history begins: what retention passes before it is read was never asked for."""
    return oldest_ms(now_ms + FIRST_READ_WITHIN_MS)


def first_run(now_ms: int, start_ms: int) -> Checkpoint:
    """Return the checkpoint of a tenant that was never read: its history since `start_ms` is to be delivered."""
    start_ms = max(start_ms, first_readable_ms(now_ms))
    return Checkpoint(Coverage(start_ms, start_ms))


def resume_from(date_ms: int, queried_ms: int | None = None) -> Checkpoint:
    """Return the checkpoint of a collection of which only a date is known: nothing before it is asked for."""
    return Checkpoint(Coverage(date_ms, date_ms), seen=Seen(complete_from_ms=date_ms), queried_ms=queried_ms)
