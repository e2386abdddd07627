"""Memory over a backlog: flat in its length."""

from sandbox.bench.connector import BACKLOG_SPAN_SECONDS, WEEK_HOURS, Drained, drain
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table

_MEGA = 1e6
_SHORT = 10_000


def measure(is_quick: bool) -> Section:
    """Peak resident size of the connector's process."""
    long = 100_000 if is_quick else 1_000_000
    section = Section(
        "Memory",
        "The largest resident size of the connector's process, without latency. What is kept in memory are a page or "
        "two and the keys of the events within the overlap; so a longer backlog takes no more, and a denser one only "
        "as much more as there are events in the overlap's five minutes.",
    )
    dense, week = BACKLOG_SPAN_SECONDS, 3600.0 * (WEEK_HOURS - 1)
    runs = {
        f"{_SHORT:,} events, 50 minutes": drain(_SHORT, span_seconds=dense),
        f"{long:,} events, 50 minutes": drain(long, span_seconds=dense),
    }
    if not is_quick:
        runs[f"{long // 4:,} events, 7 days"] = drain(long // 4, span_seconds=week)
    short, longer = list(runs.values())[:2]
    growth = (longer.peak_bytes - short.peak_bytes) / _MEGA
    section.figures.append(Figure(f"Peak memory, {long:,} events over {_SHORT:,}", growth, "{:+.0f} MB", Bound(30.0)))
    rows = [(name, f"{run.peak_bytes / _MEGA:.0f} MB", _keys(run), _cpu(run)) for name, run in runs.items()]
    section.tables.append(
        Table(("Backlog", "Peak memory", "State at the end", "CPU time per event, start-up included"), rows)
    )
    bars = [Bar(name, [run.peak_bytes / _MEGA], f"{run.peak_bytes / _MEGA:.0f} MB") for name, run in runs.items()]
    section.charts.append(Chart("memory", "Peak memory of the connector's process", bars))
    return section


def _keys(run: Drained) -> str:
    return f"{run.state_bytes / 1000:,.0f} kB"


def _cpu(run: Drained) -> str:
    return f"{run.cpu_with_start * 1e6:.1f} µs"
