"""Define the Prometheus metrics of this connector; the SDK adds common ones. No label of ours holds tenant data.

Every series that a dashboard or an alert uses exists from the first scrape on, at zero: an increase from nothing would
not be seen. No label has a name that a scraper sets itself (job, instance, service, endpoint, namespace, pod).
"""

from functools import partial
from itertools import product

from prometheus_client import Counter, Gauge, Histogram

NAMESPACE = "symphony_module_cyberark"
_counter, _gauge = partial(Counter, namespace=NAMESPACE), partial(Gauge, namespace=NAMESPACE)
_histogram = partial(Histogram, namespace=NAMESPACE)

EVENTS = _counter("events", "Events by outcome: forwarded, already_delivered, too_large, or dead_letter", ["outcome"])
# As most modules of the library have it, and as the published connector had it.
COLLECTED = _counter("collected_messages", "Events collected from CyberArk", ["intake_key"])
API_REQUESTS = _histogram(
    "api_request_duration_seconds",
    "Requests to CyberArk by call (token, query, results) and status (of HTTP, or error)",
    ["call", "status"],
)
RETRIES = _counter("retries", "Failures that are retried: collection, delivery, checkpoint", ["operation"])
LAG = _gauge("lag_seconds", "Age of the moment up to which the live edge was read")
UNREAD = _gauge("unread_seconds", "Event time in unread windows")
OLDEST_WINDOW = _gauge("oldest_window_age_seconds", "Age of the start of the oldest unread window; 0 without one")
UNREADABLE = _gauge("unreadable_ranges", "Ranges of event time for which the Audit API keeps failing")
LOST = _counter("lost_seconds", "Event time that was not delivered and that CyberArk no longer keeps")
REREAD_REACH = _gauge("reread_reach_seconds", "How late an event may arrive and still be found by the hourly re-read")
DEAD_LETTERS = _gauge("dead_letters", "Events in the dead-letter file")
DEAD_LETTERS_DELIVERED = _counter("dead_letters_delivered", "Dead letters that the intake accepted later")
THROTTLED_INTERVAL = _gauge("throttled_interval_seconds", "Time between calls because of HTTP 429; 0 without one")
CHECKPOINT_WRITES = _histogram(
    "checkpoint_write_duration_seconds", "Writes of the state by outcome: written, error", ["outcome"]
)

_CALLS = {"/oauth2/token": "token", "createQuery": "query", "results": "results"}

for _outcome in ("forwarded", "already_delivered", "too_large", "dead_letter"):
    EVENTS.labels(_outcome)
for _call, _status in product(_CALLS.values(), ("200", "204", "429")):
    API_REQUESTS.labels(_call, _status)
for _operation in ("collection", "delivery", "checkpoint"):
    RETRIES.labels(_operation)
for _outcome in ("written", "error"):
    CHECKPOINT_WRITES.labels(_outcome)


def observe_request(endpoint: str, status: str, seconds: float) -> None:
    """Count a request to CyberArk. `status` is that of HTTP, or "error"."""
    call = next((name for ending, name in _CALLS.items() if endpoint.endswith(ending)), None)
    if call is not None:
        API_REQUESTS.labels(call=call, status=status).observe(seconds)
