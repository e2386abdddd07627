"""The events that a tenant holds, in the order in which its Audit API serves them."""

import heapq
from array import array
from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from sandbox.tenant.events import SEQUENCE_BITS, EventFactory, Kind

_SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1

INTAKE_EVENT_LIMIT = 250_000
"""Characters of the largest event that the intake takes."""


def first_key(time_ms: int) -> int:
    """The position just before every event of this millisecond."""
    return (time_ms << SEQUENCE_BITS) - 1


@dataclass(frozen=True)
class Slice:
    """Events found from a position on, written in pieces with commas between, and the position behind the last."""

    pieces: list[bytes]
    position: int


class EventIndex:
    """Each event has a time (where the tenant's index puts it) and an arrival (when the API begins to show it).

    An event costs twenty-five bytes: bodies are made when they are served, except those given as text.
    """

    def __init__(self, factory: EventFactory) -> None:
        self.factory = factory
        self.times_ms = array("q")
        self.arrivals = array("d")
        self.too_large: set[int] = set()
        self._order = array("q")
        self._given: dict[int, bytes] = {}
        self._sequence_of_given: dict[str, int] = {}
        self._kinds: dict[int, Kind] = {}
        self._to_come: list[float] = []
        self._shown = 0

    def __len__(self) -> int:
        return len(self.times_ms)

    def add(self, time: float, arrival: float, text: str | None = None) -> int:
        """Put one event in (seconds, seconds), a made one when no text is given; returns its sequence number.

        A text that is already there is not put in again: to everyone who sees it, it is the same event.
        """
        if text is not None and (known := self._sequence_of_given.get(text)) is not None:
            return known
        sequence = len(self.times_ms)
        if sequence > _SEQUENCE_MASK:
            raise OverflowError(f"a sandbox tenant holds {_SEQUENCE_MASK + 1} events at most")
        time_ms = int(time * 1000)
        self.times_ms.append(time_ms)
        self.arrivals.append(arrival)
        heapq.heappush(self._to_come, arrival)
        key = (time_ms << SEQUENCE_BITS) | sequence
        if not self._order or key > self._order[-1]:
            self._order.append(key)
        else:
            insort(self._order, key)
        if text is not None:
            self._give(sequence, text)
        return sequence

    def add_past(self, count: int, start: float, end: float) -> None:
        """Put in `count` made events spread evenly over a period, each of which arrived when it happened."""
        step = (end - start) / max(count, 1)
        sequence = len(self.times_ms)
        if sequence + count > _SEQUENCE_MASK:
            raise OverflowError(f"a sandbox tenant holds {_SEQUENCE_MASK + 1} events at most")
        keys = []
        for number in range(count):
            time = start + number * step
            time_ms = int(time * 1000)
            self.times_ms.append(time_ms)
            self.arrivals.append(time)
            keys.append((time_ms << SEQUENCE_BITS) | (sequence + number))
        merged = not self._order or (keys and keys[0] > self._order[-1])
        self._order.extend(keys)
        if not merged:
            self._order = array("q", sorted(self._order))
        self._shown += count

    def text(self, sequence: int) -> bytes:
        return b"".join(self._parts(sequence))

    def identify(self, text: str) -> int | None:
        """The event that this is the exact text of; None when no event reads so."""
        given = self._sequence_of_given.get(text)
        if given is not None:
            return given
        sequence = self.factory.sequence_of(text)
        if sequence is None or sequence >= len(self.times_ms) or sequence in self._given:
            return None
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            return None
        head, tail = self.factory.parts(sequence, self.times_ms[sequence])
        same = len(encoded) == len(head) + len(tail) and encoded.startswith(head) and encoded.endswith(tail)
        return sequence if same else None

    def shown(self, now: float) -> int:
        """How many events have arrived by now. `now` must never go back."""
        while self._to_come and self._to_come[0] <= now:
            heapq.heappop(self._to_come)
            self._shown += 1
        return self._shown

    def oldest_ms(self) -> int | None:
        return self._order[0] >> SEQUENCE_BITS if self._order else None

    def last_arrival(self) -> float | None:
        """When the last event still on its way arrives; None when nothing is on its way."""
        return max(self._to_come, default=None)

    def read(
        self, position: int, end: int, size: int, horizon: float, keep: Callable[[Kind], bool] | None = None
    ) -> Slice:
        """At most `size` events behind a position, up to a key, of those that had arrived at the horizon."""
        order, arrivals = self._order, self.arrivals
        stop = bisect_right(order, end)
        pieces: list[bytes] = []
        found = 0
        for place in range(bisect_right(order, position), stop):
            key = order[place]
            sequence = key & _SEQUENCE_MASK
            if arrivals[sequence] > horizon or (keep is not None and not keep(self._kind(sequence))):
                continue
            if found:
                pieces.append(b",")
            pieces += self._parts(sequence)
            position = key
            found += 1
            if found == size:
                break
        return Slice(pieces, position)

    def _parts(self, sequence: int) -> tuple[bytes, ...]:
        if self._given and (given := self._given.get(sequence)) is not None:
            return (given,)
        return self.factory.parts(sequence, self.times_ms[sequence])

    def _kind(self, sequence: int) -> Kind:
        return self._kinds[sequence] if sequence in self._given else self.factory.kind(sequence)

    def _give(self, sequence: int, text: str) -> None:
        self._given[sequence] = text.encode()
        self._sequence_of_given[text] = sequence
        if len(text) > INTAKE_EVENT_LIMIT:
            self.too_large.add(sequence)
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            event = None
        fields = event if isinstance(event, dict) else {}
        names = ("applicationCode", "auditType", "action")
        self._kinds[sequence] = Kind(*(str(fields.get(name, "")) for name in names))
