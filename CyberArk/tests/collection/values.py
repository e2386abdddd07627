"""Values that the tests of pure functions are made of."""

from dataclasses import replace
from typing import Any

from cyberark_modules.audit_api.events import Event, Page
from cyberark_modules.checkpoint.coverage import Coverage, Gap
from cyberark_modules.checkpoint.stream import DATES_KEPT, Stream, Use
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.collection.reading import ORDER_KNOWN_EVENTS

NOW = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
OVERLAP_MS = 300_000


def event(time_ms: int | None, number: int | None = None) -> Event:
    """An event of that time, which is also what tells it from others unless a number does."""
    number = (time_ms or 0) if number is None else number
    return Event(f"{number}", number.to_bytes(12, "big"), time_ms, None)


def page(*times: int | None, cursor: str | None = "next") -> Page:
    return Page(tuple(event(time) for time in times), cursor)


def stream(use: Use, start_ms: int, end_ms: int | None = None, **fields: Any) -> Stream:
    given: dict[str, Any] = {"opened_ms": NOW, "cursor": "first", "frontier": "first", "page_size": 500} | fields
    return Stream(use, start_ms, end_ms, **given)


def read_to(reading: Stream, time_ms: int) -> Stream:
    """The stream when it has read up to that time, and enough events to tell their order."""
    return replace(reading, dates=(time_ms,) * DATES_KEPT, latest_ms=time_ms, events=ORDER_KNOWN_EVENTS)


def checkpoint(*streams: Stream, watermark_ms: int = NOW - OVERLAP_MS, gaps: tuple[Gap, ...] = ()) -> Checkpoint:
    return Checkpoint(Coverage(watermark_ms, 0, gaps), streams)
