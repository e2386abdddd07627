"""The saved form of the checkpoint, and those of the published connector (1.0.0) and of the second edition.

`most_recent_date_seen` and `events_cache` keep their meaning for 1.0.0 (source: its `context.json`), which reads them
again after a downgrade; what is ours is under `collection`. Both others knew events by uuid alone, and what
the second edition was reading becomes windows from where it would have continued.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import orjson
from pydantic import TypeAdapter

from ..events import to_epoch_ms, uuid_key
from .keys import Bucket, Keys, Legacy
from .value import DAY_MS, OVERLAP_MS, UUIDS_KEPT, Checkpoint, Window, whole_second

FORMAT, SECOND_EDITION = 3, 2
LATEST_MS = 4_102_444_800_000  # the year 2100
_CHECKPOINT = TypeAdapter(Checkpoint)
_packed = attrgetter("packed")  # of a bucket, its saved form


class BadCheckpoint(Exception):
    """The saved value is not a checkpoint of this edition."""


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes to save: one line of JSON."""
    # After a downgrade, collection continues from there: nothing that is unread may be older.
    date = datetime.fromtimestamp(checkpoint.first_unread_ms / 1000, UTC).isoformat()
    ours = {"format": FORMAT, "most_recent_date_seen": date, "checkpoint": replace(checkpoint, uuids=())}
    document = {"most_recent_date_seen": date, "events_cache": checkpoint.uuids, "collection": ours}
    return orjson.dumps(document, _packed, orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True)
class Opened:
    """The checkpoint to start from, and a warning for the log ("" if there is none).

    `is_first`: nothing was collected before. `rejected` are the texts of events that the second edition held because
    the intake had rejected them.
    """

    checkpoint: Checkpoint
    warning: str = ""
    is_first: bool = False
    rejected: tuple[str, ...] = ()


def first_run(start_ms: int) -> Checkpoint:
    """Return the checkpoint of a tenant whose events from there on are to be delivered."""
    return Checkpoint((Window(whole_second(start_ms)),))


def open_checkpoint(content: bytes | None, backup: bytes | None, now_ms: int, start_ms: int, oldest_ms: int) -> Opened:
    """Return the checkpoint to start from.

    `content` and `backup` are what was saved (None: nothing), `now_ms` is the earlier of the two clocks, `start_ms`
    where a first run starts, and `oldest_ms` the oldest event time that the API still returns.
    """
    if content is None and backup is None:
        return Opened(first_run(start_ms), is_first=True)
    reason = "it is missing"
    if content is not None:
        try:
            return _opened(content, now_ms, start_ms)
        except BadCheckpoint as error:
            reason = str(error)
    with suppress(BadCheckpoint):
        opened = _opened(backup or b"", now_ms, start_ms)
        text = f"The saved state cannot be used ({reason}). Collection continues from the previous save; events "
        return replace(opened, warning=f"{text}delivered since then are sent again.")
    text = f"The saved state cannot be used ({reason}). The connector reads again everything that CyberArk keeps "
    warning = f"{text}(7 days), so that nothing is lost; events delivered before are sent again."
    return Opened(replace(first_run(oldest_ms), queried_ms=now_ms), warning)


def _opened(content: bytes, now_ms: int, start_ms: int) -> Opened:
    """Read one saved form, whichever it is. Raises BadCheckpoint."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise BadCheckpoint("it is not JSON") from None
    if not isinstance(document, dict):
        raise BadCheckpoint("it is not a JSON object")
    date, ours, listed = (document.get(name) for name in ("most_recent_date_seen", "collection", "events_cache"))
    uuids = tuple(uuid for uuid in listed if isinstance(uuid, str)) if isinstance(listed, list) else ()
    try:
        # The published connector keeps what is ours, and continues from its own date.
        if isinstance(ours, dict) and ours["most_recent_date_seen"] == date:
            if ours["format"] == FORMAT:
                return Opened(replace(_decoded(ours["checkpoint"]), uuids=uuids))
            if ours["format"] == SECOND_EDITION:
                return _of_second_edition(ours, uuids, now_ms)
            text = "The state was saved by a later version. Collection continues from its date; events that it "
            return _of_date(date, uuids, now_ms, f"{text}delivered around that date may be sent again.")
    except BadCheckpoint:
        raise
    except Exception:  # whatever is not there, or is something else
        raise BadCheckpoint("the entry collection is damaged") from None
    if date is None and not uuids:
        return Opened(first_run(start_ms), is_first=True)
    return _of_date(date, uuids, now_ms)


def _decoded(saved: Any) -> Checkpoint:
    checkpoint = _CHECKPOINT.validate_python(saved)
    *bounds, last = [bound for window in checkpoint.windows for bound in (window.start_ms, window.end_ms)]
    times = [bound for bound in (0, *bounds, LATEST_MS) if bound is not None]
    if last is not None or None in bounds or times != sorted(times) or not all(each.marks for each in checkpoint.live):
        raise ValueError("no checkpoint is like this")
    return checkpoint


def _of_date(date: Any, uuids: tuple[str, ...], now_ms: int, warning: str = "") -> Opened:
    """Continue from the date and the last uuids that every edition saves. Raises BadCheckpoint."""
    date_ms = to_epoch_ms(date)
    if date_ms is None:
        raise BadCheckpoint("it contains no date")
    # A full list does not show how far back it goes: what is older than its oldest event was delivered.
    from_ms = date_ms if len(uuids) >= UUIDS_KEPT else 0
    if date_ms > now_ms:
        # It has followed an event with a wrong clock, and nobody knows since when it has read nothing else.
        text = "The date in the saved state is in the future. The last 24 hours are read again, so that nothing is "
        warning, date_ms, from_ms = f"{text}lost; events delivered before may be sent again.", now_ms - DAY_MS, 0
    start_ms = whole_second(date_ms - OVERLAP_MS)
    known = Bucket().with_keys(uuid_key(uuid) for uuid in uuids)
    keys = Keys(complete_from_ms=start_ms, legacy=Legacy(known, now_ms, from_ms))
    return Opened(replace(first_run(start_ms), keys=keys, uuids=uuids), warning)


def _of_second_edition(saved: dict[str, Any], uuids: tuple[str, ...], now_ms: int) -> Opened:
    """Continue from what the second edition had not read, and from its keys."""
    coverage = saved["coverage"]
    watermark_ms = min(int(coverage["watermark_ms"]), now_ms)
    gaps = [(whole_second(gap["start_ms"]), whole_second(gap["end_ms"], up=True)) for gap in coverage["gaps"]]
    checkpoint = first_run(watermark_ms).with_windows(
        *(Window(start, min(end, whole_second(watermark_ms)), to_confirm=1) for start, end in gaps)
    )
    for stream in saved["streams"]:
        if stream["use"] == "backfill" and stream["dates"] and stream["disorder_ms"] <= OVERLAP_MS:
            checkpoint = checkpoint.with_complete(stream["start_ms"], whole_second(min(stream["dates"]) - OVERLAP_MS))
    known = Bucket()
    for packed in (*saved["dated"].values(), *saved["late"].values()):
        known = known.with_keys(Bucket.unpacked(packed).keys)
    checkpoint = replace(
        checkpoint,
        keys=Keys(complete_from_ms=int(saved["complete_from_ms"]), legacy=Legacy(known, now_ms)),
        queried_ms=int(saved["queried_ms"] or 0),
        tenant_id=str(saved["tenant_id"]),
        uuids=uuids,
    )
    return Opened(checkpoint, rejected=tuple(event["text"] for event in saved["held"]))
