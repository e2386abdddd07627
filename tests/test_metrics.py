"""What a scrape of the running connector shows is what has happened, and nothing of the tenant is in it."""

import json
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from operations_files import COMMON, OURS
from sandbox.events.index import INTAKE_EVENT_LIMIT
from sandbox.server.server import Sandbox
from sandbox.simulation import Simulation
from scraping import connector_process, scrape, scrape_when

MADE = 1200


def event(number: int, time_s: float | None, size: int = 0) -> str:
    """An event that no factory has made; without a time it is malformed."""
    uuid = f"00000000-0000-4000-8000-{number:012x}"
    return json.dumps({"uuid": uuid, "timestamp": None if time_s is None else int(time_s * 1000), "x": "x" * size})


def test_what_is_counted_is_what_has_happened(sandbox: Sandbox, tmp_path: Path) -> None:
    tenant, ledger, now = sandbox.tenant, sandbox.ledger, sandbox.clock()
    tenant.add_backlog(MADE, 600.0)
    tenant.add(event(1, now - 60, INTAKE_EVENT_LIMIT), now - 60)
    tenant.add(event(2, None), now - 60)
    with connector_process(sandbox, tmp_path) as connector:
        found = scrape_when(connector, queries_total=1, state_bytes=1, position_timestamp_seconds=now - 5)
        deadline = time.monotonic() + 20
        while ledger.snapshot().accepted < MADE + 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        found = scrape_when(connector, events_total=MADE + 2 + 2)
        # Only once the empty pages at the live edge are read is it known that nothing more is shown.
        while found.value("lag_seconds") >= 20 and time.monotonic() < deadline:
            time.sleep(0.2)
            found = scrape(connector)
        least = ledger.snapshot().requests
        found = scrape(connector)
        most = ledger.snapshot().requests
    counted = {name: found.value("events_total", outcome=name) for name in ("collected", "malformed", "too_large")}
    assert counted == {"collected": MADE + 2, "malformed": 1, "too_large": 1}
    common = {sample.name: sample.value for family in found.families for sample in family.samples}
    assert common[f"{COMMON}discarded_events_total"] == 1
    assert common[f"{COMMON}forwarded_events_total"] == ledger.snapshot().accepted == MADE + 1
    assert common[f"{COMMON}forward_events_duration_count"] > 0
    assert found.value("queries_total") == found.value("token_renewals_total") == 1
    for endpoint in ("token", "query", "results"):
        counted_requests = found.value("api_request_duration_seconds_count", endpoint=endpoint, outcome="200")
        # What is being answered is counted a moment later.
        assert least[endpoint, "200"] - 1 <= counted_requests <= most[endpoint, "200"]
    assert found.value("seen_keys") > MADE // 3
    assert found.value("overlap_seconds") == 300
    assert 0 <= found.value("lag_seconds") < 20
    assert 290 < found.value("watermark_lag_seconds") < 320
    assert found.value("state_write_duration_seconds_count", outcome="written") >= 3
    assert found.value("retries_total") == 0


def test_nothing_of_the_tenant_is_in_a_label(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.tenant.add_backlog(MADE, 600.0)
    sandbox.faults.add("api", 0.3)
    sandbox.faults.add("intake-refusals", 0.3)
    with connector_process(sandbox, tmp_path) as connector:
        found = scrape_when(connector, within=90.0, events_total=MADE)
    labels = {
        (name, value)
        for family in found.families
        if family.name.startswith(OURS)
        for sample in family.samples
        for name, value in sample.labels.items()
        if name != "le"
    }
    assert {name for name, _ in labels} == {"outcome", "endpoint", "service", "use"}
    assert {value for name, value in labels if name == "endpoint"} == {"token", "query", "results"}
    assert all(value.isdigit() or value.replace("_", "").isalpha() for _, value in labels)


def test_the_lag_grows_while_the_intake_is_down_and_the_failures_are_counted(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.tenant.add_backlog(MADE, 600.0)
    with connector_process(sandbox, tmp_path) as connector:
        scrape_when(connector, events_total=MADE)
        sandbox.tenant.add(time=sandbox.clock())
        sandbox.faults.add("intake-down", 3600)
        before = scrape_when(connector, retries_total=1)
        time.sleep(3.0)
        after = scrape(connector)
    assert after.value("retries_total", service="delivery") > 0
    assert after.value("lag_seconds") - before.value("lag_seconds") == pytest.approx(3.0, abs=1.5)
    assert after.value("watermark_lag_seconds") > before.value("watermark_lag_seconds")


def test_an_event_that_comes_later_than_the_overlap_is_counted_as_such() -> None:
    def late(outcome: str) -> float:
        return REGISTRY.get_sample_value(f"{OURS}events_total", {"outcome": outcome}) or 0.0

    names = ("late", "late_beyond_overlap")
    with Simulation() as simulation:
        tenant = simulation.environment.tenant
        tenant.produce(0.1)
        simulation.start()
        simulation.run_for(1500)
        before = {name: late(name) for name in names}
        delayed = REGISTRY.get_sample_value(f"{OURS}late_event_delay_seconds_sum") or 0.0
        tenant.add(time=simulation.now - 120)
        tenant.add(time=simulation.now - 900)
        simulation.run_for(600)  # the first reconciliation finds it
        counted = {name: late(name) - before[name] for name in names}
        delayed = (REGISTRY.get_sample_value(f"{OURS}late_event_delay_seconds_sum") or 0.0) - delayed
        assert simulation.environment.ledger.lost(patience_seconds=20) == []
    assert counted["late"] >= 2
    assert counted["late_beyond_overlap"] == 1
    assert delayed > 1020
