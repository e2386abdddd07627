"""The checkpoint: how far collection has come and what has been delivered, as one frozen value written at once.

The value is stored as `context.json`, which an earlier connector of this identity can read again after a downgrade:
`most_recent_date_seen` and `events_cache` keep the meaning they have for it; what is ours stands under `collection`.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from .events import KEY_BYTES, Event, Page, to_epoch_ms, uuid_key
from .progress import RETENTION, Progress

SLOT_MS = 10_000
LEGACY_UUIDS = 1000
# The longest that a query may take, its second attempt with a renewed token included: until then the API may count it.
QUERY_MAY_TAKE_MS = 120_000
_LATEST_MS = 4_102_444_800_000  # the year 2100
# The API shows an event for seven days, so one without a usable date can come back for as long.
UNDATED_KEPT_MS = (RETENTION + timedelta(days=1)) // timedelta(milliseconds=1)
UNDATED_MANY = 50_000
UNDATED_UNSEEN_MS = 3_600_000


class BadCheckpoint(ValueError):
    """The stored value is not a checkpoint. `date_ms` is the date that could still be read from it, if any."""

    def __init__(self, reason: str, date_ms: int | None = None) -> None:
        super().__init__(reason)
        self.date_ms = date_ms


class NothingCollected(BadCheckpoint):
    """The earlier connector has stored that it has seen nothing yet."""


@dataclass(frozen=True)
class Slot:
    """The keys of ten seconds of events, with the form they are stored in: packed once, however often it is stored."""

    keys: frozenset[bytes]

    @cached_property
    def packed(self) -> str:
        """Return the keys as Base64 of their concatenation."""
        return b64encode(b"".join(self.keys)).decode()

    @classmethod
    def unpacked(cls, text: str) -> "Slot":
        """Read what was packed. Raises ValueError."""
        joined = b64decode(text, validate=True)
        if len(joined) % KEY_BYTES:
            raise ValueError("keys of an unexpected length")
        return cls(frozenset(joined[start : start + KEY_BYTES] for start in range(0, len(joined), KEY_BYTES)))


_EMPTY = Slot(frozenset())


def _oldest_slot(shown_from_ms: int) -> int:
    """Return the oldest slot to keep: a tenant may filter by when it received an event, a moment after its date."""
    return shown_from_ms // SLOT_MS - 1


@dataclass(frozen=True)
class Delivered:
    """The keys of the events that were delivered and that a query may still show.

    Those with a date are kept by slots of ten seconds, for as long as a query or a cursor reaches back to them; those
    that stand at a later place than their date says, by the date of that place; those without a date, or dated before
    anything the query asked for, by when they were last seen.
    """

    slots: Mapping[int, Slot] = field(default_factory=dict)
    undated: Mapping[bytes, int] = field(default_factory=dict)
    misplaced: Mapping[bytes, int] = field(default_factory=dict)

    def __contains__(self, event: Event) -> bool:
        slot = self.slots.get((event.time_ms or 0) // SLOT_MS)
        if (slot is not None and event.key in slot.keys) or event.key in self.misplaced:
            return True
        return bool(self.undated) and (
            event.key in self.undated or (event.uuid is not None and uuid_key(event.uuid) in self.undated)
        )

    def __len__(self) -> int:
        return sum(len(slot.keys) for slot in self.slots.values()) + len(self.undated) + len(self.misplaced)

    def with_events(
        self, events: Iterable[Event], shown_from_ms: int, now_ms: int, places: Mapping[bytes, int] | None = None
    ) -> "Delivered":
        """Return the set with those events in it; `places` are the dates (ms) of the places of misplaced ones."""
        slots, undated, misplaced = dict(self.slots), dict(self.undated), dict(self.misplaced)
        added: dict[int, set[bytes]] = {}
        for event in events:
            if places and event.key in places:
                misplaced[event.key] = places[event.key]
            elif event.time_ms is None or event.time_ms // SLOT_MS < _oldest_slot(shown_from_ms):
                undated[event.key] = now_ms
            else:
                added.setdefault(event.time_ms // SLOT_MS, set()).add(event.key)
        for slot, keys in added.items():
            slots[slot] = Slot(slots.get(slot, _EMPTY).keys | keys)
        return Delivered(slots, undated, misplaced)

    def seen_again(self, events: Iterable[Event], now_ms: int) -> "Delivered":
        """Return the set with the undated ones among those events marked as seen now."""
        seen = {event.key: now_ms for event in events if event.key in self.undated} if self.undated else None
        return replace(self, undated={**self.undated, **seen}) if seen else self

    def since(self, shown_from_ms: int) -> "Delivered":
        """Return the set without the dated ones that no query can show again."""
        oldest = _oldest_slot(shown_from_ms)
        slots = {slot: kept for slot, kept in self.slots.items() if slot >= oldest}
        misplaced = {key: place_ms for key, place_ms in self.misplaced.items() if place_ms // SLOT_MS >= oldest}
        return Delivered(slots, self.undated, misplaced)

    def without_unseen(self, now_ms: int) -> "Delivered":
        """Return the set without undated ones that the API shows no more.

        That is those not seen for longer than it keeps events; and of a great many, those not seen for an hour while
        others were: a time without any answer does not count.
        """
        since_ms = now_ms - UNDATED_KEPT_MS
        if len(self.undated) > UNDATED_MANY:
            since_ms = max(self.undated.values()) - UNDATED_UNSEEN_MS
        if all(seen_ms >= since_ms for seen_ms in self.undated.values()):
            return self
        return replace(self, undated={key: seen_ms for key, seen_ms in self.undated.items() if seen_ms >= since_ms})


@dataclass(frozen=True)
class Checkpoint:
    """All that a restart needs.

    `queried` tells which kind of query the cursors belong to; `recent` holds the last uuids, for a downgrade.
    """

    progress: Progress
    delivered: Delivered = Delivered()
    queried: str = ""
    recent: tuple[str, ...] = ()

    def opening(self, now_ms: int) -> "Checkpoint":
        """Return the checkpoint to store before a query is opened."""
        delivered = self.delivered.without_unseen(now_ms)
        return replace(self, progress=self.progress.opening(now_ms + QUERY_MAY_TAKE_MS), delivered=delivered)

    def accepted(self, events: Iterable[Event], now_ms: int) -> "Checkpoint":
        """Return the checkpoint after a part of a page was accepted: nothing has been read any further."""
        return replace(self, delivered=self.delivered.with_events(events, self.progress.shown_from_ms, now_ms))

    def committed(
        self, cursor: str, progress: Progress, page: Page, fresh: Sequence[Event], now_ms: int
    ) -> "Checkpoint":
        """Return the checkpoint after a page, read at that cursor, whose `fresh` events the intake has accepted."""
        delivered = self.delivered.seen_again(page.events, now_ms)
        places = _misplaced(page, self.progress.newest_before_ms(cursor), now_ms)
        delivered = delivered.with_events(fresh, self.progress.shown_from_ms, now_ms, places)
        recent = (*self.recent, *(event.uuid for event in fresh if event.uuid))[-LEGACY_UUIDS:]
        return replace(self, progress=progress, delivered=delivered.since(progress.shown_from_ms), recent=recent)


def _misplaced(page: Page, newest_ms: int, now_ms: int) -> dict[bytes, int]:
    """Return the keys of the events that stand behind newer ones, with the date (ms) of the newest before them.

    A tenant may sort by when it received an event; a query then shows a late one longer than its date says.
    """
    found = {}
    for event in page.events:
        if event.time_ms is None or event.time_ms > now_ms:
            continue
        if event.time_ms // SLOT_MS < newest_ms // SLOT_MS:
            found[event.key] = newest_ms
        else:
            newest_ms = max(newest_ms, event.time_ms)
    return found


@dataclass(frozen=True)
class _Stored:
    """What stands under `collection`."""

    progress: Progress
    queried: str
    most_recent_date_seen: str
    slots: dict[int, str]
    undated: dict[str, int]
    misplaced: dict[str, int] = field(default_factory=dict)


_STORED = TypeAdapter(_Stored)


def first_run(now_ms: int, start_time: timedelta) -> Checkpoint:
    """Return the checkpoint of a tenant that was never read: its history of `start_time` is to be delivered."""
    start_ms = now_ms - start_time // timedelta(milliseconds=1)
    return Checkpoint(Progress(start_ms, 0))


def resume_from(date_ms: int, query_ms: int | None = None) -> Checkpoint:
    """Return the checkpoint of a collection of which only the date is known, and perhaps that it queried recently."""
    return Checkpoint(Progress(date_ms, date_ms, query_ms))


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes to store."""
    progress = checkpoint.progress
    date = _iso(progress.position_ms or progress.settled_ms)
    stored = _Stored(
        progress=progress,
        queried=checkpoint.queried,
        most_recent_date_seen=date,
        slots={slot: kept.packed for slot, kept in checkpoint.delivered.slots.items()},
        undated=_named(checkpoint.delivered.undated),
        misplaced=_named(checkpoint.delivered.misplaced),
    )
    # First of all what a file that was cut can still tell.
    document = {
        "settled": _iso(progress.settled_ms),
        "most_recent_date_seen": date,
        "events_cache": checkpoint.recent,
        "collection": stored,
    }
    return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


