"""Seen: the keys of the delivered events, which prevent duplicates when events are read again.

A key is kept in the bucket of its event's minute. The key of a late event (dated before what the queries of the minute
read) is also kept in the bucket of its delivery: where the date filter goes by arrival, it is shown for that long.
Keys of what the open streams and the next lookback can show are needed; beyond that, a budget keeps as much of the
last day as it can, and `complete_from_ms` says how far back that reaches.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..audit_api.events import KEY_BYTES, Event
from .coverage import Interval

BUCKET_MS = 60_000
BUDGET = 100_000
# Needed keys may exceed the budget, up to this bound; then so many are kept, so that the keys of what is read
# meanwhile are not forgotten at once.
NEEDED_AT_MOST = 3 * BUDGET // 2
NEEDED_KEPT = 5 * BUDGET // 4
KEPT_MS = 25 * 3_600_000
# An event that is dated further ahead is kept as if it were dated this far ahead.
AHEAD_AT_MOST_MS = 8 * 86_400_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """The keys of a minute, and the form in which they are stored (Base64 of one after the other)."""

    keys: frozenset[bytes] = frozenset()
    packed: str = ""

    def with_keys(self, keys: Iterable[bytes]) -> "Bucket":
        """Return the bucket with those keys. Twelve bytes take sixteen characters: the stored forms can be joined."""
        new = frozenset(keys) - self.keys
        return Bucket(self.keys | new, self.packed + b64encode(b"".join(new)).decode())

    @classmethod
    def unpacked(cls, packed: str) -> "Bucket":
        """Read the stored form. Raises ValueError."""
        joined = b64decode(packed, validate=True)
        if len(joined) % KEY_BYTES:
            raise ValueError("keys of an unexpected length")
        return cls(frozenset(joined[start : start + KEY_BYTES] for start in range(0, len(joined), KEY_BYTES)), packed)


Buckets = Mapping[int, Bucket]
_NO_BUCKET = Bucket()


@dataclass(frozen=True)
class Seen:
    """The keys by event time (`dated`) and by delivery (`late`); `late_keys` are all of the latter.

    All keys of events dated `complete_from_ms` or later are still kept. `evicted` counts the needed keys that even the
    bound of the budget could not hold, `forgotten` the others of the last day that the budget could not.
    """

    dated: Buckets = field(default_factory=dict)
    late: Buckets = field(default_factory=dict)
    late_keys: frozenset[bytes] = frozenset()
    complete_from_ms: int = 0
    size: int = 0
    evicted: int = 0
    forgotten: int = 0

    def __contains__(self, event: Event) -> bool:
        bucket = self.dated.get((event.time_ms or 0) // BUCKET_MS)
        return (bucket is not None and event.key in bucket.keys) or event.key in self.late_keys

    def __len__(self) -> int:
        return self.size

    @classmethod
    def of(cls, dated: Buckets, late: Buckets, complete_from_ms: int) -> "Seen":
        """Return what those buckets hold."""
        late_keys: frozenset[bytes] = frozenset().union(*(bucket.keys for bucket in late.values()))
        return cls(dated, late, late_keys, complete_from_ms, _size(dated) + _size(late))

    def with_events(
        self, events: Iterable[Event], late_before_ms: int, now_ms: int, arrived_ms: int | None = None
    ) -> "Seen":
        """Return the memory with those events, delivered now; those dated before `late_before_ms` came late.

        `arrived_ms` is when they had arrived, where that is known to be earlier.
        """
        dated: dict[int, list[bytes]] = {}
        late: dict[int, list[bytes]] = {}
        for event in events:
            time_ms = event.time_ms
            if time_ms is not None and time_ms <= now_ms + AHEAD_AT_MOST_MS:
                dated.setdefault(time_ms // BUCKET_MS, []).append(event.key)
                if time_ms >= late_before_ms:
                    continue
            until_ms = now_ms
            if time_ms is not None:
                until_ms = max(arrived_ms or now_ms, min(time_ms, now_ms + AHEAD_AT_MOST_MS))
            late.setdefault(until_ms // BUCKET_MS, []).append(event.key)
        if not dated and not late:
            return self
        all_dated, all_late = _with(self.dated, dated), _with(self.late, late)
        new = sum(len(all_dated[index].keys) - len(self.dated.get(index, _NO_BUCKET).keys) for index in dated)
        new += sum(len(all_late[index].keys) - len(self.late.get(index, _NO_BUCKET).keys) for index in late)
        late_keys = self.late_keys.union(*late.values()) if late else self.late_keys
        return replace(self, dated=all_dated, late=all_late, late_keys=late_keys, size=self.size + new)

    def pruned(self, needed: Sequence[Interval], now_ms: int) -> "Seen":
        """Return the memory without what nothing can show any more, and within its budget.

        `needed` are the intervals of event time that open streams and the next lookback can show.
        """
        places = sorted([(index, False) for index in self.dated] + [(index, True) for index in self.late])
        wanted = [(zone.start_ms // BUCKET_MS, zone.end_ms // BUCKET_MS) for zone in needed]

        def is_needed(index: int) -> bool:
            return any(first <= index <= last for first, last in wanted)

        oldest = (now_ms - KEPT_MS) // BUCKET_MS
        dropped: set[tuple[int, bool]] = set()
        size, evicted, forgotten = self.size, self.evicted, self.forgotten
        optional = [place for place in places if not is_needed(place[0])]
        for place in optional:
            if place[0] >= oldest and size <= BUDGET:
                break
            dropped.add(place)
            size -= self._size_of(place)
            forgotten += self._size_of(place) if place[0] >= oldest else 0
        kept = NEEDED_KEPT if size > NEEDED_AT_MOST else size
        for place in places:
            if size <= kept:
                break
            if place not in dropped:
                dropped.add(place)
                size -= self._size_of(place)
                evicted += self._size_of(place)
        if not dropped:
            return self
        complete_from_ms = max(self.complete_from_ms, (max(dropped)[0] + 1) * BUCKET_MS)
        dated = {index: bucket for index, bucket in self.dated.items() if (index, False) not in dropped}
        late = {index: bucket for index, bucket in self.late.items() if (index, True) not in dropped}
        return replace(Seen.of(dated, late, complete_from_ms), evicted=evicted, forgotten=forgotten)

    def _size_of(self, place: tuple[int, bool]) -> int:
        index, is_late = place
        return len((self.late if is_late else self.dated)[index].keys)


def _with(buckets: Buckets, keys: Mapping[int, Sequence[bytes]]) -> Buckets:
    added = {index: buckets.get(index, _NO_BUCKET).with_keys(new) for index, new in keys.items()}
    return {**buckets, **added} if added else buckets


def _size(buckets: Buckets) -> int:
    return sum(len(bucket.keys) for bucket in buckets.values())
