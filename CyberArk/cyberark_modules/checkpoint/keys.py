"""Deduplication keys: those of the delivered events, so that what is read again is not sent again.

A key is kept under the minute of its event, or of the delivery of an event without a time. A budget keeps the keys
that readers and the next live query can return, and then as much of the last day as it can: `complete_from_ms` is how
far back none is missing, which bounds the hourly re-read.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import PlainValidator

from ..events import KEY_BYTES, Event, uuid_key

MINUTE_MS = 60_000
BUDGET = 100_000
# Keys that can still be returned may exceed the budget up to this bound.
NEEDED_AT_MOST = 3 * BUDGET // 2
# A little more than the day that the hourly re-read reads again.
KEPT_MS = 25 * 3_600_000


class Bucket:
    """The keys of a minute, and their saved form (Base64 of one after the other)."""

    __slots__ = ("keys", "packed")

    def __init__(self, keys: frozenset[bytes] = frozenset(), packed: str = "") -> None:
        self.keys = keys
        self.packed = packed

    def with_keys(self, keys: Iterable[bytes]) -> "Bucket":
        """Return the bucket with those keys. Twelve bytes take sixteen characters: saved forms can be joined."""
        new = frozenset(keys) - self.keys
        return Bucket(self.keys | new, self.packed + b64encode(b"".join(new)).decode())

    @classmethod
    def unpacked(cls, packed: str) -> "Bucket":
        """Read the saved form. Raises ValueError."""
        joined = b64decode(packed, validate=True)
        if len(joined) % KEY_BYTES:
            raise ValueError("keys of an unexpected length")
        return cls(frozenset(joined[start : start + KEY_BYTES] for start in range(0, len(joined), KEY_BYTES)), packed)


SavedBucket = Annotated[Bucket, PlainValidator(Bucket.unpacked)]
Buckets = Mapping[int, SavedBucket]
_NONE = Bucket()


@dataclass(frozen=True, slots=True)
class Legacy:
    """What an earlier edition delivered, known by uuid alone: it counts for events before `before_ms` only.

    `from_ms` is where it stops to be known: the published connector kept its last thousand uuids, and had delivered
    whatever happened earlier.
    """

    uuids: SavedBucket = _NONE
    before_ms: int = 0
    from_ms: int = 0

    def unknown(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return those of a page's events that the earlier edition did not deliver."""
        known = {
            index
            for index, event in enumerate(events)
            if event.uuid and (event.time_ms or 0) < self.before_ms and uuid_key(event.uuid) in self.uuids.keys
        }
        from_ms = min([self.from_ms, *(events[index].time_ms or self.from_ms for index in known)])
        return [
            event
            for index, event in enumerate(events)
            if index not in known and (event.time_ms is None or event.time_ms >= from_ms)
        ]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys by the minute of their event, and those of events without a time by the minute of delivery.

    `size` counts them, `added` those since the keys were pruned.
    """

    dated: Buckets = field(default_factory=dict)
    undated: Buckets = field(default_factory=dict)
    complete_from_ms: int = 0
    legacy: Legacy = field(default_factory=Legacy)
    size: int = 0
    added: int = 0

    def __contains__(self, event: Event) -> bool:
        if event.time_ms is None:
            return any(event.key in bucket.keys for bucket in self.undated.values())
        bucket = self.dated.get(event.time_ms // MINUTE_MS)
        return bucket is not None and event.key in bucket.keys

    def unseen(self, events: Sequence[Event], until_ms: int | None = None) -> tuple[Event, ...]:
        """Return the new events of a page, each once; from `until_ms` on, they belong to another window."""
        new = (event for event in self.legacy.unknown(events) if event not in self)
        own = (event for event in new if until_ms is None or (event.time_ms or 0) < until_ms)
        return tuple({event.key: event for event in own}.values())

    def with_events(self, events: Iterable[Event], now_ms: int) -> "Keys":
        """Return the keys with those of events that were delivered now."""
        dated: dict[int, list[bytes]] = {}
        undated: dict[int, list[bytes]] = {}
        for event in events:
            if event.time_ms is None:
                undated.setdefault(now_ms // MINUTE_MS, []).append(event.key)
            else:
                dated.setdefault(event.time_ms // MINUTE_MS, []).append(event.key)
        size = self.size
        merged = []
        for buckets, keys_of in ((self.dated, dated), (self.undated, undated)):
            new = {minute: buckets.get(minute, _NONE).with_keys(keys) for minute, keys in keys_of.items()}
            size += sum(len(new[minute].keys) - len(buckets.get(minute, _NONE).keys) for minute in new)
            merged.append({**buckets, **new} if new else buckets)
        added = self.added + size - self.size
        return replace(self, dated=merged[0], undated=merged[1], size=size, added=added)

    def pruned(self, needed: Sequence[tuple[int, int | None]], now_ms: int) -> "Keys":
        """Return the keys within their budget. `needed` are the intervals of event time that can still be returned."""
        wanted = [(start // MINUTE_MS - 1, end // MINUTE_MS if end is not None else 1 << 60) for start, end in needed]
        sizes = {(minute, True): len(bucket.keys) for minute, bucket in self.dated.items()}
        sizes |= {(minute, False): len(bucket.keys) for minute, bucket in self.undated.items()}
        is_needed = {place: any(first <= place[0] <= last for first, last in wanted) for place in sizes}
        oldest, size, dropped = (now_ms - KEPT_MS) // MINUTE_MS, self.size, set[tuple[int, bool]]()
        for place in sorted(sizes, key=lambda place: (is_needed[place], place)):
            limit = NEEDED_AT_MOST if is_needed[place] else BUDGET
            if size <= limit and (is_needed[place] or place[0] >= oldest):
                break
            dropped.add(place)
            size -= sizes[place]
        legacy = Legacy() if now_ms > self.legacy.before_ms + KEPT_MS else self.legacy
        if not dropped:
            return replace(self, legacy=legacy, added=0)
        dated = {minute: bucket for minute, bucket in self.dated.items() if (minute, True) not in dropped}
        undated = {minute: bucket for minute, bucket in self.undated.items() if (minute, False) not in dropped}
        complete_from_ms = max(self.complete_from_ms, (max(dropped)[0] + 1) * MINUTE_MS)
        return Keys(dated, undated, complete_from_ms, legacy, size)
