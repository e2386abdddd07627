"""The events that a tenant holds: when they happened, when the API begins to return them, how they read."""

import heapq
import json
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from random import Random
from typing import Literal, TypeAlias

from sandbox.world.events import SEQUENCE_BITS, SEQUENCE_MASK, EventFactory

INTAKE_EVENT_LIMIT = 250_000
"""Characters of the largest event that the intake takes."""

EPOCH_MS = 1_600_000_000_000
"""Ranks count from here: with the sequence number they have to fit into 63 bits."""

Order: TypeAlias = Literal["event-time", "arrival", "roughly", "none"]

_ORDERS_KEPT = 32
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class SortedKeys:
    """Sequence numbers in order. `rank` gives an event's epoch ms, or EPOCH_MS and any number of 40 bits."""

    def __init__(self, rank: Callable[[int], int]) -> None:
        self.keys = array("q")
        self.known = 0
        self._rank = rank

    def catch_up(self, sequences: Iterable[int], known: int) -> None:
        """Put these events in; everything up to `known` is in then."""
        rank, keys = self._rank, self.keys
        self.known = known
        for sequence in sequences:
            key = ((rank(sequence) - EPOCH_MS) << SEQUENCE_BITS) | sequence
            if not keys or key > keys[-1]:
                keys.append(key)
            else:
                insort(keys, key)

    def from_time(self, time_ms: int) -> int:
        """Return the place of the first key of that millisecond or a later one."""
        return bisect_left(self.keys, (time_ms - EPOCH_MS) << SEQUENCE_BITS)


class EventIndex:
    """Each event has a time (epoch ms) and an arrival (epoch s, when the API begins to return it).

    Texts are made when they are served, except those given; what was served is known by its hash.
    """

    def __init__(self, factory: EventFactory) -> None:
        self.factory = factory
        self.times_ms = array("q")
        self.arrivals = array("d")
        self.too_large: set[int] = set()
        self._by_time = SortedKeys(self.times_ms.__getitem__)
        self._orders: dict[tuple[object, ...], SortedKeys] = {}
        self._given: dict[int, str] = {}
        self._known: dict[int, int] = {}  # sequence numbers by the hash of a text that was served
        self._to_come: list[float] = []
        self._arrived = 0

    def __len__(self) -> int:
        return len(self.times_ms)

    def add(self, time: float, arrival: float, text: str | None = None) -> int:
        """Put one event in (epoch s), a made one when no text is given, and return its sequence number.

        A text that is already there is not put in again: to everyone who sees it, it is the same event.
        """
        if text is not None and (known := self._known.get(hash(text))) is not None:
            return known
        sequence = len(self)
        self.times_ms.append(int(time * 1000))
        self.arrivals.append(arrival)
        heapq.heappush(self._to_come, arrival)
        if text is not None:
            self._given[sequence] = text
            self._known[hash(_on_one_line(text) if "\n" in text else text)] = sequence
            if len(text) > INTAKE_EVENT_LIMIT:
                self.too_large.add(sequence)
        return sequence

    def add_past(self, count: int, start: float, end: float) -> None:
        """Put in `count` made events, spread over a period at uneven distances; each arrived when it happened."""
        step, uneven = (end - start) / max(count, 1), Random(count)
        self.arrivals.extend(start + (number + uneven.random()) * step for number in range(count))
        self.times_ms.extend(int(arrival * 1000) for arrival in self.arrivals[-count:] if count)
        self._arrived += count

    def text(self, sequence: int) -> str:
        """Return an event's text, by which it is known from then on."""
        if (given := self._given.get(sequence)) is not None:
            return given
        text = self.factory.text(sequence, self.times_ms[sequence])
        self._known[hash(text)] = sequence
        return text

    def identify(self, text: str) -> int | None:
        """Return the event that this is the exact text of, None when no event that was served reads so.

        An event with a line break is known by its text on one line, since the intake's parser takes no other.
        """
        found = self._known.get(hash(text))
        return self._known.get(hash(_on_one_line(text))) if found is None and "\n" not in text else found

    def arrived(self, now: float) -> int:
        """Return how many events have arrived by now. `now` must never go back."""
        while self._to_come and self._to_come[0] <= now:
            heapq.heappop(self._to_come)
            self._arrived += 1
        return self._arrived

    def by_time(self) -> SortedKeys:
        if self._by_time.known < len(self):
            self._by_time.catch_up(range(self._by_time.known, len(self)), len(self))
        return self._by_time

    def oldest_ms(self) -> int | None:
        keys = self.by_time().keys
        return self.times_ms[keys[0] & SEQUENCE_MASK] if keys else None

    def ordered(self, order: Order, number: int, jitter_ms: int) -> SortedKeys:
        """Return the events in an order; "none" is another one for each query, by its number."""
        if order == "event-time":
            return self.by_time()
        name = (order, number if order == "none" else jitter_ms)
        found = self._orders.get(name)
        if found is None:
            if len(self._orders) >= _ORDERS_KEPT:
                self._orders.clear()
            found = self._orders[name] = SortedKeys(self._rank(order, number, jitter_ms))
        if found.known < len(self):
            found.catch_up(range(found.known, len(self)), len(self))
        return found

    def _rank(self, order: Order, number: int, jitter_ms: int) -> Callable[[int], int]:
        times_ms, arrivals = self.times_ms, self.arrivals
        if order == "arrival":
            return lambda sequence: int(arrivals[sequence] * 1000)
        if order == "roughly":
            return lambda sequence: times_ms[sequence] + scrambled(sequence) % (2 * jitter_ms + 1) - jitter_ms
        return lambda sequence: scrambled(sequence, number) + EPOCH_MS


def scrambled(number: int, salt: int = 0) -> int:
    """Return a number of 32 bits, always the same for the same arguments."""
    mixed = ((number + 1) * _SPREAD + salt * 0xD1B54A32D192ED03) & _MASK
    mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9) & _MASK
    return mixed >> 32


def _on_one_line(text: str) -> str:
    try:
        return json.dumps(json.loads(text, strict=False, parse_int=str, parse_float=str))
    except (ValueError, RecursionError):
        return text
