"""The checkpoint: all that a restart needs, as one frozen value that is saved whole. No I/O.

Times are epoch milliseconds. What no window names is done: delivered, or lost. What is read `again` is done, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..events import Event
from .keys import Keys

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
DAY_MS = 1440 * MINUTE_MS
# The largest page that every tenant serves: more is rejected with HTTP 400.
PAGE_SIZE = 500
# An event that arrives so late is delivered by the query of the next minute.
OVERLAP_MS = 5 * MINUTE_MS
# CyberArk keeps the events of seven days; a `dateFrom` of exactly seven days ago is rejected.
RETENTION_MS = 7 * DAY_MS
RETENTION_MARGIN_MS = 2 * MINUTE_MS
# The published connector keeps as many uuids; after a downgrade they are all that it knows.
UUIDS_KEPT = 1000
# With more unread windows than this, the two nearest are read as one.
WINDOWS_AT_MOST = 400
TIMES_KEPT = 16  # show how far a reader is: a few events with a wrong clock do not move it
Times = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """An interval [start_ms, end_ms) of event time to be read; without an end it is the open one.

    Both bounds are whole seconds, as the API reads them. `again`: it is complete and read once more, for events that
    arrived late. `to_confirm` counts the ends that are known; another query has yet to bring nothing new. What a page
    that fails has left is read in pages of `page_size`, and not before `retry_at_ms`, after `failures` attempts.
    """

    start_ms: int
    end_ms: int | None = None
    again: bool = False
    to_confirm: int = 0
    page_size: int = PAGE_SIZE
    retry_at_ms: int = 0
    failures: int = 0

    def without(self, start_ms: int, end_ms: int) -> Iterator["Window"]:
        """Yield what is left of a closed window without that interval."""
        if self.end_ms is None or end_ms <= max(start_ms, self.start_ms) or self.end_ms <= start_ms:
            yield self
            return
        if self.start_ms < start_ms:
            yield replace(self, end_ms=start_ms)
        if end_ms < self.end_ms:
            yield replace(self, start_ms=end_ms)


@dataclass(frozen=True)
class Reader:
    """A query that is being read, of that window.

    `number` tells it from all others, and the later of two has the greater one; `opened_ms` is the time at which its
    query was opened, by the earlier of the two clocks; `query` identifies the form's settings that it was opened with.
    `cursor` is the page to fetch next, `times` are those of the last events, `newest_ms` the latest of all, `span_ms`
    the event time of the last page. `events` and `new` count the events with a time, and all that were not delivered
    before, `idle_pages` the pages in a row that brought nothing, `short_pages` those with few events since the last
    one with more. `caught_up`: it has read everything that the API returned once. `marks` are places a few seconds
    back, the oldest first: the cursor that reads on from there, and the last event times before it.
    """

    number: int
    window: Window
    opened_ms: int
    cursor: str
    query: str = ""
    times: Times = ()
    newest_ms: int = 0
    span_ms: int = 0
    events: int = 0
    new: int = 0
    idle_pages: int = 0
    short_pages: int = 0
    is_disordered: bool = False
    caught_up: bool = False
    marks: tuple[tuple[str, Times], ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it follows the live edge."""
        return self.window.end_ms is None

    def position_at(self, times: Times) -> int:
        """Return how far it was after those: the earliest of them, or the window's start while they are too few."""
        return max(self.window.start_ms, min(times)) if len(times) == TIMES_KEPT else self.window.start_ms

    @property
    def position_ms(self) -> int:
        """The event time up to which it has read."""
        return self.position_at(self.times)

    @property
    def resume_ms(self) -> int:
        """Where another query continues, within the window. Without any order, it is read from its start again."""
        next_ms = min(self.position_ms, self.window.end_ms or self.position_ms)
        return self.window.start_ms if self.is_disordered else whole_second(next_ms)


