"""The Prometheus metrics of this connector, beside the SDK's common ones. No label of ours holds tenant data.

Every series that a dashboard or an alert uses exists from the first scrape on, at zero: an increase from nothing would
not be seen. No label has a name that a scraper sets itself (job, instance, service, endpoint, namespace, pod).
"""

from collections.abc import Sequence
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from ..checkpoint.value import DAY_MS, Checkpoint, Window

NAMESPACE = "symphony_module_cyberark"
_counter, _gauge = partial(Counter, namespace=NAMESPACE), partial(Gauge, namespace=NAMESPACE)
_histogram = partial(Histogram, namespace=NAMESPACE)

EVENTS = _counter("events", "Events by outcome: forwarded, already_delivered, too_large, or dead_letter", ["outcome"])
# As most modules of the library have it, and as the published connector had it.
COLLECTED = _counter("collected_messages", "Events collected from CyberArk", ["intake_key"])
EVENT_DELAY = _histogram(
    "late_event_delay_seconds",
    "How long after its timestamp an event was delivered that arrived late",
    buckets=(15, 60, 120, 300, 600, 900, 1800, 3600, 14400, 86400),
)
API_REQUESTS = _histogram(
    "api_request_duration_seconds",
    "Requests to CyberArk by call (token, query, results) and status (of HTTP, or error)",
    ["call", "status"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
RETRIES = _counter("retries", "Failures that are retried: collection, delivery, checkpoint", ["operation"])
LAG = _gauge("lag_seconds", "Age of the moment up to which the live edge was read")
WATERMARK = _gauge("watermark_timestamp_seconds", "Event time at which the live edge starts")
NEWEST_EVENT = _gauge("newest_event_timestamp_seconds", "Event time of the newest event delivered")
WINDOWS = _gauge("windows", "Windows of event time before the live edge that are unread")
UNREAD = _gauge("unread_seconds", "Event time in unread windows")
OLDEST_WINDOW = _gauge("oldest_window_age_seconds", "Age of the start of the oldest unread window; 0 without one")
UNREADABLE = _gauge("unreadable_ranges", "Ranges of event time for which the Audit API keeps failing")
LOST = _counter("lost_seconds", "Event time that CyberArk does not keep any more and that was not delivered")
KEYS = _gauge("deduplication_keys", "Deduplication keys of delivered events")
KEYS_EVICTED = _counter("deduplication_keys_evicted", "Keys that can still be needed and did not fit into the budget")
REREAD_REACH = _gauge("reread_reach_seconds", "How late an event may arrive and still be found by the hourly re-read")
DEAD_LETTERS = _gauge("dead_letters", "Events in the dead-letter file")
DEAD_LETTERS_DELIVERED = _counter("dead_letters_delivered", "Dead letters that the intake has taken")
READERS = _gauge("readers", "Queries that are being read, by kind: live, window", ["kind"])
THROTTLED_INTERVAL = _gauge("throttled_interval_seconds", "Interval between calls because of HTTP 429; 0 without one")
CHECKPOINT_BYTES = _gauge("checkpoint_bytes", "Size of the saved state")
CHECKPOINT_WRITES = _histogram(
    "checkpoint_write_duration_seconds",
    "Writes of the state by outcome: written, error",
    ["outcome"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)

_CALLS = {"/oauth2/token": "token", "createQuery": "query", "results": "results"}

for _outcome in ("forwarded", "already_delivered", "too_large", "dead_letter"):
    EVENTS.labels(_outcome)
for _call in _CALLS.values():
    API_REQUESTS.labels(_call, "200")
for _operation in ("collection", "delivery", "checkpoint"):
    RETRIES.labels(_operation)
for _outcome in ("written", "error"):
    CHECKPOINT_WRITES.labels(_outcome)


def observe_request(endpoint: str, status: str, seconds: float) -> None:
    """Count a request to CyberArk. `status` is that of HTTP, or "error"."""
    call = next((name for ending, name in _CALLS.items() if endpoint.endswith(ending)), None)
    if call is not None:
        API_REQUESTS.labels(call=call, status=status).observe(seconds)


def show(checkpoint: Checkpoint, before: Checkpoint | None, now_ms: int) -> None:
    """Set the gauges of what a checkpoint says; `before` is the last one, `now_ms` the service's time."""
    unread, keys = checkpoint.unread, checkpoint.keys
    WATERMARK.set(checkpoint.watermark_ms / 1000)
    NEWEST_EVENT.set(max((minute * 60 for minute in keys.dated if minute * 60_000 <= now_ms), default=0))
    WINDOWS.set(len(unread))
    UNREAD.set(seconds_in(unread))
    READERS.labels("live").set(len(checkpoint.live))
    READERS.labels("window").set(len(checkpoint.window_readers))
    KEYS.set(keys.size)
    KEYS_EVICTED.inc(max(0, keys.evicted - (before or checkpoint).keys.evicted))
    REREAD_REACH.set(max(0, min(now_ms - keys.complete_from_ms, DAY_MS)) / 1000)


def seconds_in(windows: Sequence[Window]) -> float:
    """Return the event time (s) in those closed windows."""
    return sum((window.end_ms or 0) - window.start_ms for window in windows) / 1000
