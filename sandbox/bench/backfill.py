"""Throughput over a backlog, where every page and every push takes its time."""

from sandbox.bench.child import run_child
from sandbox.bench.connector import BACKLOG_SPAN_SECONDS, Drained, drain, working_folder
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table
from sandbox.server.server import Sandbox

PAGE_SECONDS = 0.3
PUSH_SECONDS = 0.15
_SIZES = (500, 1000)
_SEQUENTIAL_PAGES, _SEQUENTIAL_PAGES_QUICK = 30, 10


def measure(is_quick: bool) -> tuple[Section, dict[int, Drained]]:
    """The section, and the runs by page size."""
    section = Section(
        "Throughput",
        f"A backlog is delivered with {1000 * PAGE_SECONDS:.0f} ms for a page and {1000 * PUSH_SECONDS:.0f} ms for a "
        "push. Nobody can be faster than page size ÷ page latency, since each page tells where the next one begins. "
        "The sequential loop (fetch, parse, push, save the state, and only then the next page) is how connectors are "
        "usually written; it runs on the SDK's own push and state.",
    )
    runs = {}
    rows, bars = [], []
    for size in _SIZES:
        # A short run is dominated by its beginning and its end.
        events = 25 * size if is_quick else 200_000
        run = runs[size] = drain(events, size, page_latency=PAGE_SECONDS, push_latency=PUSH_SECONDS)
        plain = _sequential(size, _SEQUENTIAL_PAGES_QUICK if is_quick else _SEQUENTIAL_PAGES)
        limit = size / PAGE_SECONDS
        share = run.events_per_second / limit
        section.figures += [
            Figure(f"Backfill at {size} a page, of the bound", 100 * share, "{:.1f} %", Bound(95.0, False, False)),
            Figure(
                f"Backfill at {size} a page, of the sequential loop",
                run.events_per_second / plain,
                "{:.2f} ×",
                Bound(1.3, False),
            ),
        ]
        rows.append(
            (f"{size} a page", f"{events:,}", f"{limit:,.0f}", f"{run.events_per_second:,.0f}", f"{plain:,.0f}")
        )
        bars += [
            Bar(f"{size} a page: the bound", [limit], f"{limit:,.0f}/s", is_limit=True),
            Bar("the connector", [run.events_per_second], f"{run.events_per_second:,.0f}/s"),
            Bar("a sequential loop", [plain], f"{plain:,.0f}/s"),
        ]
    columns = ("Page size", "Events", "Bound, events/s", "Connector, events/s", "Sequential loop, events/s")
    section.tables.append(Table(columns, rows))
    section.charts.append(Chart("throughput", "Events per second over a backlog", bars))
    return section, runs


def _sequential(size: int, pages: int) -> float:
    """Events a second."""
    with working_folder() as folder, Sandbox() as sandbox:
        sandbox.tenant.settings.page_limit = size
        sandbox.tenant.settings.page_latency = PAGE_SECONDS
        sandbox.sekoia.settings.push_latency = PUSH_SECONDS
        sandbox.tenant.add_backlog(pages * size, BACKLOG_SPAN_SECONDS)
        password = sandbox.tenant.identity_settings.password
        done = run_child("sequential", (), sandbox.environment_variables(folder, chunk_size=size, password=password))
        return float(done["events"] / done["seconds"])
