"""The Prometheus metrics of this connector, beside the SDK's common ones. No label of ours holds tenant data.

Every series that a dashboard or an alert looks at is there from the first scrape on, at zero: an increase from nothing
would not be seen.
"""

from prometheus_client import Counter, Gauge, Histogram
from sekoia_automation.connector.metrics import MetricsMixin

NAMESPACE = "symphony_module_cyberark"

EVENTS = Counter(
    "events",
    "Events by what became of them: collected or already_delivered; of those collected, some are late, "
    "late_beyond_overlap, malformed or too_large as well",
    ["outcome"],
    namespace=NAMESPACE,
)
EVENT_DELAY = Histogram(
    "late_event_delay_seconds",
    "How far behind the newest event already delivered a late event was dated",
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
    "Failures after which the same is tried again, by what failed: collection, delivery or state",
    ["service"],
    namespace=NAMESPACE,
)
POSITION = Gauge("position_timestamp_seconds", "Epoch time of the newest event delivered", namespace=NAMESPACE)
LAG = Gauge("lag_seconds", "Age of the oldest moment not yet read to", namespace=NAMESPACE)
SETTLED_LAG = Gauge(
    "settled_lag_seconds", "Age of the moment up to which late events have been looked for", namespace=NAMESPACE
)
OVERLAP = Gauge("overlap_seconds", "The overlap, as configured", namespace=NAMESPACE)
KEPT_KEYS = Gauge("kept_keys", "Events remembered so that none is delivered twice", namespace=NAMESPACE)
STATE_BYTES = Gauge("state_bytes", "Size of the stored state", namespace=NAMESPACE)
STATE_WRITES = Histogram(
    "state_write_duration_seconds",
    "Writes of the state by outcome (written, error)",
    ["outcome"],
    namespace=NAMESPACE,
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)

for _outcome in ("collected", "already_delivered", "late", "late_beyond_overlap", "malformed", "too_large"):
    EVENTS.labels(outcome=_outcome)
for _endpoint in ("token", "query", "results"):
    API_REQUESTS.labels(endpoint=_endpoint, outcome="200")
for _service in ("collection", "delivery", "state"):
    RETRIES.labels(service=_service)
for _outcome in ("written", "error"):
    STATE_WRITES.labels(outcome=_outcome)


def show_common(connector: MetricsMixin, intake_key: str) -> None:
    """Have the SDK's own metrics seen before there is anything to put in them."""
    connector.put_forwarded_events(intake_key, 0)
    connector.put_discarded_events(intake_key, 0)
    connector.put_events_lag(intake_key, 0)
    if connector.forward_events_duration:
        connector.forward_events_duration.labels(intake_key=intake_key)
