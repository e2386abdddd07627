"""Throughput over a backlog, where every page and every push takes its time; and what happens now beside it."""

import time

from sandbox.bench.child import run_child
from sandbox.bench.connector import BACKLOG_SPAN_SECONDS, WEEK_HOURS, Drained, MeasuredProcess, drain, working_folder
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table
from sandbox.server.server import Sandbox

PAGE_SECONDS = 0.3
PUSH_SECONDS = 0.15
_SIZES = (500, 1000)
_SEQUENTIAL_PAGES, _SEQUENTIAL_PAGES_QUICK = 30, 10
# What one cursor reads before the next query may be opened, with some room: then a second cursor helps.
_ONE_CURSOR_SECONDS, _ONE_CURSOR_SECONDS_QUICK = 54.0, 15.0
_LIVE_BACKLOG, _LIVE_SPAN_SECONDS, _LIVE_PER_SECOND = 300_000, 2 * 86_400.0, 20.0
_SETTLED_AFTER_SECONDS = 60.0
_LONGEST_SECONDS = 600.0


def measure(is_quick: bool) -> tuple[Section, dict[int, Drained]]:
    """The section, and the runs by page size."""
    section = Section(
        "Throughput",
        f"A backlog is delivered with {1000 * PAGE_SECONDS:.0f} ms for a page and {1000 * PUSH_SECONDS:.0f} ms for a "
        "push. One cursor cannot be faster than page size ÷ page latency, because each page contains the cursor of "
        "the next; it is measured in the minute before a second query may be opened. "
        "The sequential loop (fetch, parse, push, save the state, and only then the next page) is how connectors are "
        "usually written; it runs on the SDK's own push and state.",
    )
    runs = {}
    rows, bars = [], []
    for size in _SIZES:
        seconds = _ONE_CURSOR_SECONDS_QUICK if is_quick else _ONE_CURSOR_SECONDS
        events = int(seconds / PAGE_SECONDS) * size
        run = runs[size] = drain(events, size, page_latency=PAGE_SECONDS, push_latency=PUSH_SECONDS)
        plain = _sequential(size, _SEQUENTIAL_PAGES_QUICK if is_quick else _SEQUENTIAL_PAGES)
        limit = size / PAGE_SECONDS
        share = run.events_per_second / limit
        section.figures += [
            Figure(
                f"Backfill at {size} a page, of one cursor's bound", 100 * share, "{:.1f} %", Bound(95.0, False, False)
            ),
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
    if not is_quick:
        _add_live(section)
    return section, runs


def _add_live(section: Section) -> None:
    """A long backlog with live events beside it: several cursors, and fresh events first."""
    with working_folder() as folder, Sandbox() as sandbox:
        tenant, ledger = sandbox.tenant, sandbox.ledger
        tenant.settings.page_latency, sandbox.sekoia.settings.push_latency = PAGE_SECONDS, PUSH_SECONDS
        tenant.add_backlog(_LIVE_BACKLOG, _LIVE_SPAN_SECONDS)
        tenant.produce(_LIVE_PER_SECOND)
        with MeasuredProcess(sandbox, folder / "state", start_time=WEEK_HOURS) as connector:
            began = time.monotonic()
            early: dict[str, float] = {}
            while (snapshot := ledger.snapshot()).waiting > 10 * _LIVE_PER_SECOND:
                elapsed = time.monotonic() - began
                if not connector.running or elapsed > _LONGEST_SECONDS:
                    raise RuntimeError("the backlog was not delivered:\n" + "\n".join(connector.lines))
                # The second query, a minute after the first one, is the first to deliver live events.
                if not early and elapsed > _SETTLED_AFTER_SECONDS + 6 and snapshot.lag:
                    early = snapshot.lag
                    ledger.forget_delays()
                tenant.catch_up()
                time.sleep(0.05)
            late = ledger.snapshot().lag
            tenant.stop_production()
            while ledger.snapshot().waiting and time.monotonic() - began < _LONGEST_SECONDS:
                time.sleep(0.05)
            connector.stop()
        end = ledger.snapshot()
        if ledger.lost() or end.duplicates or end.altered or end.queries_too_soon:
            raise RuntimeError(f"the promise was broken: {end}")
    bound = 500 / PAGE_SECONDS
    rate = _LIVE_BACKLOG / (snapshot.time - ledger.query_times[0])
    section.figures += [
        Figure(
            "A backlog of two days, live events beside it, of one cursor's bound",
            rate / bound,
            "{:.2f} ×",
            Bound(1.0, False),
        ),
        Figure("p95 of the live lag beside it, in its first minute", early["p95"], "{:.1f} s", Bound(75.0)),
        Figure("p95 of the live lag beside it, later", late["p95"], "{:.1f} s", Bound(10.0)),
    ]
    section.notes.append(
        f"{_LIVE_BACKLOG:,} events of two days with {_LIVE_PER_SECOND:g} live ones a second beside them took "
        f"{_LIVE_BACKLOG / rate:.0f} s, several cursors at once from the second query on: "
        f"{rate / bound:.2f} times what one cursor can. The live lag was p95 {early['p95']:.1f} s in the first minute "
        f"and p50 {late['p50']:.1f} s, p95 {late['p95']:.1f} s from then on."
    )


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
