"""The summary of a run, and whether every event was delivered once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from sandbox.demo.view import counted, delays, faults_line
from sandbox.process import ConnectorProcess
from sandbox.world.ledger import Ledger

# Pages in flight at once: after a kill, those that were being pushed may come again.
_PAGES_IN_FLIGHT = 5
_PAGE_SIZE = 500
_EXAMPLES = 5
_LOG_LINES = 15


@dataclass(frozen=True)
class Run:
    """What the run adds to the ledger. `is_alive`: the connector ran until it was asked to stop."""

    is_alive: bool
    stopped_in_s: float
    kills: int
    faults: Mapping[str, int] = field(default_factory=dict)


def print_summary(console: Console, ledger: Ledger, run: Run, connector: ConnectorProcess) -> int:
    """Print the table and the verdict; return the exit status, 1 when the promise was broken."""
    snapshot, lost = ledger.snapshot(), ledger.lost_count()
    rejected = sum(not ledger.times_accepted(number) for number in ledger.rejected | ledger.index.too_large)
    allowed = run.kills * _PAGES_IN_FLIGHT * _PAGE_SIZE
    table = Table(show_header=False)
    table.add_row("events made", f"{snapshot.made:,}")
    table.add_row("delivered", f"{snapshot.accepted:,}")
    if rejected:
        table.add_row("rejected by the intake", f"{rejected:,} (in the dead-letter file, or too large)")
    if expired := ledger.expired_count():
        table.add_row("older than the API returns", f"{expired:,}")
    table.add_row("delay of live events", f"{delays(snapshot.delay)} (API to intake)")
    table.add_row("queries", f"{snapshot.queries:,} ({snapshot.queries_too_soon:,} within a minute of another)")
    if run.faults:
        table.add_row("faults", faults_line(run.faults))
    table.add_row("stopped in", f"{run.stopped_in_s:.1f} s")
    console.print(table)
    broken = {
        counted(lost, "event") + " lost": lost > 0,
        f"{snapshot.altered:,} texts altered on the way": snapshot.altered > 0,
        f"{snapshot.duplicates:,} duplicates ({allowed:,} are allowed after kills)": snapshot.duplicates > allowed,
        f"{counted(snapshot.queries_too_soon, 'query', 'queries')} within a minute of another": (
            snapshot.queries_too_soon > 0
        ),
        "the connector ended without being asked": not run.is_alive,
    }
    failures = [text for text, is_so in broken.items() if is_so]
    for text in failures:
        console.print(f"[bold red]FAILED[/] {text}")
    if failures:
        for text in (*ledger.lost(limit=_EXAMPLES), *ledger.altered[:_EXAMPLES]):
            console.print(f"  {text[:300]}", markup=False)
        console.print("The connector's last lines:", *list(connector.lines)[-_LOG_LINES:], sep="\n  ", markup=False)
        return 1
    after = f" (after {counted(run.kills, 'kill')})" if snapshot.duplicates else ""
    console.print(f"[bold green]OK[/] lost 0, duplicates {snapshot.duplicates:,}{after}")
    return 0
