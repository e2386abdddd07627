"""Lag, requests and state of a tenant at an even rate, over simulated time.

`python -m sandbox.bench.steady SCENARIO`, with the fields of a Scenario as JSON, prints its figures as JSON.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from sandbox.bench.child import run_child
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table
from sandbox.simulation import Scenario, simulate

Figures = dict[str, Any]
_LATENCY = {"page_latency": 0.3, "push_latency": 0.15}
_RATES: dict[float, float] = {1: 3600, 20: 1800, 100: 900, 500: 900}
_RATES_QUICK: dict[float, float] = {1: 900, 20: 600, 100: 240}


def measure(is_quick: bool) -> Section:
    """All scenarios, two at a time: simulated time does not mind."""
    rates = _RATES_QUICK if is_quick else _RATES
    scenarios: dict[str, dict[str, Any]] = {}
    for rate, seconds in rates.items():
        steady = {"events_per_second": rate, "seconds": seconds, **_LATENCY}
        scenarios[f"{rate:g}/s"] = steady
        scenarios[f"{rate:g}/s, no overlap"] = {**steady, "seconds": seconds / 3, "configuration": {"overlap": 0}}
    ceiling = {"events_per_second": 20, "seconds": 600 if is_quick else 1800, "tenant": {"cursor_ceiling": True}}
    scenarios["20/s, a cursor that shows nothing new"] = {**ceiling, **_LATENCY}
    scenarios["0.5/s, one call a minute"] = {
        "events_per_second": 0.5,
        "seconds": 3600 if is_quick else 14_400,
        "tenant": {"call_spacing": 60.0},
        **_LATENCY,
    }
    # The longest first.
    names = sorted(scenarios, key=lambda name: -scenarios[name]["seconds"] * scenarios[name]["events_per_second"])
    with ThreadPoolExecutor(2) as pool:
        found = dict(
            zip(names, pool.map(lambda name: run_child("steady", [json.dumps(scenarios[name])]), names), strict=True)
        )
    return _section({name: found[name] for name in scenarios}, list(rates))


def _section(found: dict[str, Figures], rates: list[float]) -> Section:
    section = Section(
        "Lag and requests in the steady state",
        "A tenant that produces events at an even rate, with 300 ms for a page, 150 ms for a push and 40 ms of "
        "network latency, measured after a warm-up of three minutes; the time is simulated, the code is the "
        "connector's own. Lag is the time from an event's date to its acceptance by the intake; the tenant shows an "
        "event 0.1 to 1.5 s after that date. The query of each minute reads the overlap (five minutes) again, and "
        "between two of them the tail is read every five seconds. Where reading a lookback takes longer than a "
        "minute, it becomes a backfill, and the next query opens at the live edge.",
    )
    section.figures += _figures(found)
    columns = (
        "Tenant", "Median lag", "p95", "Longest", "Events", "Lost", "Duplicates", "`results` a minute",
        "Queries a minute", "Read again", "State written a minute", "Keys kept",
    )  # fmt: skip
    section.tables.append(Table(columns, [_row(name, one) for name, one in found.items() if "no overlap" not in name]))
    section.charts.append(_lag_chart(found))
    rows = [_overlap_row(rate, found[f"{rate:g}/s"], found[f"{rate:g}/s, no overlap"]) for rate in rates]
    header = ("Tenant", "`results` a minute", "without overlap", "Read again", "without overlap")
    section.tables.append(Table(header, rows, "What the overlap costs"))
    return section


def _figures(found: dict[str, Figures]) -> list[Figure]:
    figures = []
    for name, middle, high in (("20/s", 4.0, 7.5), ("100/s", 7.0, 14.0)):
        figures.append(Figure(f"Median lag at {name}", found[name]["lag"]["p50"], "{:.1f} s", Bound(middle)))
        figures.append(Figure(f"p95 of the lag at {name}", found[name]["lag"]["p95"], "{:.1f} s", Bound(high)))
    requests = found["20/s"]["requests_per_minute"]["results"]
    figures.append(Figure("Requests of `results` a minute at 20/s", requests, "{:.1f}", Bound(40.0)))
    ceiling = found["20/s, a cursor that shows nothing new"]["lag"]["p95"]
    figures.append(Figure("p95 of the lag, a cursor that shows nothing new", ceiling, "{:.1f} s", Bound(70.0)))
    slow = found["0.5/s, one call a minute"]
    figures.append(Figure("Lost, one call a minute", slow["lost"], "{:.0f}", Bound(0.0)))
    accepted = sum(slow["requests_per_minute"].get(name, 0.0) for name in ("query", "results"))
    refused = sum(slow["refused_per_minute"].values())
    figures.append(Figure("Calls refused over accepted, one call a minute", refused / accepted, "{:.2f}", Bound(1.0)))
    if "500/s" in found:
        busy = found["500/s"]
        figures.append(Figure("Longest lag at 500/s", busy["lag"]["p100"], "{:.1f} s", Bound(180.0)))
        waiting = busy["waiting"] / 500
        figures.append(Figure("Not delivered at the end, at 500/s", waiting, "{:.1f} s of events", Bound(180.0)))
    for name, field in {"Lost": "lost", "Duplicates": "duplicates", "Altered": "altered"}.items():
        total = sum(one[field] for one in found.values())
        figures.append(Figure(f"{name}, in all of them", total, "{:.0f}", Bound(0.0)))
    return figures


def _row(name: str, one: Figures) -> tuple[str, ...]:
    lag, requests = one["lag"], one["requests_per_minute"]
    return (
        name, f"{lag['p50']:.1f} s", f"{lag['p95']:.1f} s", f"{lag['p100']:.1f} s", f"{one['accepted']:,}",
        f"{one['lost']}", f"{one['duplicates']}",
        f"{requests.get('results', 0):.1f}", f"{requests.get('query', 0):.2f}",
        f"{100 * one['read_again_share']:.0f} %", f"{one['state_bytes_per_minute'] / 1e6:.1f} MB",
        f"{one['kept_keys']:,}",
    )  # fmt: skip


def _lag_chart(found: dict[str, Figures]) -> Chart:
    bars = []
    for name, one in found.items():
        if "no overlap" not in name:
            middle, high, most = (one["lag"][percentile] for percentile in ("p50", "p95", "p100"))
            bars.append(Bar(name, [middle, high - middle, most - high], f"{middle:.1f} / {high:.1f} / {most:.1f} s"))
    return Chart("lag", "Lag of an event: median, p95, most", bars, ("median", "to p95", "to the longest"))


def _overlap_row(rate: float, with_it: Figures, without: Figures) -> tuple[str, ...]:
    requests = [f"{one['requests_per_minute']['results']:.1f}" for one in (with_it, without)]
    shares = [f"{100 * one['read_again_share']:.0f} %" for one in (with_it, without)]
    return (f"{rate:g}/s", *requests, *shares)


if __name__ == "__main__":
    print("\n" + json.dumps(asdict(simulate(Scenario(**json.loads(sys.argv[1]))))))