@dataclass(frozen=True)
class Checkpoint:
    """What is still to be read, what is being read, and the keys of what was delivered.

    `windows` are in order, none overlaps another; the last one is open: it starts at the watermark.
    `queried_ms` is the latest time at which the API may have counted the last query; `tenant_id` whose events these
    are; `uuids` are the last ones delivered, for a downgrade.
    """

    windows: tuple[Window, ...]
    readers: tuple[Reader, ...] = ()
    keys: Keys = field(default_factory=Keys)
    queried_ms: int | None = None
    tenant_id: str = ""
    uuids: tuple[str, ...] = ()

    @property
    def watermark_ms(self) -> int:
        """The start of the open window: everything before it was delivered, but for what the windows name."""
        return self.windows[-1].start_ms

    @property
    def unread(self) -> tuple[Window, ...]:
        """The closed windows that are not complete, without what was read of them."""
        read_to = {reader.window.start_ms: reader.resume_ms for reader in self.window_readers}
        unread = (window for window in self.windows[:-1] if not window.again)
        return tuple(replace(each, start_ms=read_to.get(each.start_ms, each.start_ms)) for each in unread)

    @property
    def first_unread_ms(self) -> int:
        """The event time before which everything was delivered."""
        return min([self.watermark_ms, *(window.start_ms for window in self.unread)])

    @property
    def live(self) -> list[Reader]:
        """The live readers, the oldest first."""
        return [reader for reader in self.readers if reader.is_live]

    @property
    def window_readers(self) -> list[Reader]:
        """The readers of closed windows."""
        return [reader for reader in self.readers if not reader.is_live]

    def with_reader(self, reader: Reader) -> "Checkpoint":
        """Return the checkpoint with that reader in the place of the one of its number."""
        others = (other for other in self.readers if other.number != reader.number)
        return replace(self, readers=tuple(sorted((*others, reader), key=lambda each: each.number)))

    def without_readers(self, *readers: Reader) -> "Checkpoint":
        """Return the checkpoint without those readers; what window readers have read is complete."""
        numbers = {reader.number for reader in readers}
        found = replace(self, readers=tuple(reader for reader in self.readers if reader.number not in numbers))
        for reader in readers:
            found = found if reader.is_live else found.with_complete(reader.window.start_ms, reader.resume_ms)
        return found

    def with_complete(self, start_ms: int, end_ms: int) -> "Checkpoint":
        """Return the checkpoint with that interval complete."""
        parts = (part for window in self.windows for part in window.without(start_ms, end_ms))
        return replace(self, windows=tuple(parts))

    def with_windows(self, *windows: Window) -> "Checkpoint":
        """Return the checkpoint with those closed windows, each in the place of what it overlaps."""
        found = self
        for window in windows:
            if window.end_ms is not None and window.start_ms < window.end_ms:
                others = found.with_complete(window.start_ms, window.end_ms).windows[:-1]
                closed = _bounded(sorted((*others, window), key=lambda each: each.start_ms))
                found = replace(found, windows=(*closed, found.windows[-1]))
        return found

    def advanced(self, watermark_ms: int) -> "Checkpoint":
        """Return the checkpoint with the open window starting there, if that is later."""
        start_ms = max(self.watermark_ms, whole_second(watermark_ms))
        return replace(self, windows=(*self.windows[:-1], replace(self.windows[-1], start_ms=start_ms)))

    def expired(self, oldest_ms: int) -> tuple["Checkpoint", list[tuple[int, int]]]:
        """Return the checkpoint without what the API no longer returns (before `oldest_ms`), and what was lost."""
        read = {reader.window.start_ms for reader in self.window_readers}
        ends = {each.start_ms: min(each.end_ms or oldest_ms, oldest_ms) for each in self.windows if not each.again}
        lost = [(start, end) for start, end in ends.items() if start < oldest_ms and start not in read]
        found = self
        for start, end in lost:
            found = found.with_complete(start, whole_second(end, up=True))
        return found.advanced(oldest_ms), lost

    def with_delivered(self, events: Sequence[Event], now_ms: int) -> "Checkpoint":
        """Return the checkpoint once those events are done. `now_ms` is the later of the two clocks."""
        uuids = (*self.uuids, *(event.uuid for event in events if event.uuid))
        return replace(self, keys=self.keys.with_events(events, now_ms), uuids=uuids[-UUIDS_KEPT:])

    def pruned(self, now_ms: int) -> "Checkpoint":
        """Return the checkpoint without keys that nothing can return any more. `now_ms`: the earlier clock."""
        live_ms = min([self.watermark_ms, *(reader.window.start_ms for reader in self.live)])
        needed = [(live_ms, None), *((window.start_ms, window.end_ms) for window in self.unread)]
        return replace(self, keys=self.keys.pruned(needed, now_ms))


def whole_second(time_ms: int, up: bool = False) -> int:
    """Return that time as the API reads it: a whole second, rounded down or up."""
    return -(-time_ms // SECOND_MS) * SECOND_MS if up else time_ms // SECOND_MS * SECOND_MS


def _bounded(windows: list[Window]) -> list[Window]:
    """Join the two nearest neighbours while there are too many: what lies between them is read again."""
    while len(windows) > WINDOWS_AT_MOST:
        gaps = [after.start_ms - (before.end_ms or 0) for before, after in pairwise(windows)]
        at = gaps.index(min(gaps))
        one, other = windows[at : at + 2]
        windows[at : at + 2] = [replace(other, start_ms=one.start_ms, again=one.again and other.again, to_confirm=0)]
    return windows
