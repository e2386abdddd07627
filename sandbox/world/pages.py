"""From a position in a query to the events of a page, in each of the orders that a tenant may have."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.world.events import SEQUENCE_BITS, SEQUENCE_MASK
from sandbox.world.index import EPOCH_MS, EventIndex, SortedKeys, scrambled
from sandbox.world.ledger import RETENTION_S
from sandbox.world.query import Cursor, Query
from sandbox.world.settings import AuditSettings

_BEFORE_ALL = -(1 << 62)
_ROTATION_AT_MOST = 5000
_REPEATED, _HOLE, _HOLE_LENGTH = 1, 2, 3  # what is drawn from an event's number


@dataclass(frozen=True)
class Slice:
    """The numbers of a page's events, and the position after them. `is_end`: nothing was left to return."""

    sequences: list[int]
    position: int
    skipped: int = 0
    turn: int = 0
    is_end: bool = False


class Pages:
    """Reads an index as the settings say."""

    def __init__(self, index: EventIndex, settings: AuditSettings) -> None:
        self._index = index
        self._settings = settings

    def start(self, query: Query, now: float) -> int:
        """Return the position before the first event of a query."""
        if not self._is_plain():
            return _BEFORE_ALL
        start_ms = max(query.date_from, int(now - RETENTION_S)) * 1000
        return ((start_ms - EPOCH_MS) << SEQUENCE_BITS) - 1

    def read(self, cursor: Cursor, now: float) -> Slice:
        """Return the next page: as many events as fit, of those that have arrived."""
        keys, accepts = self._keys(cursor), self._filter(cursor.query, now)
        size, horizon, settings = self._size(cursor.query), self._horizon(cursor, now), self._settings
        order, arrivals = keys.keys, self._index.arrivals
        position, skipped, found = cursor.position, cursor.skipped, list[int]()
        for place in range(*self._places(cursor, keys, now)):
            key = order[place]
            sequence = key & SEQUENCE_MASK
            if arrivals[sequence] > horizon or (accepts is not None and not accepts(sequence)):
                continue
            if settings.empty_pages and skipped < self._empty_pages_before(sequence):
                return Slice(found, position, skipped + (not found))
            position, skipped = key, 0
            found.append(sequence)
            if settings.repeats and scrambled(sequence, _REPEATED) % settings.repeats == 0 and len(found) < size:
                found.append(sequence)
            if len(found) == size:
                break
        return Slice(found, position, is_end=not found)

    def again(self, cursor: Cursor, now: float) -> Slice:
        """Return an end that is not empty: the last page, or the events of the last second in rotation."""
        keys, accepts = self._keys(cursor), self._filter(cursor.query, now)
        size, horizon, found = self._size(cursor.query), self._horizon(cursor, now), list[int]()
        times_ms, in_rotation = self._index.times_ms, self._settings.end == "rotation"
        first = bisect_right(keys.keys, self.start(cursor.query, now))
        for place in range(bisect_right(keys.keys, cursor.position) - 1, first - 1, -1):
            sequence = keys.keys[place] & SEQUENCE_MASK
            if self._index.arrivals[sequence] > horizon or (accepts is not None and not accepts(sequence)):
                continue
            if in_rotation and found and times_ms[sequence] // 1000 != times_ms[found[0]] // 1000:
                break
            found.append(sequence)
            if len(found) == (_ROTATION_AT_MOST if in_rotation else size):
                break
        found.reverse()
        if in_rotation and len(found) > size:
            first = cursor.turn * size % len(found)
            found = (found + found)[first : first + size]
        return Slice(found, cursor.position, cursor.skipped, cursor.turn + 1)

    def _keys(self, cursor: Cursor) -> SortedKeys:
        return self._index.ordered(self._settings.order, cursor.number, int(self._settings.jitter_s * 1000))

    def _places(self, cursor: Cursor, keys: SortedKeys, now: float) -> tuple[int, int]:
        """Return where to look: from the position on, and in order of event time no further than the query goes."""
        place, stop = bisect_right(keys.keys, cursor.position), len(keys.keys)
        if self._is_plain():
            place = max(place, keys.from_time(int((now - RETENTION_S) * 1000)))
            end_ms = self._end_ms(cursor.query)
            stop = stop if end_ms is None else keys.from_time(end_ms)
        return place, stop

    def _filter(self, query: Query, now: float) -> Callable[[int], bool] | None:
        """Return what tells whether an event belongs to the query; None where its place in the order does."""
        if self._is_plain():
            return None
        start_ms, end_ms, oldest_ms = query.date_from * 1000, self._end_ms(query), (now - RETENTION_S) * 1000
        last_ms = math.inf if end_ms is None else end_ms
        times_ms, arrivals = self._index.times_ms, self._index.arrivals
        by_event = self._settings.date_field == "event"

        def accepts(sequence: int) -> bool:
            time_ms = times_ms[sequence] if by_event else arrivals[sequence] * 1000
            return times_ms[sequence] >= oldest_ms and start_ms <= time_ms < last_ms

        return accepts

    def _is_plain(self) -> bool:
        return self._settings.order == "event-time" and self._settings.date_field == "event"

    def _end_ms(self, query: Query) -> int | None:
        """Return where the query ends: with the second of its dateTo, before it, or never."""
        if query.date_to is None or self._settings.date_to == "ignored":
            return None
        return (query.date_to + (self._settings.date_to == "in")) * 1000

    def _horizon(self, cursor: Cursor, now: float) -> float:
        """Return up to which arrival (epoch s) events are returned."""
        ceiling = self._settings.ceiling_s
        horizon = now if ceiling is None else min(now, cursor.opened_at + ceiling)
        if self._settings.order == "arrival":
            # What arrives within a millisecond is returned once it is over: nothing comes in before a position.
            return math.nextafter(math.floor(horizon * 1000) / 1000, 0)
        return horizon

    def _size(self, query: Query) -> int:
        return min(query.page_size, self._settings.page_cap or query.page_size)

    def _empty_pages_before(self, sequence: int) -> int:
        if scrambled(sequence, _HOLE) % self._settings.empty_every:
            return 0
        return 1 + scrambled(sequence, _HOLE_LENGTH) % self._settings.empty_pages
