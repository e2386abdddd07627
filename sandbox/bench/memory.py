"""Memory over a backlog: flat in its length, bounded by the size of a page."""

from sandbox.bench.connector import WEEK_HOURS, Drained, drain
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table

_MEGA = 1e6
_SHORT = 10_000
_PAGE = 500
_LARGE_BYTES = 30_000
_LARGE_PAGES = 4


def measure(is_quick: bool) -> tuple[Section, Drained]:
    """The section, and the longest run."""
    long = 100_000 if is_quick else 1_000_000
    section = Section(
        "Memory",
        "The largest resident size of the connector's process, without latency. It keeps some pages, and the keys "
        "of events that a stream may show again, within a budget. So a longer backlog needs no more memory. A denser "
        "one needs more for the events within the five minutes of the overlap. Large events need more for the pages "
        "in flight, each of which exists in several forms.",
    )
    short = drain(_SHORT)
    longer = drain(long)
    runs = {f"{_SHORT:,} events, 50 minutes": short, f"{long:,} events, 50 minutes": longer}
    if not is_quick:
        runs[f"{long // 4:,} events, 7 days"] = drain(long // 4, span_seconds=3600.0 * (WEEK_HOURS - 1))
    large = runs[f"{_LARGE_PAGES * _PAGE:,} events of {_LARGE_BYTES // 1000} kB"] = drain(
        _LARGE_PAGES * _PAGE, event_bytes=_LARGE_BYTES
    )
    growth = (longer.peak_bytes - short.peak_bytes) / _MEGA
    section.figures.append(Figure(f"Peak memory, {long:,} events over {_SHORT:,}", growth, "{:+.0f} MB", Bound(30.0)))
    pages = (large.peak_bytes - short.peak_bytes) / (_PAGE * _LARGE_BYTES)
    section.figures.append(Figure("Peak memory for large events, in pages of them", pages, "{:.1f}", Bound(10.0)))
    rows = [
        (
            name,
            f"{run.peak_bytes / _MEGA:.0f} MB",
            f"{run.state_bytes / 1000:,.0f} kB",
            f"{run.cpu_with_start * 1e6:.1f} µs",
        )
        for name, run in runs.items()
    ]
    columns = ("Backlog", "Peak memory", "State at the end", "CPU time per event, start-up included")
    section.tables.append(Table(columns, rows))
    bars = [Bar(name, [run.peak_bytes / _MEGA], f"{run.peak_bytes / _MEGA:.0f} MB") for name, run in runs.items()]
    section.charts.append(Chart("memory", "Peak memory of the connector's process", bars))
    return section, longer
