"""What was asked and what came back, as values: all that the findings are made from, and nothing that is the tenant's.

Times named `_s` are seconds since the profile began; times named `_ms` are epoch milliseconds by the tenant's clock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias

# The queries of a profile, by what each is for.
TAIL, ARRIVALS, WINDOW, SIZES, WEEK, LATER = "tail", "arrivals", "window", "sizes", "week", "later"

Asked: TypeAlias = Literal["query", "page"]
# failed: 5xx, or no answer at all.
Outcome: TypeAlias = Literal["good", "throttled", "refused", "error-body", "html", "cut", "failed"]
CursorSeen: TypeAlias = Literal["new", "same", "null", "absent"]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event without its content: `key`, `content` and `source` (its application) are hashes."""

    key: bytes
    content: bytes
    source: bytes
    time_ms: int | None
    arrival_ms: int | None = None
    has_uuid: bool = True
    has_breaks: bool = False
    is_documented: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A page; `cursor` is how the cursor that it gives compares with the one that it was asked by."""

    events: tuple[Seen, ...]
    cursor: CursorSeen
    is_204: bool = False
    is_data_null: bool = False
    is_strict_json: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `position` counts the cursors of its query; `is_beside`: another page was in flight with it."""

    asked: Asked
    query: str
    position: int
    at_s: float
    took_s: float
    outcome: Outcome
    status: int | None = None
    retry_after: Literal["seconds", "date", "absent"] | None = None
    is_beside: bool = False
    page: Page | None = None

    @property
    def end_s(self) -> float:
        """When the answer was there."""
        return self.at_s + self.took_s


@dataclass
class Query:
    """A query that was asked for. `opened_s` is None as long as none was opened."""

    name: str
    size: int
    since_ms: int
    until_ms: int | None = None
    opened_s: float | None = None
    # Read until a page brought nothing new, as often as it takes to be sure.
    is_read_to_end: bool = False


@dataclass
class Record:
    """Everything observed. `started_ms` is the tenant's time at second 0."""

    started_ms: int
    calls: list[Call] = field(default_factory=list)
    queries: dict[str, Query] = field(default_factory=dict)
    clock_skew_s: float | None = None
    seconds: float = 0.0

    def pages(self, *queries: str) -> list[tuple[Call, Page]]:
        """The good pages of those queries, of all without any name."""
        return [
            (call, call.page)
            for call in self.calls
            if call.page is not None and (not queries or call.query in queries)
        ]

    def first_reading(self, query: str) -> list[tuple[Call, Page]]:
        """The pages of a query in the order of its positions, each once, up to the end that was found first."""
        pages: dict[int, tuple[Call, Page]] = {}
        for call, page in self.pages(query):
            pages.setdefault(call.position, (call, page))
        return [pages[position] for position in sorted(pages)]

    def events(self, *queries: str) -> dict[bytes, Seen]:
        """The events of those queries by key, as they were first seen."""
        found: dict[bytes, Seen] = {}
        for _, page in self.pages(*queries):
            for event in page.events:
                found.setdefault(event.key, event)
        return found

    def at_ms(self, at_s: float) -> int:
        """The tenant's time at that second of the profile."""
        return self.started_ms + int(at_s * 1000)

    def by_position(self) -> Iterator[tuple[tuple[str, int], list[Call]]]:
        """The calls for pages, by the cursor that they asked by."""
        asked = sorted((call for call in self.calls if call.asked == "page"), key=_cursor)
        for cursor, calls in groupby(asked, key=_cursor):
            yield cursor, list(calls)


@dataclass(frozen=True)
class Finding:
    """What a row of the table says. `reading` is a phrase of this program, None where nothing was observed: then
    `reason` says why. `figures` are numbers only.
    """

    row: str
    reading: str | None
    figures: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


def _cursor(call: Call) -> tuple[str, int]:
    return call.query, call.position
