"""The orders in which the events of a query may come, each a sorted list of keys: a rank, then a sequence number."""

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from sandbox.events.factory import SEQUENCE_BITS

Order: TypeAlias = Literal["event-time", "arrival", "roughly", "none"]
SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1
EPOCH_MS = 1_600_000_000_000
"""Ranks count from here: with the sequence number they have to fit into 63 bits."""

_FEW = 256
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def first_key(time_ms: int) -> int:
    """The position just before every event of this millisecond."""
    return ((time_ms - EPOCH_MS) << SEQUENCE_BITS) - 1


def time_of(key: int) -> int:
    """The millisecond that a position stands for, in an order by time."""
    return (key >> SEQUENCE_BITS) + EPOCH_MS


def scrambled(number: int, salt: int = 0) -> int:
    """A number of 32 bits, the same at every time."""
    mixed = ((number + 1) * _SPREAD + salt * 0xD1B54A32D192ED03) & _MASK
    mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9) & _MASK
    return mixed >> 32


class SortedKeys:
    """Keys in order. `rank` gives an event's milliseconds since 1970, or EPOCH_MS and any number of 40 bits."""

    def __init__(self, rank: Callable[[int], int], known: int = 0) -> None:
        self.keys = array("q")
        self.known = known
        self._rank = rank

    def catch_up(self, sequences: Iterable[int], known: int) -> None:
        """Put in those events; everything up to `known` is in then."""
        rank, keys = self._rank, self.keys
        new = array("q", [((rank(sequence) - EPOCH_MS) << SEQUENCE_BITS) | sequence for sequence in sequences])
        self.known = known
        if len(new) <= _FEW:
            for key in new:
                if not keys or key > keys[-1]:
                    keys.append(key)
                else:
                    insort(keys, key)
            return
        in_order = all(new[place] < new[place + 1] for place in range(len(new) - 1))
        if in_order and (not keys or keys[-1] < new[0]):
            keys.extend(new)
        else:
            self.keys = array("q", sorted(keys + new))

    def from_time(self, time_ms: int) -> int:
        """The place of the first key of that millisecond or a later one."""
        return bisect_left(self.keys, first_key(time_ms) + 1)
