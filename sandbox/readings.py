"""The readings of the Audit API that its documentation allows, each by a name, in any combination.

A reading is a set of settings, and of faults where it is something that happens now and then. One of each row holds.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.environment import Environment

HOUR = 3600.0
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """What a tenant does under this reading. `weight`: how often it is drawn; 0 is never, but by its name."""

    name: str
    row: str
    summary: str
    audit: Values = field(default_factory=dict)
    delays: Values = field(default_factory=dict)
    events: Values = field(default_factory=dict)
    faults: Values = field(default_factory=dict)
    events_per_second: float | None = None
    weight: float = 1.0


def _cursor_refused(status: int) -> Reading:
    return Reading(
        f"cursor-{status}",
        "an old cursor",
        f"is refused with {status} when its query is ten minutes old",
        {"cursor_lifetime": 600.0, "cursor_refusal": status},
        weight=0.5,
    )


def _intake_refuses(status: int) -> Reading:
    faults = {"intake-refuses-event": status}
    return Reading(f"intake-{status}", "intake", f"refuses one event with {status}", faults=faults, weight=0.5)


def _limit(name: str, summary: str, weight: float = 1.0, **audit: Any) -> Reading:
    return Reading(f"limit-{name}", "limits", summary, audit, weight=weight)


def _end(name: str, summary: str, weight: float = 1.0, **audit: Any) -> Reading:
    return Reading(f"end-{name}", "end of a stream", summary, {"drained": name, **audit}, weight=weight)


_READINGS = (
    Reading("order-event-time", "order", "by event time", {"order": "event-time"}),
    Reading("order-arrival", "order", "by arrival", {"order": "arrival"}),
    Reading(
        "order-roughly",
        "order",
        "by event time, with up to 5 s of disorder",
        {"order": "roughly", "order_jitter": 5.0},
    ),
    Reading(
        "order-minute",
        "order",
        "by event time, with up to 60 s of disorder",
        {"order": "roughly", "order_jitter": 60.0},
    ),
    Reading("order-none", "order", "none", {"order": "none"}),
    Reading("from-event", "dateFrom", "filters by event time", {"date_field": "event"}),
    Reading("from-arrival", "dateFrom", "filters by arrival", {"date_field": "arrival"}),
    Reading("shown-at-once", "shown", "0.1 s after it happened", delays={"least": 0.1, "most": 0.1}),
    Reading("shown-5s", "shown", "always 5 s after it happened", delays={"least": 5.0, "most": 5.0}),
    Reading("shown-60s", "shown", "30 to 60 s after it happened", delays={"least": 30.0, "most": 60.0}),
    Reading("shown-12min", "shown", "in batches every 12 minutes", delays={"batch_seconds": 720.0}),
    Reading(
        "shown-hours",
        "shown",
        "threat detection is 5 hours late",
        delays={"late_application": "ITDR", "late_application_seconds": 5 * HOUR},
    ),
    Reading("to-in", "dateTo", "its second is included", {"date_to": "in"}),
    Reading("to-out", "dateTo", "its second is excluded", {"date_to": "out"}),
    Reading("to-ignored", "dateTo", "is ignored", {"date_to": "ignored"}),
    _end("empty", "an empty page with a new cursor"),
    _end("same-cursor", "an empty page with the same cursor"),
    _end("null-cursor", "an empty page with a null cursor"),
    _end("no-paging", "an empty page without a cursor"),
    _end("null-data", "null in place of the events", 0.5),
    _end("204", "204"),
    _end("last-page", "the last page again"),
    _end("last-second", "the events of the last second, in rotation"),
    Reading("end-never", "end of a stream", "never, because the tenant is busy", events_per_second=20.0, weight=0.5),
    Reading("middle-full", "middle of a stream", "full pages"),
    Reading(
        "middle-empty", "middle of a stream", "an empty page now and then", {"scan_page": 40, "scan_hole_every": 10}
    ),
    Reading(
        "middle-sparse",
        "middle of a stream",
        "filtered after the scan: up to five empty pages in a row, most pages short",
        {"scan_page": 40, "scan_hole_every": 5, "scan_hole_pages": 5},
        weight=0.3,
    ),
    Reading("middle-short", "middle of a stream", "pages of 100 at most", {"page_cap": 100}),
    Reading("cursor-live", "an old cursor", "shows what arrives later"),
    Reading(
        "cursor-ceiling", "an old cursor", "shows nothing that arrived after it was made", {"cursor_ceiling": True}
    ),
    *(_cursor_refused(status) for status in (400, 404, 410, 422)),
    _limit("query", "one query a minute"),
    _limit("pages-2s", "one query a minute, and 2 s between pages", 0.5, results_spacing=2.0),
    _limit("pages-15s", "one query a minute, and 15 s between pages", 0.5, results_spacing=15.0, retry_after="absent"),
    _limit("call-minute", "one call of any kind a minute", 0.5, call_spacing=60.0),
    _limit("one-page", "one page in flight at a time", pages_at_once=1),
    _limit("rival", "another integration opens a query every 65 s", 0.5, rival_period=65.0),
    _limit("rival-first", "another integration always uses the query of the minute first", 0.3, rival_period=60.0),
    _limit(
        "rival-regular", "another integration opens a query every 60 s", 0.3, rival_period=60.0, rival_insists=False
    ),
    Reading("retry-seconds", "Retry-After", "in seconds", {"retry_after": "seconds"}),
    Reading("retry-date", "Retry-After", "a date", {"retry_after": "date"}),
    Reading("retry-absent", "Retry-After", "absent", {"retry_after": "absent"}),
    Reading("answer-good", "status 200", "with what was requested"),
    Reading("answer-error", "status 200", "with an error in the body", faults={"api-error-body": 0.2}),
    Reading("answer-html", "status 200", "with HTML", faults={"api-html": 0.2}),
    Reading("answer-cut", "status 200", "truncated", faults={"api-cut": 0.1, "api-cut-json": 0.1}),
    Reading("page-served", "one page", "is served", weight=2.0),
    Reading("page-500-hour", "one page", "fails for an hour", faults={"page-500": HOUR}),
    Reading("page-500-ever", "one page", "fails for ever", faults={"page-500": 1e9}),
    Reading("page-403", "one page", "is refused for an hour", faults={"page-403": HOUR}),
    Reading("page-429", "one page", "is throttled for an hour", faults={"page-429": HOUR}, weight=0.5),
    Reading("page-reset", "one page", "is reset for an hour", faults={"page-reset": HOUR}),
    Reading("identity-uuid", "identity", "uuid"),
    Reading("identity-none", "identity", "none", events={"has_uuid": False}),
    Reading("identity-twins", "identity", "two contents under one uuid in one page", events={"twins": 7}),
    Reading("identity-repeated", "identity", "an event that appears twice in its page", {"repeats": 9}),
    Reading("query-any", "createQuery", "accepts any date and any page size, and returns at most 500 events a page"),
    Reading("query-week", "createQuery", "refuses a dateFrom of seven days", {"refuses_old_dates": True}),
    Reading("query-500", "createQuery", "refuses a pageSize of more than 500", {"refuses_large_pages": True}),
    Reading("events-good", "events", "as documented", weight=2.0),
    Reading("events-malformed", "events", "not always well-formed", faults={"malformed": 300.0}, weight=0.5),
    Reading("events-lines", "events", "of more than one line", faults={"line-breaks": 300.0}),
    Reading("intake-good", "intake", "accepts what it is sent", weight=3.0),
    *(_intake_refuses(status) for status in (400, 403, 413, 500)),
    Reading(
        "intake-small", "intake", "resets requests of more than 200 kB", faults={"intake-small-requests": 200_000}
    ),
    Reading(
        "intake-bytes",
        "intake",
        "measures events in bytes",
        faults={"intake-bytes": 1, "malformed": 600.0},
        weight=0.5,
    ),
    Reading("intake-other", "intake", "answers 200 with something else", faults={"intake-other": 20.0}),
)

READINGS: dict[str, Reading] = {reading.name: reading for reading in _READINGS}
ROWS: dict[str, list[Reading]] = {}
for _reading in _READINGS:
    ROWS.setdefault(_reading.row, []).append(_reading)


class Readings:
    """Some readings together. `set` before any event is made, `begin` when those that were waiting are there."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises KeyError for a name that there is not, ValueError for two of one row."""
        self.chosen = [READINGS[name] for name in names]
        rows = [reading.row for reading in self.chosen]
        if twice := {row for row in rows if rows.count(row) > 1}:
            raise ValueError(f"choose only one reading for {', '.join(sorted(twice))}")

    @classmethod
    def drawn(cls, rng: random.Random) -> "Readings":
        """One of each row."""
        return cls(
            rng.choices(readings, [reading.weight for reading in readings])[0].name for readings in ROWS.values()
        )

    @property
    def names(self) -> list[str]:
        return [reading.name for reading in self.chosen]

    @property
    def unusual(self) -> list[str]:
        """The names without those that every row begins with."""
        return [reading.name for reading in self.chosen if reading is not ROWS[reading.row][0]]

    @property
    def events_per_second(self) -> float | None:
        return max((reading.events_per_second or 0.0 for reading in self.chosen), default=0.0) or None

    def set(self, environment: Environment) -> None:
        tenant = environment.tenant
        for reading in self.chosen:
            for values, settings in (
                (reading.audit, tenant.settings),
                (reading.delays, tenant.delays),
                (reading.events, environment.ledger.index.factory),
            ):
                for name, value in values.items():
                    if not hasattr(settings, name):
                        raise AttributeError(f"{reading.name}: there is no setting {name}")
                    setattr(settings, name, value)

    def begin(self, environment: Environment) -> None:
        """What happens now and then begins, for as long as nobody clears the faults."""
        for reading in self.chosen:
            for name, intensity in reading.faults.items():
                environment.faults.add(name, float(intensity))


def describe_readings() -> str:
    width = max(map(len, READINGS))
    return "\n".join(f"{each.name:<{width}}  {each.row}: {each.summary}" for each in _READINGS)
