"""An audit event as this connector sees it: the text that goes to the intake, its key, and its time.

The text of an event is never parsed and written again: it is cut out of the API's answer, so that numbers beyond 64
bits, lone surrogates and unknown keys reach the intake unchanged. Only raw line breaks are removed.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

# Splits a page six times faster than the standard library, without which 35 µs of CPU time an event are not kept.
import msgspec

KEY_BYTES = 12
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# March 1973 and the year 9999: what is outside was not in milliseconds.
_EARLIEST_MS, _LATEST_MS = 100_000_000_000, 253_402_300_800_000
_DATA = re.compile(rb'"data"\s*:\s*\[\s*')
_SEPARATOR = re.compile(rb"\s*([,\]])\s*")
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING_OR_BREAK = re.compile(rf"{_STRING}|[\r\n]", re.DOTALL)
_STRING_OR_MARK = re.compile(rf'{_STRING}|["\[\]{{}},]', re.DOTALL)
_DEPTH = {"{": 1, "[": 1, "}": -1, "]": -1}
# A page of large events has tens of megabytes: this much of it at a time becomes a text (bytes).
_PART = 1 << 20
# Numbers stay texts: an integer may have more digits than Python converts.
_scan = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=str).raw_decode


class Event(NamedTuple):
    """One audit event.

    `text` is its JSON as the API sent it, in one line; `key` identifies it; `time_ms` is its epoch time in
    milliseconds, None when it has none; `uuid` is None when it has no usable one.
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


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw] | None
    paging: Any = None


class _Head(msgspec.Struct):
    uuid: Any = None
    timestamp: Any = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_head = msgspec.json.Decoder(_Head).decode


def read_page(body: bytes) -> Page:
    """Read the answer of `results`: `{"data": [event…], "paging": {"cursor": {"cursorRef": …}}}`.

    `data` may be null, and any level of `paging` null or absent. Raises ValueError when the body is not JSON or not of
    that shape. An event that is no valid JSON, or nested deeper than Python's parser goes, is cut out by its brackets.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")  # a byte order mark
    try:
        whole = _decode_envelope(body)
        heads = [(str(raw, "utf-8"), _decode_head(raw)) for raw in whole.data or ()]
        read = tuple(_event(text, head.uuid, head.timestamp) for text, head in heads)
        return Page(read, _next_cursor(whole.paging))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # a strict parser: one broken event is enough
    events: list[Event] = []
    if data := _DATA.search(body):
        events, end = _read_events(body, data.end())
        body = b"%b]%b" % (body[: data.end()], body[end:])
    try:
        envelope = json.loads(body)
    except RecursionError:
        raise ValueError("an answer that is nested too deeply") from None
    if not isinstance(envelope, dict) or envelope.get("data", "") not in (None, []):
        raise ValueError("an answer without a list of events")
    return Page(tuple(events), _next_cursor(envelope.get("paging")))


def _next_cursor(paging: Any) -> str | None:
    cursor = paging.get("cursor") if isinstance(paging, dict) else None
    reference = cursor.get("cursorRef") if isinstance(cursor, dict) else None
    return reference if isinstance(reference, str) and reference else None


def uuid_key(uuid: str) -> bytes:
    """Return the key of an event of which only the uuid is known: the published 1.0.0 stored nothing else."""
    return blake2b(uuid.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def to_epoch_ms(timestamp: Any) -> int | None:
    """Return the epoch time (ms) of a `timestamp`: milliseconds, a text of them, or a date (ISO 8601); else None."""
    try:
        time_ms = float(timestamp)
    except (TypeError, ValueError, OverflowError):
        try:
            date = datetime.fromisoformat(timestamp)
            time_ms = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000
        except (TypeError, ValueError, OverflowError):
            return None
    return int(time_ms) if _EARLIEST_MS <= time_ms < _LATEST_MS else None


def _read_events(body: bytes, start: int) -> tuple[list[Event], int]:
    """Read the events of the list whose first value begins at `start`; return them and where the list ends."""
    events: list[Event] = []
    if body.startswith(b"]", start):
        return events, start + 1
    part, begin, size = "", start, _PART
    while True:
        try:
            head, end = _scan(part, start - begin)
        except (ValueError, RecursionError):
            head, end = None, _end_of_broken(part, start - begin)
        if end < len(part):
            encoded = part[start - begin : end]
            text = encoded if encoded.isascii() else encoded.encode("latin-1").decode("utf-8", "replace")
            fields = head if isinstance(head, dict) else {}
            events.append(_event(text, fields.get("uuid"), fields.get("timestamp")))
            separator = _SEPARATOR.match(body, begin + end)
            if separator is None:
                raise ValueError("an answer that is not JSON, or that was cut")
            start = separator.end()
            if separator[1] == b"]":
                return events, start
        elif begin + len(part) < len(body):
            begin, size = start, _PART if start > begin else 2 * size
            # One byte a character: a single emoji would make a text four times as large.
            part = body[begin : begin + size].decode("latin-1")
        else:
            raise ValueError("an answer that is not JSON, or that was cut")


def _end_of_broken(text: str, start: int) -> int:
    """Return where an object that cannot be parsed ends, by its brackets; the end of the text if not before."""
    depth = 0
    for found in _STRING_OR_MARK.finditer(text, start):
        depth += _DEPTH.get(found[0], 0)
        if depth == 0 and found[0] in _DEPTH:
            return found.end()
        if depth < 1 or found[0] == '"':  # no object, or a text without an end
            break
    return len(text)


def _event(text: str, uuid: Any, timestamp: Any) -> Event:
    """Return the event of that text, with the values of its two fields."""
    if "\n" in text or "\r" in text:
        # The intake's parser reads an event as one line (`^\s*\{.*\}\s*$`).
        text = _STRING_OR_BREAK.sub(
            lambda found: found[0].replace("\n", "\\n").replace("\r", "\\r") if found[0][0] == '"' else "", text
        )
    time_ms = to_epoch_ms(timestamp)
    if not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
        uuid = None
    if uuid and time_ms is not None:
        return Event(text, uuid_key(f"{uuid} {time_ms}"), time_ms, uuid)
    return Event(text, blake2b(text.encode(), digest_size=KEY_BYTES, person=b"content").digest(), time_ms, uuid)
