"""The stored form of the checkpoint; the forms of the first edition and the published connector are read too.

The document stays one that the published connector reads again after a downgrade: `most_recent_date_seen` and
`events_cache` keep the meaning that they have for it; what is ours stands under `collection`. Source of its format:
`context.json` of the published connector.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from ..audit_api.events import to_epoch_ms, uuid_key
from .coverage import Coverage
from .seen import BUCKET_MS, Bucket, Seen
from .stream import Stream
from .value import RECENT_UUIDS, Checkpoint, Held

FORMAT = 2
_LATEST_MS = 4_102_444_800_000  # the year 2100


class BadCheckpoint(ValueError):
    """The stored value is not a checkpoint."""


class NothingCollected(BadCheckpoint):
    """The published connector has stored that it has seen nothing yet."""


@dataclass(frozen=True)
class _Stored:
    """What stands under `collection`."""

    format: int
    coverage: Coverage
    streams: tuple[Stream, ...]
    held: tuple[Held, ...]
    position_ms: int
    queried_ms: int | None
    overlap_ms: int | None
    query_key: str
    tenant_id: str
    most_recent_date_seen: str
    complete_from_ms: int
    reconciled_ms: int
    dated: dict[int, str]
    late: dict[int, str]


@dataclass(frozen=True)
class _FirstEdition:
    """What the first edition stored there: its keys by ten seconds, the others with a date each."""

    progress: dict[str, Any]
    most_recent_date_seen: str
    slots: dict[int, str]
    undated: dict[str, int] = field(default_factory=dict)
    misplaced: dict[str, int] = field(default_factory=dict)


_STORED, _FIRST_EDITION = TypeAdapter(_Stored), TypeAdapter(_FirstEdition)
_FIRST_EDITION_SLOT_MS = 10_000


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes to store."""
    coverage, seen = checkpoint.coverage, checkpoint.seen
    # After a downgrade, collection continues from there: nothing that is still missing may be older.
    date = _iso(min(checkpoint.position_ms or coverage.watermark_ms, coverage.first_missing_ms))
    stored = _Stored(
        format=FORMAT,
        coverage=coverage,
        streams=checkpoint.streams,
        held=checkpoint.held,
        position_ms=checkpoint.position_ms,
        queried_ms=checkpoint.queried_ms,
        overlap_ms=checkpoint.overlap_ms,
        query_key=checkpoint.query_key,
        tenant_id=checkpoint.tenant_id,
        most_recent_date_seen=date,
        complete_from_ms=seen.complete_from_ms,
        reconciled_ms=checkpoint.reconciled_ms,
        dated={index: bucket.packed for index, bucket in seen.dated.items()},
        late={index: bucket.packed for index, bucket in seen.late.items()},
    )
    document = {"most_recent_date_seen": date, "events_cache": checkpoint.recent, "collection": stored}
    try:
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return _encoded_with_surrogates(document)


def _encoded_with_surrogates(document: dict[str, Any]) -> bytes:
    """Only the standard library can write a lone surrogate, in a cursor or in a held event."""
    return json.dumps({**document, "collection": asdict(document["collection"])}).encode()


def decode(content: bytes, now_ms: int) -> Checkpoint:
    """Read what was stored. `now_ms` is the tenant's time. Raises BadCheckpoint."""
    try:
        document = _loads(content)
    except ValueError:
        raise BadCheckpoint("it is not JSON") from None
    if not isinstance(document, dict):
        raise BadCheckpoint("it is not a JSON object")
    date = document.get("most_recent_date_seen")
    date_ms, collection = to_epoch_ms(date), document.get("collection")
    if collection is None:
        return _of_published(document, date_ms, now_ms)
    try:
        if isinstance(collection, dict) and "format" in collection:
            checkpoint = _decoded(_STORED.validate_python(collection), document)
        else:
            checkpoint = _of_first_edition(_FIRST_EDITION.validate_python(collection), document, now_ms)
    except (ValidationError, ValueError, KeyError, TypeError):
        raise BadCheckpoint("the entry collection is damaged") from None
    if not 0 <= checkpoint.coverage.watermark_ms < _LATEST_MS or not 0 <= checkpoint.position_ms < _LATEST_MS:
        raise BadCheckpoint("its times are not possible")
    if collection["most_recent_date_seen"] != date:
        # The published connector has continued from our state, and has kept the part that it does not know.
        return _of_published(document, date_ms, now_ms)
    return _not_after(checkpoint, now_ms)


