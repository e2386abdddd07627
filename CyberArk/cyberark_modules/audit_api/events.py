"""An audit event as this connector sees it: the text that goes to the intake, its identity, and its time.

The text of an event is never parsed and written again: it is taken out of the API's answer as it stands, so that
numbers beyond 64 bits, lone surrogates and unknown keys reach the intake unchanged. Only raw line breaks are removed.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

KEY_BYTES = 12
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_NIL = "00000000-0000-0000-0000-000000000000"
# Below this, an epoch number is in seconds: as milliseconds it would be before March 1973.
_SECONDS_BELOW = 100_000_000_000
_YEAR_9999_MS = 253_402_300_800_000
_NANOSECONDS_BELOW = 1_000_000 * _YEAR_9999_MS
_STRING_OR_BREAK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\r\n]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\r\n]*")
_scan = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=str).raw_decode


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
class RawPage:
    """A page that was split into the texts of its events, which were not read yet."""

    texts: Sequence[msgspec.Raw | str]
    cursor: str | None

    def read(self) -> Page:
        """Read its events."""
        return Page(tuple(map(_read_text, self.texts)), self.cursor)


class _Envelope(msgspec.Struct, gc=False):
    data: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    paging: Any = None


class _Head(msgspec.Struct, gc=False):
    uuid: Any = None
    timestamp: Any = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_head = msgspec.json.Decoder(_Head).decode


def uuid_key(uuid: str) -> bytes:
    """Return the key under which an event of that uuid is remembered."""
    return blake2b(uuid.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def split_page(body: bytes) -> RawPage:
    """Split the answer of `results`: `{"data": [event…], "paging": {"cursor": {"cursorRef": …}}}`.

    `data` may be null, and any level of `paging` null or absent. Raises ValueError when the body is not JSON or not of
    that shape; without `data` it is an error of the service, whatever its status. A malformed event raises nothing.
    """
    try:
        envelope = _decode_envelope(body)
        data, paging = envelope.data, envelope.paging
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        # One event can make the whole page invalid to a strict parser (a lone surrogate does).
        try:
            return _split_leniently(body.decode("utf-8", "replace"))
        except RecursionError:
            raise ValueError("an answer that is nested too deeply") from None
    if data is msgspec.UNSET:
        raise ValueError("an answer without data")
    return RawPage(data or (), _next_cursor(paging))


def _split_leniently(body: str) -> RawPage:
    """Split a page that a strict parser refuses. Numbers are read as texts, so that their size does not matter."""
    members: dict[str, Any] = {}
    texts: list[str] = []
    position = _after(body, 0, "{")
    while True:
        name, position = _scan(body, position)
        position = _after(body, position, ":")
        if name == "data" and body.startswith("[", position):
            texts, position = _split_list(body, position)
            members["data"] = texts
        else:
            members[str(name)], position = _scan(body, position)
        position = _after(body, position)
        if not body.startswith(",", position):
            break
        position = _after(body, position, ",")
    data = members.get("data", "")
    if _after(body, position, "}") != len(body) or (data is not None and data is not texts):
        raise ValueError("an answer of an unexpected shape")
    return RawPage(texts, _next_cursor(members.get("paging")))


def _split_list(body: str, position: int) -> tuple[list[str], int]:
    """Return the text of each value of the list that begins at `position`, and where the list ends."""
    texts: list[str] = []
    position = _after(body, position, "[")
    while not body.startswith("]", position):
        start = _after(body, position, "," if texts else "")
        _, position = _scan(body, start)
        texts.append(body[start:position])
        position = _after(body, position)
    return texts, position + 1


def _after(body: str, position: int, mark: str = "") -> int:
    """Return where the value after `mark` begins. Raises ValueError when `mark` is not next at `position`."""
    position = _SPACE.match(body, position).end()  # type: ignore[union-attr]
    if not body.startswith(mark, position):
        raise ValueError("an answer that is not JSON, or that was cut")
    return _SPACE.match(body, position + len(mark)).end()  # type: ignore[union-attr]


def encode_cursor(reference: Any) -> str | None:
    """Return a `cursorRef` as a text that can be stored anywhere, None if it is no cursor; see `decode_cursor`.

    Opaque to us, it may hold a lone surrogate, which UTF-8 has no bytes for: it is then kept as its JSON text.
    """
    if not isinstance(reference, str) or not reference:
        return None
    is_storable = reference[0] != '"' and not _SURROGATE.search(reference)
    return reference if is_storable else json.dumps(reference)


def decode_cursor(cursor: str) -> str:
    """Return the `cursorRef` as the API gave it."""
    return str(json.loads(cursor)) if cursor.startswith('"') else cursor


def _next_cursor(paging: Any) -> str | None:
    cursor = paging.get("cursor") if isinstance(paging, dict) else None
    return encode_cursor(cursor.get("cursorRef")) if isinstance(cursor, dict) else None


def _one_line(text: str) -> str:
    """Remove the line breaks of a JSON text: the intake's parser reads an event as one line (`^\\s*\\{.*\\}\\s*$`)."""
    if "\n" not in text and "\r" not in text:
        return text
    return _STRING_OR_BREAK.sub(
        lambda found: found[0].replace("\n", "\\n").replace("\r", "\\r") if found[0][0] == '"' else "", text
    )


def _read_text(text: msgspec.Raw | str) -> Event:
    return read_event(_one_line(text if isinstance(text, str) else str(text, "utf-8", "replace")))


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
