"""What the ledger says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """What became of the events that the API began to show within some time (epoch seconds) from `start` on."""

    start: float
    shown: int
    accepted: int
    lost: int
    duplicates: int


@dataclass(frozen=True)
class Snapshot:
    """The ledger at one moment. Delays are percentiles in seconds, by name (`p50`, `p95`, `p99`, `p100`).

    `lag` and `lag_since_arrival` are of live events, from when they happened and from when they were shown;
    `backlog_lag` is of those that were shown before the measurement began, from that moment on.
    """

    time: float
    made: int
    shown: int
    accepted: int
    waiting: int
    duplicates: int
    altered: int
    taken_but_refused: int
    queries: int
    last_query: float | None
    queries_too_soon: int
    smallest_spacing: float | None
    requests: dict[tuple[str, str], int]
    lag: dict[str, float]
    lag_since_arrival: dict[str, float]
    backlog_lag: dict[str, float]