def _decoded(stored: _Stored, document: Mapping[str, Any]) -> Checkpoint:
    dated = {index: Bucket.unpacked(packed) for index, packed in stored.dated.items()}
    late = {index: Bucket.unpacked(packed) for index, packed in stored.late.items()}
    return Checkpoint(
        coverage=stored.coverage,
        streams=stored.streams,
        seen=Seen.of(dated, late, stored.complete_from_ms),
        held=stored.held,
        position_ms=stored.position_ms,
        queried_ms=stored.queried_ms,
        overlap_ms=stored.overlap_ms,
        query_key=stored.query_key,
        tenant_id=stored.tenant_id,
        recent=_uuids(document),
        reconciled_ms=stored.reconciled_ms,
    )


def _of_first_edition(stored: _FirstEdition, document: Mapping[str, Any], now_ms: int) -> Checkpoint:
    settled_ms, position_ms = int(stored.progress["settled_ms"]), int(stored.progress["position_ms"])
    dated: dict[int, Bucket] = {}
    for slot, packed in stored.slots.items():
        index = slot * _FIRST_EDITION_SLOT_MS // BUCKET_MS
        dated[index] = dated.get(index, Bucket()).with_keys(Bucket.unpacked(packed).keys)
    others = [b64decode(name, validate=True) for name in (*stored.undated, *stored.misplaced)]
    late = {now_ms // BUCKET_MS: Bucket().with_keys(others)} if others else {}
    return Checkpoint(
        coverage=Coverage(settled_ms, settled_ms),
        seen=Seen.of(dated, late, settled_ms),
        position_ms=position_ms,
        queried_ms=stored.progress.get("query_ms"),
        recent=_uuids(document),
    )


def _of_published(document: Mapping[str, Any], date_ms: int | None, now_ms: int) -> Checkpoint:
    recent = _uuids(document)
    if date_ms is None and document.get("most_recent_date_seen") is None and not recent:
        raise NothingCollected("nothing was collected yet")
    if date_ms is None:
        raise BadCheckpoint("it contains no date")
    # It may have followed an event dated ahead: what lies between is read again.
    coverage = Coverage(min(date_ms, now_ms), min(date_ms, now_ms))
    # The dates of these events are not known: they are remembered as if they had been delivered now.
    late = {now_ms // BUCKET_MS: Bucket().with_keys(uuid_key(uuid) for uuid in recent)} if recent else {}
    # No overlap is known to have been read: whoever loads this goes back by the whole of it.
    return Checkpoint(
        coverage,
        seen=Seen.of({}, late, 0),
        position_ms=min(date_ms, now_ms),
        overlap_ms=0,
        recent=recent,
    )


def _not_after(checkpoint: Checkpoint, now_ms: int) -> Checkpoint:
    """Return the checkpoint with nothing delivered in the future: a clock was wrong then."""
    coverage = checkpoint.coverage
    if coverage.watermark_ms <= now_ms and checkpoint.position_ms <= now_ms:
        return checkpoint
    watermark_ms = min(coverage.watermark_ms, now_ms)
    coverage = replace(
        coverage,
        watermark_ms=watermark_ms,
        origin_ms=min(coverage.origin_ms, watermark_ms),
        gaps=coverage.covered(watermark_ms, _LATEST_MS).gaps,
    )
    seen = replace(checkpoint.seen, complete_from_ms=min(checkpoint.seen.complete_from_ms, watermark_ms))
    # What the streams claim goes by that clock too: their windows are read again.
    return replace(
        checkpoint, coverage=coverage, streams=(), seen=seen, position_ms=min(checkpoint.position_ms, now_ms)
    )


def _uuids(document: Mapping[str, Any]) -> tuple[str, ...]:
    uuids = document.get("events_cache")
    if not isinstance(uuids, list):
        return ()
    return tuple(uuid for uuid in uuids if isinstance(uuid, str))[-RECENT_UUIDS:]


def _loads(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content)


def _iso(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat()
