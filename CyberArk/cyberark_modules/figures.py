"""What a query and the readings since the one before have brought, as the line that each poll leaves in the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .audit_api.events import Event, Page


@dataclass
class PollFigures:
    """Counts since the last query ended; times are epoch milliseconds."""

    pages: int = 0
    events: int = 0
    new: int = 0
    late: int = 0
    latest_behind_ms: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None

    def add(self, page: Page, fresh: Sequence[Event], late_by_ms: Sequence[int]) -> None:
        """Count a page."""
        self.pages += 1
        self.events += len(page.events)
        self.new += len(fresh)
        self.late += len(late_by_ms)
        self.latest_behind_ms = max(self.latest_behind_ms, *late_by_ms, 0)
        dates = [event.time_ms for event in page.events if event.time_ms is not None]
        if dates:
            self.oldest_ms = min(dates if self.oldest_ms is None else (self.oldest_ms, *dates))
            self.newest_ms = max(dates if self.newest_ms is None else (self.newest_ms, *dates))

    def line(self, since_ms: int, lag_s: float) -> str:
        """Return the line."""
        late = f", {self.late} late by up to {self.latest_behind_ms / 1000:.0f} s" if self.late else ""
        return (
            f"Query since {moment(since_ms)} done: {self.events} events read in {self.pages} pages, "
            f"{self.new} new{late}; lag {lag_s:.0f} s"
        )

    def span(self) -> str:
        """Return what was found, for the first poll."""
        if self.oldest_ms is None or self.newest_ms is None:
            return f"{self.events} events"
        return f"{self.events} events, from {moment(self.oldest_ms)} to {moment(self.newest_ms)}"


def moment(epoch_ms: int) -> str:
    """Return that time as people read it."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
