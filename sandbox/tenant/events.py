"""Realistic audit events, made from a sequence number: nothing is stored, everything can be made again."""

import json
import random
from dataclasses import dataclass

from sandbox.tenant.shapes import SHAPES, Shape, build

SEQUENCE_BITS = 22
"""A tenant holds four million events at most."""

# Numbers whose text a careless re-serialisation would change.
_LITERALS = {'"@SCORE@"': "87.50", '"@SCALE@"': "1.0E+2", '"@BIG@"': "18446744073709551616"}
_VARIANTS_PER_SHAPE = 24
_UUID_START = len('{"uuid":"')
_SERIAL = slice(_UUID_START + 24, _UUID_START + 36)
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
    """

    def __init__(self, seed: int = 0, string_timestamps: bool = False) -> None:
        rng = random.Random(seed)
        self._first = rng.getrandbits(32)
        self._offset = rng.getrandbits(48)
        middle = f"{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-8{rng.getrandbits(12):03x}"
        self.tenant_id = f"{rng.getrandbits(32):08x}-{middle}-{rng.getrandbits(48):012x}"
        time_format = '"%d"' if string_timestamps else "%d"
        self._head = f'{{"uuid":"%08x-{middle}-%012x","tenantId":"{self.tenant_id}","timestamp":{time_format},'
        self._tails: list[bytes] = []
        self._kinds: list[Kind] = []
        for _ in range(_VARIANTS_PER_SHAPE):
            for shape in SHAPES:
                self._tails.append(_tail(shape, rng))
                self._kinds.append(Kind(shape.application, shape.audit_type, shape.action))

    def parts(self, sequence: int, time_ms: int) -> tuple[bytes, bytes]:
        """The event with this sequence number, as the API writes it, in two pieces."""
        head = self._head % (
            (sequence * _SPREAD_32 + self._first) & _MASK_32,
            (sequence * _SPREAD_48 + self._offset) & _MASK_48,
            time_ms,
        )
        return head.encode(), self._tails[((sequence * _SPREAD_32) >> 7) % len(self._tails)]

    def kind(self, sequence: int) -> Kind:
        return self._kinds[((sequence * _SPREAD_32) >> 7) % len(self._kinds)]

    def sequence_of(self, text: str) -> int | None:
        """The sequence number that a text claims; None when it is none of ours."""
        try:
            serial = int(text[_SERIAL], 16)
        except ValueError:
            return None
        sequence = ((serial - self._offset) * _UNSPREAD_48) & _MASK_48
        return sequence if sequence < 1 << SEQUENCE_BITS else None


def _tail(shape: Shape, rng: random.Random) -> bytes:
    """All of an event but its uuid, tenant and timestamp, which are what differs from one event to the next."""
    # Both spellings of a character exist in the wild; neither may be turned into the other.
    text = json.dumps(build(shape, rng), ensure_ascii=rng.random() < 0.5, separators=(",", ":"))
    for mark, literal in _LITERALS.items():
        text = text.replace(mark, literal)
    return text.removeprefix("{").encode()