def decode(content: bytes, now_ms: int) -> Checkpoint:
    """Read what was stored, by this connector or by the earlier one. Raises BadCheckpoint."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadCheckpoint("it is not JSON", _salvaged_date(content)) from None
    if not isinstance(document, dict):
        raise BadCheckpoint("it is not a JSON object")
    date = document.get("most_recent_date_seen")
    date_ms, settled_ms = to_epoch_ms(date), to_epoch_ms(document.get("settled"))
    collection = document.get("collection")
    if collection is None:
        return _of_earlier_connector(document, date_ms, now_ms)
    try:
        stored = _STORED.validate_python(collection)
        slots = {slot: Slot.unpacked(text) for slot, text in stored.slots.items()}
        undated, misplaced = _keyed(stored.undated), _keyed(stored.misplaced)
    except (ValidationError, ValueError):
        raise BadCheckpoint("its collection is damaged", settled_ms or date_ms) from None
    progress = stored.progress
    if not 0 <= progress.settled_ms < _LATEST_MS or not 0 <= progress.position_ms < _LATEST_MS:
        raise BadCheckpoint("its times are impossible", settled_ms or date_ms)
    if stored.most_recent_date_seen != date:
        # The earlier connector has gone on from our state, and has kept the part that it does not know.
        return _of_earlier_connector(document, date_ms, now_ms)
    return Checkpoint(progress, Delivered(slots, undated, misplaced), stored.queried, _uuids(document))


def _of_earlier_connector(document: Mapping[str, Any], date_ms: int | None, now_ms: int) -> Checkpoint:
    recent = _uuids(document)
    if date_ms is None and document.get("most_recent_date_seen") is None and not recent:
        raise NothingCollected("nothing was collected yet")
    if date_ms is None:
        raise BadCheckpoint("it holds no date")
    # Their dates are not known: they are kept for as long as the API can show them.
    delivered = Delivered(undated={uuid_key(uuid): now_ms for uuid in recent})
    # The earlier connector may have followed an event dated ahead: what lies between is read again.
    return replace(resume_from(min(date_ms, now_ms)), delivered=delivered, recent=recent)


def _named(keys: Mapping[bytes, int]) -> dict[str, int]:
    return {b64encode(key).decode(): date_ms for key, date_ms in keys.items()}


def _keyed(names: Mapping[str, int]) -> dict[bytes, int]:
    return {b64decode(name, validate=True): date_ms for name, date_ms in names.items()}


def _uuids(document: Mapping[str, Any]) -> tuple[str, ...]:
    uuids = document.get("events_cache")
    return tuple(uuid for uuid in uuids if isinstance(uuid, str))[-LEGACY_UUIDS:] if isinstance(uuids, list) else ()


def _salvaged_date(content: bytes) -> int | None:
    """Return the date up to which everything was delivered, from what is left of a file; an earlier one's own date."""
    for name in ("settled", "most_recent_date_seen"):
        _, _, rest = content.decode("utf-8", "replace").partition(f'"{name}"')
        value = rest.lstrip(": \n\t").partition('"')[2].partition('"')
        if value[1]:
            return to_epoch_ms(value[0])
    return None


def _iso(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat()
