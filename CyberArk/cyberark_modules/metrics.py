"""The Prometheus metrics of this connector, beside the SDK's common ones. No label holds tenant data."""

from prometheus_client import Counter, Gauge, Histogram

NAMESPACE = "symphony_module_cyberark"

EVENTS = Counter(
    "events",
    "Events read from the Audit API, by what became of them",
    ["outcome"],  # collected, already_delivered, late, malformed, too_large
    namespace=NAMESPACE,
)
EVENT_DELAY = Histogram(
    "late_event_delay_seconds",
    "How far behind the newest event already delivered a late event was dated",
    namespace=NAMESPACE,
    buckets=(1, 5, 15, 60, 300, 900, 3600, 14400, 86400),
)
API_REQUESTS = Histogram(
    "api_request_duration_seconds",
    "Requests to CyberArk by endpoint and outcome (the HTTP status, or error)",
    ["endpoint", "outcome"],
    namespace=NAMESPACE,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUERIES = Counter("queries", "Queries opened", namespace=NAMESPACE)
TOKENS = Counter("token_renewals", "Tokens fetched", namespace=NAMESPACE)
RETRIES = Counter("retries", "Calls made again after a failure, by what failed", ["service"], namespace=NAMESPACE)
POSITION = Gauge("position_timestamp_seconds", "Epoch time of the newest event delivered", namespace=NAMESPACE)
LAG = Gauge("lag_seconds", "Age of the oldest moment not yet read to", namespace=NAMESPACE)
SETTLED_LAG = Gauge(
    "settled_lag_seconds", "Age of the moment up to which late events have been looked for", namespace=NAMESPACE
)
KEPT_KEYS = Gauge("kept_keys", "Events remembered so that none is delivered twice", namespace=NAMESPACE)
STATE_BYTES = Gauge("state_bytes", "Size of the stored state", namespace=NAMESPACE)
STATE_WRITES = Histogram(
    "state_write_duration_seconds",
    "Writes of the state by outcome",
    ["outcome"],
    namespace=NAMESPACE,
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
