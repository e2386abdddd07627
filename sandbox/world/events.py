"""Audit events, made from a sequence number: nothing is stored, everything can be made again."""

import json
import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

SEQUENCE_BITS = 23
SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1
"""A tenant holds eight million events at most."""

_TEMPLATES = Path(__file__).with_name("event_templates.jsonl")
_VARIANTS = 24  # of each template
_USERS = ("amelie.durand", "józef.wiśniewski", "o'neil", "søren.kjær", "田中.花子", "svc-backup", "li.na", "admin")
_VALUES: Mapping[str, tuple[str, ...]] = {
    "user": _USERS,
    "safe": ("Integration safe", "Unix-Root", "Serveurs de démonstration", "Ω-Vault"),
    "city": ("Paris", "Zürich", "São Paulo", "東京"),
    "country": ("FR", "CH", "BR", "JP"),
    "browser": ("Chrome", "Firefox", "Edge"),
}
_SPREAD_32 = 2654435761
_SPREAD_48 = 0x9E3779B97F4B
_MASK_32 = (1 << 32) - 1
_MASK_48 = (1 << 48) - 1


class EventFactory:
    """Makes events as texts: the same seed, sequence number and time always give the same text.

    The settings are fixed when the first event is made: `has_uuid`, `shares_uuid` (one of N events has the uuid of the
    one before it, and another content), `has_timestamp`, `string_timestamp`, `padding` (bytes added to each event).
    """

    has_uuid = True
    has_timestamp = True
    string_timestamp = False
    shares_uuid = 0
    padding = 0

    def __init__(self, seed: int = 0) -> None:
        rng = random.Random(seed)
        self._first = rng.getrandbits(32)
        self._offset = rng.getrandbits(48)
        self._middle = f"{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-8{rng.getrandbits(12):03x}"
        self.tenant_id = uuid_text(rng)
        self._tails: list[str] = []
        self._applications: list[str] = []
        templates = _TEMPLATES.read_text(encoding="utf-8").splitlines()
        for _ in range(_VARIANTS):
            for template in templates:
                self._add_tail(template, rng)

    @cached_property
    def _head(self) -> str:
        """Return the format of an event's beginning, fixed when the first one is made."""
        quote = '"' if self.string_timestamp else ""
        stamp = f'"timestamp":{quote}%d{quote},' if self.has_timestamp else "%.0s"  # which prints nothing
        filler = f'"filler":"{"x" * self.padding}",' if self.padding else ""
        key = "uuid" if self.has_uuid else "nuid"
        return f'{{"{key}":"%08x-{self._middle}-%012x","tenantId":"{self.tenant_id}",{stamp}{filler}'

    @cached_property
    def _shares(self) -> int:
        return self.shares_uuid

    def text(self, sequence: int, time_ms: int) -> str:
        """Return the event with this sequence number, as the API writes it."""
        return self._head % (*self._serials(sequence), time_ms) + self._tails[self._variant(sequence)]

    def uuid(self, sequence: int) -> str:
        """Return the uuid of an event."""
        first, last = self._serials(sequence)
        return f"{first:08x}-{self._middle}-{last:012x}"

    def application(self, sequence: int) -> str:
        """Return the application that an event is of."""
        return self._applications[self._variant(sequence)]

    def _serials(self, sequence: int) -> tuple[int, int]:
        serial = sequence - 1 if self._is_twin(sequence) else sequence
        first = (serial * _SPREAD_32 + self._first) & _MASK_32
        last = (serial * _SPREAD_48 + self._offset) & _MASK_48
        return first, last

    def _is_twin(self, sequence: int) -> bool:
        """Return whether this event has the uuid of the one before it."""
        return self._shares > 0 and sequence % self._shares == self._shares - 1 and sequence > 0

    def _variant(self, sequence: int) -> int:
        if self._is_twin(sequence):
            return (self._variant(sequence - 1) + 1) % len(self._tails)  # never the same content
        return ((sequence * _SPREAD_32) >> 7) % len(self._tails)

    def _add_tail(self, template: str, rng: random.Random) -> None:
        text = re.sub(r"@(\w+)@", lambda mark: _value(mark[1], rng), template)
        self._applications.append(json.loads(text)["applicationCode"])
        if rng.random() < 0.5:  # both spellings of a character exist in the wild; neither may become the other
            text = "".join(char if char < "\x80" else json.dumps(char)[1:-1] for char in text)
        self._tails.append(text.removeprefix("{"))


def _value(name: str, rng: random.Random) -> str:
    if name in _VALUES:
        return rng.choice(_VALUES[name])
    made: dict[str, Callable[[], str]] = {
        "id": lambda: uuid_text(rng),
        "hex": lambda: f"{rng.randrange(1 << 16):x}",
        "host": lambda: f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
    }
    return made[name]()


def uuid_text(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def malformed_events(now: float, rng: random.Random) -> dict[str, str]:
    """Return events around `now` (epoch s) by what is wrong with them; each call gives other events."""
    now_ms = int(now * 1000)
    timestamps = {
        "timestamp as a string": f'"{now_ms}"',
        "timestamp as a float": f"{now_ms}.25",
        "timestamp null": "null",
        "timestamp in seconds": str(int(now)),
        "timestamp as ISO text": f'"{datetime.fromtimestamp(now, UTC).isoformat()}"',
        "timestamp hours ahead": str(now_ms + 5 * 3600 * 1000),
        "timestamp beyond any date": "9" * 30,
        "timestamp as words": '"yesterday"',
        "timestamp negative": "-1",
        "timestamp as a list": "[]",
        "timestamp absent": "",
    }
    identifiers = {"uuid null": "null", "uuid a number": "4711", "uuid empty": '""', "uuid a list": "[]"}
    messages = {
        "lone surrogate": r'"cut \ud83d"',
        "integers beyond 64 bits": f"[{'9' * 40},-{'8' * 25},1e400]",
        "numbers spelt oddly": "[1.10,1E5,-0.0,100000000000000000000.0]",
        "300 000 characters": f'"{"x" * 300_000}"',
        "200 000 characters": f'"{"é" * 200_000}"',
        "nested 100 levels": "[" * 100 + "]" * 100,
        "nested 2,000 levels": "[" * 2000 + "]" * 2000,
        "a key twice": '1,"message":2',
        "spaces between": ' [ 1 ,\t{ "a" : null } ] ',
        "needless escapes": r'"\u0041\/\u00e9\u0000"',
    }
    stamp, number = str(now_ms), rng.getrandbits(50)
    return {
        **{name: made_event(rng, timestamp=value) for name, value in timestamps.items()},
        **{name: made_event(rng, uuid=value, timestamp=stamp) for name, value in identifiers.items()},
        **{name: made_event(rng, timestamp=stamp, message=value) for name, value in messages.items()},
        "uuid absent": made_event(rng, uuid="", timestamp=stamp),
        "a number in place of an event": str(number),
        "a text in place of an event": f'"event {number}"',
        "a list in place of an event": f"[{number}]",
        "hardly any field": f'{{"n":{number}}}',
    }


def made_event(rng: random.Random, **values: str) -> str:
    """Return an event with these fields as JSON texts; an empty text leaves its field out."""
    fields = {"uuid": f'"{uuid_text(rng)}"', "applicationCode": '"PAM"', "auditType": '"Info"', **values}
    fields["customData"] = f'{{"nonce":{rng.getrandbits(48)}}}'
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value) + "}"
