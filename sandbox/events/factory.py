"""Realistic audit events, made from a sequence number: nothing is stored, everything can be made again."""

import json
import random
from dataclasses import dataclass

from sandbox.events.shapes import SHAPES, Shape, build

SEQUENCE_BITS = 23
"""A tenant holds eight million events at most."""

# Numbers whose text a careless re-serialisation would change.
_LITERALS = {'"@SCORE@"': "87.50", '"@SCALE@"': "1.0E+2", '"@BIG@"': "18446744073709551616"}
_VARIANTS_PER_SHAPE = 24
_UUID_KEY, _OTHER_KEY = '{"uuid":"', '{"eventNumber":"'
_SPREAD_32 = 2654435761
_SPREAD_48 = 0x9E3779B97F4B
_MASK_32 = (1 << 32) - 1
_MASK_48 = (1 << 48) - 1
_UNSPREAD_48 = pow(_SPREAD_48, -1, 1 << 48)


@dataclass(frozen=True)
class Kind:
    """What the API's filters look at."""

    application: str
    audit_type: str
    action: str


class EventFactory:
    """Events as texts: the same seed, sequence number and time always give the same text.

    The last twelve digits of an event's uuid are its sequence number, scrambled by a bijection: an event can be
    recognised without keeping a table of all of them.

    `twins`: one event in so many has the uuid of the event before it, with another content; 0 is none. `has_uuid` is
    false for a tenant whose events have no uuid. Neither may change once an event was made.
    """

    twins = 0
    has_uuid = True

    def __init__(self, seed: int = 0, string_timestamps: bool = False) -> None:
        rng = random.Random(seed)
        self._first = rng.getrandbits(32)
        self._offset = rng.getrandbits(48)
        middle = f"{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-8{rng.getrandbits(12):03x}"
        self.tenant_id = f"{rng.getrandbits(32):08x}-{middle}-{rng.getrandbits(48):012x}"
        time_format = '"%d"' if string_timestamps else "%d"
        self._head = f'%s%08x-{middle}-%012x","tenantId":"{self.tenant_id}","timestamp":{time_format},'
        self._tails: list[bytes] = []
        self._kinds: list[Kind] = []
        for _ in range(_VARIANTS_PER_SHAPE):
            for shape in SHAPES:
                self._tails.append(_tail(shape, rng))
                self._kinds.append(Kind(shape.application, shape.audit_type, shape.action))

    def parts(self, sequence: int, time_ms: int) -> tuple[bytes, bytes]:
        """The event with this sequence number, as the API writes it, in two pieces."""
        serial = sequence - 1 if self.twins and self.is_twin(sequence) else sequence
        head = self._head % (
            _UUID_KEY if self.has_uuid else _OTHER_KEY,
            (serial * _SPREAD_32 + self._first) & _MASK_32,
            (serial * _SPREAD_48 + self._offset) & _MASK_48,
            time_ms,
        )
        return head.encode(), self._tails[self._variant(sequence)]

    def is_twin(self, sequence: int) -> bool:
        """Whether this event has the uuid of the event before it."""
        return self.twins > 0 and sequence % self.twins == self.twins - 1 and sequence > 0

    def kind(self, sequence: int) -> Kind:
        return self._kinds[self._variant(sequence)]

    def sequence_of(self, text: str) -> int | None:
        """The sequence number that a text claims, the first of twins; None when it is none of ours."""
        start = len(_UUID_KEY if self.has_uuid else _OTHER_KEY)
        try:
            serial = int(text[start + 24 : start + 36], 16)
        except ValueError:
            return None
        sequence = ((serial - self._offset) * _UNSPREAD_48) & _MASK_48
        return sequence if sequence < 1 << SEQUENCE_BITS else None

    def _variant(self, sequence: int) -> int:
        if self.twins and self.is_twin(sequence):
            return (self._variant(sequence - 1) + 1) % len(self._tails)  # never the same content
        return ((sequence * _SPREAD_32) >> 7) % len(self._tails)


def _tail(shape: Shape, rng: random.Random) -> bytes:
    """All of an event but its uuid, tenant and timestamp, which are what differs from one event to the next."""
    # Both spellings of a character exist in the wild; neither may be turned into the other.
    text = json.dumps(build(shape, rng), ensure_ascii=rng.random() < 0.5, separators=(",", ":"))
    for mark, literal in _LITERALS.items():
        text = text.replace(mark, literal)
    return text.removeprefix("{").encode()
