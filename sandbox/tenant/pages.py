"""From a position in a query to the events of a page, in each of the orders that a tenant may have."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.events.index import EventIndex
from sandbox.events.orders import SEQUENCE_MASK, Order, SortedKeys, first_key, scrambled
from sandbox.ledger.ledger import RETENTION_SECONDS
from sandbox.tenant.query import Cursor, Query
from sandbox.tenant.settings import AuditSettings

Accepts = Callable[[int], bool]

_BEFORE_ALL = -(1 << 62)
_LAST_SECOND_AT_MOST = 5000
_REPEATED, _HOLE, _HOLE_LENGTH = 1, 2, 3  # which of the things that are drawn from an event's number


@dataclass(frozen=True)
class Slice:
    """The numbers of a page's events, and the position after them. `is_end`: there was nothing to be scanned."""

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
        """The position before the first event of a query."""
        settings, order = self._settings, self._order(query)
        if order == "none":
            return _BEFORE_ALL
        start_ms = self._start_ms(query, now)
        if order == "roughly":
            start_ms -= int(settings.order_jitter * 1000)
        if order != "arrival" and settings.date_field == "arrival":
            start_ms -= self._index.largest_lateness_ms
        elif order == "arrival" and settings.date_field == "event":
            start_ms -= self._index.largest_lead_ms
        return first_key(start_ms)

    def read(self, cursor: Cursor, now: float) -> Slice:
        """The next page: as many events as fit, of those that are shown now."""
        keys, accepts = self._keys(cursor, now), self._accepts(cursor, now)
        size, horizon = self._size(cursor.query), self._horizon(cursor, now)
        order, arrivals, settings = keys.keys, self._index.arrivals, self._settings
        position, skipped, scanned = cursor.position, cursor.skipped, 0
        found: list[int] = []
        for place in range(*self._places(cursor, keys, now)):
            key = order[place]
            sequence = key & SEQUENCE_MASK
            if arrivals[sequence] > horizon or (accepts is not None and not accepts(sequence)):
                continue
            if settings.scan_page is not None:
                left = self._hidden(sequence) - skipped
                if scanned + left >= settings.scan_page:
                    return Slice(found, position, skipped + settings.scan_page - scanned)
                scanned += left + 1
            position, skipped = key, 0
            if self._is_wanted(cursor.query, sequence):
                found.append(sequence)
                if self._is_repeated(sequence) and len(found) < size:
                    found.append(sequence)
            if len(found) == size:
                break
        return Slice(found, position, is_end=not found and position == cursor.position)

    def again(self, cursor: Cursor, now: float, *, last_second: bool) -> Slice:
        """What an end shows that is not empty: the last page, or the next ones of the last second, in rotation."""
        keys, accepts = self._keys(cursor, now), self._accepts(cursor, now)
        size, horizon, found = self._size(cursor.query), self._horizon(cursor, now), list[int]()
        times_ms = self._index.times_ms
        first = bisect_right(keys.keys, self.start(cursor.query, now))
        for place in range(bisect_right(keys.keys, cursor.position) - 1, first - 1, -1):
            sequence = keys.keys[place] & SEQUENCE_MASK
            if self._index.arrivals[sequence] > horizon or (accepts is not None and not accepts(sequence)):
                continue
            if not self._is_wanted(cursor.query, sequence):
                continue
            if last_second and found and times_ms[sequence] // 1000 != times_ms[found[0]] // 1000:
                break
            found.append(sequence)
            if len(found) == (_LAST_SECOND_AT_MOST if last_second else size):
                break
        found.reverse()
        if last_second and len(found) > size:
            first = cursor.turn * size % len(found)
            found = (found + found)[first : first + size]
        return Slice(found, cursor.position, cursor.skipped, cursor.turn + 1)

    def _keys(self, cursor: Cursor, now: float) -> SortedKeys:
        query, settings = cursor.query, self._settings
        start_ms = self._start_ms(query, now)
        if settings.date_field == "arrival":
            start_ms -= self._index.largest_lateness_ms
        window = self._window(query)
        jitter_ms = int(settings.order_jitter * 1000)
        return self._index.ordered(self._order(query), cursor.number, jitter_ms, window, start_ms)

    def _places(self, cursor: Cursor, keys: SortedKeys, now: float) -> tuple[int, int]:
        """From the position on, and in order of event time no further than the query goes."""
        place, stop = bisect_right(keys.keys, cursor.position), len(keys.keys)
        if self._is_plain(cursor.query):
            place = max(place, keys.from_time(self._oldest_ms(now)))
            end_ms = self._end_ms(cursor.query)
            stop = stop if end_ms is None else keys.from_time(end_ms)
        return place, stop

    def _accepts(self, cursor: Cursor, now: float) -> Accepts | None:
        """What is in the query's window; None where its order says so already."""
        if self._is_plain(cursor.query):
            return None
        times_ms, oldest_ms = self._index.times_ms, self._oldest_ms(now)
        window = self._window(cursor.query)
        return lambda sequence: times_ms[sequence] >= oldest_ms and window(sequence)

    def _window(self, query: Query) -> Accepts:
        start_ms, end_ms = query.date_from * 1000, self._end_ms(query)
        last_ms = math.inf if end_ms is None else end_ms - 1
        if self._settings.date_field == "event":
            times_ms = self._index.times_ms
            return lambda sequence: start_ms <= times_ms[sequence] <= last_ms
        arrivals = self._index.arrivals
        return lambda sequence: start_ms <= arrivals[sequence] * 1000 < last_ms + 1

    def _is_plain(self, query: Query) -> bool:
        return self._order(query) == "event-time" and self._settings.date_field == "event"

    def _order(self, query: Query) -> Order:
        return self._settings.order if query.is_sorted else self._settings.order_unasked

    def _start_ms(self, query: Query, now: float) -> int:
        return max(query.date_from * 1000, self._oldest_ms(now) // 1000 * 1000)

    def _end_ms(self, query: Query) -> int | None:
        """Where the window ends: with the second of its dateTo, before it, or never."""
        if query.date_to is None or self._settings.date_to == "ignored":
            return None
        return (query.date_to + (self._settings.date_to == "in")) * 1000

    def _oldest_ms(self, now: float) -> int:
        return int((now - RETENTION_SECONDS) * 1000)

    def _horizon(self, cursor: Cursor, now: float) -> float:
        horizon = cursor.opened_at if self._settings.cursor_ceiling else now
        if self._order(cursor.query) == "arrival":
            # What arrives within a millisecond is shown once it is over: nothing comes in after a position.
            return math.nextafter(math.floor(horizon * 1000) / 1000, 0)
        return horizon

    def _size(self, query: Query) -> int:
        settings = self._settings
        return min(query.page_size, settings.page_limit, settings.page_cap or query.page_size)

    def _hidden(self, sequence: int) -> int:
        """How many stored events stand before this one that nobody is shown."""
        settings = self._settings
        if settings.scan_page is None or scrambled(sequence, _HOLE) % settings.scan_hole_every:
            return 0
        empty = 1 + scrambled(sequence, _HOLE_LENGTH) % settings.scan_hole_pages
        return (empty + 1) * settings.scan_page - 1

    def _is_repeated(self, sequence: int) -> bool:
        return self._settings.repeats > 0 and scrambled(sequence, _REPEATED) % self._settings.repeats == 0

    def _is_wanted(self, query: Query, sequence: int) -> bool:
        if not query.wanted:
            return True
        kind = self._index.kind(sequence)
        return all(getattr(kind, name) in values for name, values in query.wanted.items())
