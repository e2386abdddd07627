"""The Prometheus metrics of this connector, beside the SDK's common ones. No label of ours holds tenant data.

Every series that a dashboard or an alert uses exists from the first scrape on, at zero: an increase from nothing would
not be seen.
"""

import time

from prometheus_client import Counter, Gauge, Histogram

NAMESPACE = "symphony_module_cyberark"

EVENTS = Counter(
    "events",
    "Events by outcome: collected or already_delivered; of those collected, some are also late, late_beyond_overlap, "
    "malformed, too_large or dead_letter",
    ["outcome"],
    namespace=NAMESPACE,
)
EVENT_DELAY = Histogram(
    "late_event_delay_seconds",
    "How long after its timestamp a late event was delivered",
    namespace=NAMESPACE,
    buckets=(5, 15, 60, 120, 300, 600, 900, 1800, 3600, 14400, 86400),
)
API_REQUESTS = Histogram(
    "api_request_duration_seconds",
    "Requests to CyberArk by endpoint (token, query, results) and outcome (the HTTP status, or error)",
    ["endpoint", "outcome"],
    namespace=NAMESPACE,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUERIES = Counter("queries", "Queries opened", namespace=NAMESPACE)
TOKENS = Counter("token_renewals", "Tokens fetched", namespace=NAMESPACE)
RETRIES = Counter(
    "retries",
    "Failures that are retried, by what failed: collection, delivery or state",
    ["service"],
    namespace=NAMESPACE,
)
STARTED = Gauge("start_timestamp_seconds", "Epoch time of the start of this process", namespace=NAMESPACE)
POSITION = Gauge("position_timestamp_seconds", "Epoch time of the newest event delivered", namespace=NAMESPACE)
LAG = Gauge("lag_seconds", "Age of the moment up to which the tail has read everything shown", namespace=NAMESPACE)
WATERMARK_LAG = Gauge("watermark_lag_seconds", "Age of the watermark", namespace=NAMESPACE)
BACKLOG = Gauge("backlog_seconds", "Event time in gaps that are not delivered yet", namespace=NAMESPACE)
GAPS = Gauge("gaps", "Gaps of event time that are not delivered yet", namespace=NAMESPACE)
OLDEST_GAP = Gauge(
    "oldest_gap_age_seconds", "Age of the start of the oldest gap; 0 without a gap", namespace=NAMESPACE
)
FAILING_GAPS = Gauge("failing_gaps", "Gaps with a page that the Audit API cannot serve", namespace=NAMESPACE)
LOST = Counter(
    "lost_seconds", "Event time that the Audit API no longer shows and that was not delivered", namespace=NAMESPACE
)
OVERLAP = Gauge("overlap_seconds", "The overlap, as configured", namespace=NAMESPACE)
EFFECTIVE_OVERLAP = Gauge(
    "effective_overlap_seconds", "The overlap that the remembered keys allow", namespace=NAMESPACE
)
SEEN_KEYS = Gauge("seen_keys", "Keys of delivered events that are remembered", namespace=NAMESPACE)
SEEN_EVICTED = Counter(
    "seen_keys_evicted",
    "Needed keys that were evicted because more were needed than the budget holds",
    namespace=NAMESPACE,
)
SEEN_FORGOTTEN = Counter(
    "seen_keys_forgotten", "Keys of the last day forgotten because the budget is used up", namespace=NAMESPACE
)
RECONCILIATION_REACH = Gauge(
    "reconciliation_reach_seconds", "How late an event may be shown and still be found", namespace=NAMESPACE
)
HELD_EVENTS = Gauge(
    "held_events", "Events that the intake refuses when they are sent alone, held and retried", namespace=NAMESPACE
)
DEAD_LETTERS = Gauge("dead_letters", "Events in the dead-letter file", namespace=NAMESPACE)
OPEN_STREAMS = Gauge("open_streams", "Streams that are being read, by use", ["use"], namespace=NAMESPACE)
THROTTLED_INTERVAL = Gauge(
    "throttled_interval_seconds",
    "Interval between calls because of rate limiting; 0 when not throttled",
    namespace=NAMESPACE,
)
STATE_BYTES = Gauge("state_bytes", "Size of the stored state", namespace=NAMESPACE)
STATE_WRITES = Histogram(
    "state_write_duration_seconds",
    "Writes of the state by outcome (written, error)",
    ["outcome"],
    namespace=NAMESPACE,
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)

for _outcome in (
    "collected",
    "already_delivered",
    "late",
    "late_beyond_overlap",
    "malformed",
    "too_large",
    "dead_letter",
):
    EVENTS.labels(outcome=_outcome)
for _endpoint in ("token", "query", "results"):
    API_REQUESTS.labels(endpoint=_endpoint, outcome="200")
for _service in ("collection", "delivery", "state"):
    RETRIES.labels(service=_service)
for _outcome in ("written", "error"):
    STATE_WRITES.labels(outcome=_outcome)
for _use in ("tail", "lookback", "backfill", "reconciliation"):
    OPEN_STREAMS.labels(use=_use)
STARTED.set(time.time())

_ENDPOINTS = {"/oauth2/token": "token", "createQuery": "query", "results": "results"}


def observe_request(endpoint: str, outcome: str, seconds: float) -> None:
    """Count a request to CyberArk. `outcome` is the HTTP status, or "error"."""
    name = next((name for ending, name in _ENDPOINTS.items() if endpoint.endswith(ending)), "other")
    API_REQUESTS.labels(endpoint=name, outcome=outcome).observe(seconds)
    if outcome == "200" and name == "query":
        QUERIES.inc()
    if outcome == "200" and name == "token":
        TOKENS.inc()
