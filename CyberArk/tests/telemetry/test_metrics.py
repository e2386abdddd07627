"""The metrics: every series is there from the first scrape on, and none holds tenant data."""

import pytest
from prometheus_client import REGISTRY, generate_latest

from cyberark_modules.telemetry import metrics
from cyberark_modules.telemetry.metrics import observe_request


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"{metrics.NAMESPACE}_{name}", labels) or 0.0


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("/oauth2/token", "token"),
        ("/api/audits/stream/createQuery", "query"),
        ("/api/audits/stream/results", "results"),
        ("/elsewhere", "other"),
    ],
)
def test_requests_are_counted_by_endpoint_and_outcome(endpoint: str, name: str) -> None:
    before = [count("api_request_duration_seconds_count", endpoint=name, outcome=status) for status in ("200", "503")]
    queries, tokens = count("queries_total"), count("token_renewals_total")
    observe_request(endpoint, "200", 0.2)
    observe_request(endpoint, "503", 0.2)
    after = [count("api_request_duration_seconds_count", endpoint=name, outcome=status) for status in ("200", "503")]
    assert [b + 1 for b in before] == after
    assert count("queries_total") - queries == (name == "query")
    assert count("token_renewals_total") - tokens == (name == "token")


@pytest.mark.parametrize(
    ("name", "label", "values"),
    [
        ("events_total", "outcome", ["collected", "already_delivered", "late", "late_beyond_overlap", "dead_letter"]),
        ("retries_total", "service", ["collection", "delivery", "state"]),
        ("open_streams", "use", ["tail", "lookback", "backfill", "reconciliation"]),
    ],
)
def test_every_series_is_there_from_the_first_scrape_on(name: str, label: str, values: list[str]) -> None:
    scraped = generate_latest(REGISTRY).decode()
    for value in values:
        assert f'{metrics.NAMESPACE}_{name}{{{label}="{value}"}}' in scraped
