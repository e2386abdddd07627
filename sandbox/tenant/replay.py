"""Events from a file of JSON lines."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def read_events(file: Path, default_time: float) -> Iterator[tuple[float, str]]:
    """Each line with its time in epoch seconds; one without a readable time gets that of the line before it."""
    time = default_time
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            text = line.strip()
            if text:
                time = _time_of(text) or time
                yield time, text


def newest_time(file: Path) -> float | None:
    """The newest time in a file, in epoch seconds; None when no line has any."""
    return max((time for _, text in read_events(file, 0) if (time := _time_of(text))), default=None)


def _time_of(text: str) -> float | None:
    stamp: Any = None
    with suppress(ValueError):
        event = json.loads(text)
        stamp = event.get("timestamp") if isinstance(event, dict) else None
    with suppress(ValueError, TypeError, OverflowError):
        time = float(stamp) / 1000
        datetime.fromtimestamp(time, UTC)  # raises where that is no date
        return time
    with suppress(ValueError, TypeError):
        date = datetime.fromisoformat(stamp)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return None
