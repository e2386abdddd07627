"""An audit event as this connector sees it: the text that goes to the intake, who it is, and when it happened.

The text of an event is never parsed and written again: it is cut out of the API's answer as it stands, so that
numbers beyond 64 bits, lone surrogates and unknown keys reach the intake unchanged.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

KEY_BYTES = 12
# So many events at the end of a page tell how far it reaches.
ENDING = 16
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_NIL = "00000000-0000-0000-0000-000000000000"
# Below this, an epoch number is in seconds: as milliseconds it would be before March 1973.
_SECONDS_BELOW = 100_000_000_000
_YEAR_9999_MS = 253_402_300_800_000
_NANOSECONDS_BELOW = 1_000_000 * _YEAR_9999_MS
# Brackets, strings and the commas between values: enough to find where a value ends, whatever it holds.
# The lone quote at the end matches a string that never ends.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]|"', re.DOTALL)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One audit event.

    `text` is its JSON as the API sent it; `key` identifies it (by its uuid, or else by its content); `time_ms` is its
    epoch time in milliseconds, None when it cannot be dated; `uuid` is None when it has no usable one.
    """

    text: str
    key: bytes
    time_ms: int | None
    uuid: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results: its events in the API's order, and the cursor of what follows (None: not given)."""

    events: tuple[Event, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class UnreadPage:
    """A page whose events were cut out of the answer, but not read yet."""

    texts: Sequence[msgspec.Raw | str]
    cursor: str | None

    def read(self) -> Page:
        """Read its events."""
        return Page(tuple(map(_read_text, self.texts)), self.cursor)

    def ending(self) -> Page:
        """Read its last events only: they tell, at once, how far in time it reaches."""
        return Page(tuple(map(_read_text, self.texts[-ENDING:])), self.cursor)


class _Envelope(msgspec.Struct, gc=False):
    data: list[msgspec.Raw] | None = None
    paging: Any = None


class _Head(msgspec.Struct, gc=False):
    uuid: Any = None
    timestamp: Any = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_head = msgspec.json.Decoder(_Head).decode


def uuid_key(uuid: str) -> bytes:
    """Return the key under which an event of that uuid is remembered."""
    return blake2b(uuid.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def read_page(body: bytes) -> Page:
    """Cut and read the answer of `results`. Raises ValueError as `cut_page` does."""
    return cut_page(body).read()


def cut_page(body: bytes) -> UnreadPage:
    """Cut the answer of `results`: `{"data": [event…], "paging": {"cursor": {"cursorRef": …}}}`.

    `data` may be null or absent, and any level of `paging` too. Raises ValueError when the body is not JSON or not of
    that shape; one event that is malformed raises nothing.
    """
    try:
        envelope = _decode_envelope(body)
        return UnreadPage(envelope.data or (), _next_cursor(envelope.paging))
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        # One event can make the whole page invalid to a strict parser (a lone surrogate does): cut it by its brackets.
        texts, paging = _cut_page(body.decode("utf-8", "replace"))
        return UnreadPage(texts, _next_cursor(paging))


def _next_cursor(paging: Any) -> str | None:
    cursor = paging.get("cursor") if isinstance(paging, dict) else None
    reference = cursor.get("cursorRef") if isinstance(cursor, dict) else None
    return reference if isinstance(reference, str) and reference else None


def _cut_page(body: str) -> tuple[list[str], Any]:
    members = {}
    for member in _cut(body, "{", "}"):
        name = _TOKEN.match(member)
        colon = member.find(":", name.end()) if name else -1
        if name is None or colon < 0:
            raise ValueError("an answer that is not JSON")
        members[name.group().strip('"')] = member[colon + 1 :].strip()
    data = members.get("data", "null")
    return ([] if data == "null" else list(_cut(data, "[", "]"))), json.loads(members.get("paging", "null"))


def _cut(text: str, opening: str, closing: str) -> Iterator[str]:
    """Yield the text of each value between the brackets that enclose `text`."""
    text = text.strip()
    if text[:1] != opening:
        raise ValueError("an answer of an unexpected shape")
    depth, start = 0, 1
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark == '"':
            break
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        if depth == 0 or (depth == 1 and mark == ","):
            value = text[start : token.start()].strip()
            if value:
                yield value
            start = token.end()
        if depth == 0:
            if mark != closing or text[start:].strip():
                break
            return
    raise ValueError("an answer that was cut, or that is not JSON")


def _read_text(text: msgspec.Raw | str) -> Event:
    return read_event(text if isinstance(text, str) else str(text, "utf-8", "replace"))


def read_event(text: str) -> Event:
    """Identify and date the event of that JSON text; it can be any JSON value."""
    try:
        head = _decode_head(text)
        uuid, timestamp = head.uuid, head.timestamp
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        uuid, timestamp = _lenient_head(text)
    if isinstance(uuid, str) and _UUID.fullmatch(uuid) and uuid != _NIL:
        return Event(text, uuid_key(uuid), to_epoch_ms(timestamp), uuid)
    content = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, person=b"content").digest()
    return Event(text, content, to_epoch_ms(timestamp), uuid if _is_name(uuid) else None)


def _is_name(uuid: Any) -> bool:
    """Return whether it is text that can be stored and shown, though no UUID."""
    return isinstance(uuid, str) and 0 < len(uuid) <= 100 and uuid.isprintable() and uuid != _NIL


def _lenient_head(text: str) -> tuple[Any, Any]:
    try:
        event = json.loads(text, strict=False, parse_int=float)
    except (ValueError, RecursionError):
        return None, None
    return (event.get("uuid"), event.get("timestamp")) if isinstance(event, dict) else (None, None)


def to_epoch_ms(timestamp: Any) -> int | None:
    """Return the epoch time (ms) of a `timestamp` in any form it was seen in, None when it is no date.

    Documented as epoch milliseconds, and by one vendor as a string of them; seconds, floats and ISO 8601 are read too.
    """
    if type(timestamp) is int and _SECONDS_BELOW <= timestamp < _YEAR_9999_MS:
        return timestamp
    if isinstance(timestamp, str):
        try:
            timestamp = float(timestamp)
        except ValueError:
            return _date_to_epoch_ms(timestamp.strip())
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    if isinstance(timestamp, float) and not math.isfinite(timestamp):
        return None
    if not 0 < timestamp < _NANOSECONDS_BELOW:
        return None
    # Milliseconds are documented; the magnitude tells the other units apart.
    if timestamp < _SECONDS_BELOW:
        return int(timestamp * 1000)
    divisor = 1 if timestamp < _YEAR_9999_MS else 1000 if timestamp < 1000 * _YEAR_9999_MS else 1_000_000
    return int(timestamp) // divisor


def _date_to_epoch_ms(text: str) -> int | None:
    try:
        date = datetime.fromisoformat(text)
        epoch_ms = int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return epoch_ms if 0 < epoch_ms < _YEAR_9999_MS else None
