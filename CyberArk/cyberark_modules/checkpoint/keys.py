"""Deduplication keys: those of the delivered events, so that what is read again is not sent again.

A key is kept under the minute of its event, or of the delivery of an event without a time. A budget prefers the keys
that readers and the next live query can return, and then as much of the last day as it can: `complete_from_ms` is how
far back none is missing, which bounds the hourly re-read.
"""

import math
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import PlainValidator

from ..events import KEY_BYTES, Event, uuid_key

MINUTE_MS = 60_000
BUDGET = 100_000
NEEDED_AT_MOST = 3 * BUDGET // 2  # keys that can still be returned may exceed the budget up to this
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
_NONE = Bucket()


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Keys:
    """The keys by minute: that of their event, or of the delivery of an event without a time.

    `size` counts them, `added` those since the keys were pruned.
    """

    by_minute: Mapping[int, SavedBucket] = field(default_factory=dict)
    complete_from_ms: int = 0
    legacy: Legacy = field(default_factory=Legacy)
    size: int = 0
    added: int = 0

    def __contains__(self, event: Event) -> bool:
        if event.time_ms is None:
            return any(event.key in bucket.keys for bucket in self.by_minute.values())
        bucket = self.by_minute.get(event.time_ms // MINUTE_MS)
        return bucket is not None and event.key in bucket.keys

    def unseen(self, events: Sequence[Event], until_ms: int | None = None, again: bool = False) -> tuple[Event, ...]:
        """Return the new events of a page before `until_ms`, each once; `again`: only where no key is missing."""
        from_ms = self.complete_from_ms if again else 0
        new = (event for event in self.legacy.unknown(events) if event not in self)
        own = (each for each in new if each.time_ms is None or from_ms <= each.time_ms < (until_ms or math.inf))
        return tuple({event.key: event for event in own}.values())

    def with_events(self, events: Iterable[Event], now_ms: int) -> "Keys":
        """Return the keys with those of events that were delivered now."""
        new = defaultdict[int, list[bytes]](list)
        for event in events:
            new[(now_ms if event.time_ms is None else event.time_ms) // MINUTE_MS].append(event.key)
        changed = {minute: self.by_minute.get(minute, _NONE).with_keys(keys) for minute, keys in new.items()}
        before = sum(len(self.by_minute.get(minute, _NONE).keys) for minute in changed)
        added = sum(len(bucket.keys) for bucket in changed.values()) - before
        return replace(self, by_minute={**self.by_minute, **changed}, size=self.size + added, added=self.added + added)

    def pruned(self, needed: Sequence[tuple[int, int | None]], now_ms: int) -> "Keys":
        """Return the keys within their budget. `needed` are the intervals of event time that can still be returned."""
        wanted = [(start // MINUTE_MS - 1, end // MINUTE_MS if end is not None else 1 << 60) for start, end in needed]
        is_needed = {minute: any(first <= minute <= last for first, last in wanted) for minute in self.by_minute}
        oldest, size, dropped = (now_ms - KEPT_MS) // MINUTE_MS, self.size, set[int]()
        for minute in sorted(is_needed, key=lambda minute: (is_needed[minute], minute)):
            limit = NEEDED_AT_MOST if is_needed[minute] else BUDGET
            if size <= limit and (is_needed[minute] or minute >= oldest):
                break
            dropped.add(minute)
            size -= len(self.by_minute[minute].keys)
        legacy = Legacy() if now_ms > self.legacy.before_ms + KEPT_MS else self.legacy
        if not dropped:
            return replace(self, legacy=legacy, added=0)
        kept = {minute: bucket for minute, bucket in self.by_minute.items() if minute not in dropped}
        complete_from_ms = max(self.complete_from_ms, (max(dropped) + 1) * MINUTE_MS)
        return Keys(kept, complete_from_ms, legacy, size)
