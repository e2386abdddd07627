"""The events that a tenant holds: when they happened, when the Audit API begins to show them, what they read."""

import heapq
import json
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable

import orjson

from sandbox.events.factory import EventFactory, Kind
from sandbox.events.orders import EPOCH_MS, SEQUENCE_MASK, Order, SortedKeys, scrambled

INTAKE_EVENT_LIMIT = 250_000
"""Characters of the largest event that the intake takes."""

_ORDERS_KEPT = 32


class EventIndex:
    """Each event has a time (where the tenant's index puts it) and an arrival (when the API begins to show it).

    An event costs twenty-five bytes: bodies are made when they are served, except those given as text.
    """

    def __init__(self, factory: EventFactory) -> None:
        self.factory = factory
        self.times_ms = array("q")
        self.arrivals = array("d")
        self.too_large: set[int] = set()
        self.largest_lateness_ms = 0
        self.largest_lead_ms = 0
        self._by_time = SortedKeys(self.times_ms.__getitem__)
        self._orders: OrderedDict[tuple[object, ...], SortedKeys] = OrderedDict()
        self._given: dict[int, bytes] = {}
        self._sequence_of_given: dict[str, int] = {}
        self._with_line_breaks: dict[str, int] = {}
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
        sequence = self._room_for(1)
        time_ms = int(time * 1000)
        self.times_ms.append(time_ms)
        self.arrivals.append(arrival)
        late_ms = int(arrival * 1000) - time_ms
        self.largest_lateness_ms = max(self.largest_lateness_ms, late_ms)
        self.largest_lead_ms = max(self.largest_lead_ms, -late_ms)
        heapq.heappush(self._to_come, arrival)
        if text is not None:
            self._give(sequence, text)
        return sequence

    def add_twin(self) -> int:
        """Put in an event of the same time and arrival as the last one."""
        return self.add(self.times_ms[-1] / 1000 + 0.0001, self.arrivals[-1])

    def add_past(self, count: int, start: float, end: float) -> None:
        """Put in `count` made events spread evenly over a period, each of which arrived when it happened."""
        self._room_for(count)
        step = (end - start) / max(count, 1)
        for number in range(count):
            time = start + number * step
            if self.factory.twins and number and self.factory.is_twin(len(self.times_ms)):
                time = self.arrivals[-1]
            self.times_ms.append(int(time * 1000))
            self.arrivals.append(time)
        self._shown += count

    def next_kind(self) -> Kind:
        """What the next event will be, if it is a made one."""
        return self.factory.kind(len(self))

    def text(self, sequence: int) -> bytes:
        return b"".join(self.parts(sequence))

    def parts(self, sequence: int) -> tuple[bytes, ...]:
        """The text in pieces."""
        if self._given and (given := self._given.get(sequence)) is not None:
            return (given,)
        return self.factory.parts(sequence, self.times_ms[sequence])

    def kind(self, sequence: int) -> Kind:
        return self._kinds[sequence] if sequence in self._given else self.factory.kind(sequence)

    def identify(self, text: str) -> int | None:
        """The event that this is the exact text of; None when no event reads so.

        An event with a line break is known by its text in one line: the intake's parser takes no other.
        """
        if self._with_line_breaks and (found := self._with_line_breaks.get(canonical(text))) is not None:
            return found if "\n" not in text else None
        given = self._sequence_of_given.get(text)
        if given is not None:
            return given
        sequence = self.factory.sequence_of(text)
        if sequence is None:
            return None
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            return None
        candidates = (sequence, sequence + 1) if self.factory.is_twin(sequence + 1) else (sequence,)
        return next((number for number in candidates if self._reads(number, encoded)), None)

    def shown(self, now: float) -> int:
        """How many events have arrived by now. `now` must never go back."""
        while self._to_come and self._to_come[0] <= now:
            heapq.heappop(self._to_come)
            self._shown += 1
        return self._shown

    def oldest_ms(self) -> int | None:
        keys = self.by_time().keys
        return self.times_ms[keys[0] & SEQUENCE_MASK] if keys else None

    def last_arrival(self) -> float | None:
        """When the last event still on its way arrives; None when nothing is on its way."""
        return max(self._to_come, default=None)

    def by_time(self) -> SortedKeys:
        if self._by_time.known < len(self):
            self._by_time.catch_up(range(self._by_time.known, len(self)), len(self))
        return self._by_time

    def ordered(
        self, order: Order, number: int, jitter_ms: int, accepts: Callable[[int], bool], start_ms: int
    ) -> SortedKeys:
        """The keys of the events in an order. "none" is another one for each query, by its number.

        What a query cannot show need not be in there: `accepts` tells, and nothing before `start_ms` is asked for.
        """
        if order == "event-time":
            return self.by_time()
        name: tuple[object, ...] = {"arrival": (order,), "roughly": (order, jitter_ms)}.get(order, (order, number))
        found = self._orders.get(name)
        sequences: Iterable[int]
        if found is None:
            found = self._orders[name] = SortedKeys(self._rank(order, number, jitter_ms))
            while len(self._orders) > _ORDERS_KEPT:
                self._orders.popitem(last=False)
            keys = self.by_time()
            sequences = (key & SEQUENCE_MASK for key in keys.keys[keys.from_time(start_ms) :])
            sequences = sequences if order == "none" else range(len(self))
        else:
            sequences = range(found.known, len(self))
        self._orders.move_to_end(name)
        if found.known < len(self):
            found.catch_up(filter(accepts, sequences) if order == "none" else sequences, len(self))
        return found

    def _rank(self, order: Order, number: int, jitter_ms: int) -> Callable[[int], int]:
        times_ms, arrivals, is_twin = self.times_ms, self.arrivals, self.factory.is_twin

        def serial(sequence: int) -> int:
            return sequence - 1 if is_twin(sequence) else sequence  # twins stay together

        if order == "arrival":
            return lambda sequence: int(arrivals[sequence] * 1000)
        if order == "roughly":
            return lambda sequence: times_ms[sequence] + scrambled(serial(sequence)) % (2 * jitter_ms + 1) - jitter_ms
        return lambda sequence: scrambled(serial(sequence), number) + EPOCH_MS

    def _room_for(self, count: int) -> int:
        """The number of the next event. Raises OverflowError when there is no room for so many."""
        sequence = len(self.times_ms)
        if sequence + count > SEQUENCE_MASK:
            raise OverflowError(f"a sandbox tenant holds {SEQUENCE_MASK} events at most")
        return sequence

    def _reads(self, sequence: int, text: bytes) -> bool:
        if sequence >= len(self.times_ms) or sequence in self._given:
            return False
        head, tail = self.factory.parts(sequence, self.times_ms[sequence])
        return len(text) == len(head) + len(tail) and text.startswith(head) and text.endswith(tail)

    def _give(self, sequence: int, text: str) -> None:
        self._given[sequence] = text.encode()
        self._sequence_of_given[text] = sequence
        if "\n" in text:
            self._with_line_breaks[canonical(text)] = sequence
        if len(text) > INTAKE_EVENT_LIMIT:
            self.too_large.add(sequence)
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            event = None
        fields = event if isinstance(event, dict) else {}
        names = ("applicationCode", "auditType", "action")
        self._kinds[sequence] = Kind(*(str(fields.get(name, "")) for name in names))


def canonical(text: str) -> str:
    """The same for all texts that say the same, however they are laid out."""
    try:
        return json.dumps(json.loads(text, strict=False, parse_int=str, parse_float=str))
    except ValueError:
        return text
