"""The summary of a run, and whether the promise was kept."""

from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from sandbox.demo.process import ConnectorProcess
from sandbox.ledger.ledger import Ledger

_SHOWN_EXAMPLES = 5
_SHOWN_LINES = 15


@dataclass(frozen=True)
class Verdict:
    """What the run adds to the ledger. One page may come twice for each kill."""

    alive: bool
    stopped_in_seconds: float
    kills: int
    page_size: int


def print_summary(ledger: Ledger, verdict: Verdict, connector: ConnectorProcess) -> int:
    """Prints the table and what is wrong; returns the exit code."""
    snapshot, lost = ledger.snapshot(), ledger.lost_count()
    allowed = verdict.kills * verdict.page_size
    spacing = "-" if snapshot.smallest_spacing is None else f"{snapshot.smallest_spacing:.2f} s"
    rows = {
        "made": f"{snapshot.made:,}",
        "delivered": f"{snapshot.accepted:,}",
        "lost": f"{lost:,}",
        "doubled": f"{snapshot.doubled:,}" + (f" ({allowed:,} allowed after kills)" if verdict.kills else ""),
        "altered": f"{snapshot.altered:,}",
        "queries": f"{snapshot.queries:,}, the closest two {spacing} apart, {snapshot.queries_too_soon:,} too soon",
        "lag from the event's time": _delays(snapshot.lag),
        "lag from its arrival": _delays(snapshot.lag_since_arrival),
        "lag of the backlog": _delays(snapshot.backlog_lag),
        **{f"requests: {endpoint}": counts for endpoint, counts in _requests(snapshot.requests).items()},
        "stopped in": f"{verdict.stopped_in_seconds:.1f} s",
    }
    at_times = {
        "kills": verdict.kills,
        "too large for the intake": len(ledger.index.too_large),
        "older than the API shows": ledger.expired(),
        "taken, but answered otherwise": snapshot.taken_but_refused,
    }
    rows |= {name: f"{count:,}" for name, count in at_times.items() if count}
    table = Table(title="Summary", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    console = Console()
    console.print(table)
    faults = _faults(lost, snapshot.doubled - allowed, snapshot.altered, snapshot.queries_too_soon, verdict.alive)
    for fault in faults:
        console.print(f"[bold red]✗[/] {fault}")
    if faults:
        for text in (*ledger.lost(limit=_SHOWN_EXAMPLES), *ledger.altered[:_SHOWN_EXAMPLES]):
            print(f"  {text[:300]}")
        print("The connector's last lines:", *list(connector.lines)[-_SHOWN_LINES:], sep="\n  ")
        return 1
    twice = f"{snapshot.doubled:,} twice, as a kill may cost" if snapshot.doubled else "nothing twice"
    console.print(f"[bold green]✓[/] everything made was delivered, {twice}")
    return 0


def _faults(lost: int, doubled: int, altered: int, too_soon: int, alive: bool) -> list[str]:
    found = {
        f"{lost:,} events lost": lost > 0,
        f"{doubled:,} events too many came twice": doubled > 0,
        f"{altered:,} texts are of no event": altered > 0,
        f"{too_soon:,} queries came within a minute of the last": too_soon > 0,
        "the connector stopped by itself": not alive,
    }
    return [text for text, is_so in found.items() if is_so]


def _requests(requests: dict[tuple[str, str], int]) -> dict[str, str]:
    by_endpoint: dict[str, Counter[str]] = {}
    for (endpoint, outcome), count in requests.items():
        by_endpoint.setdefault(endpoint, Counter())[outcome] += count
    return {
        endpoint: ", ".join(f"{count:,} × {outcome}" for outcome, count in sorted(counts.items()))
        for endpoint, counts in sorted(by_endpoint.items())
    }


def _delays(percentiles: dict[str, float]) -> str:
    if not percentiles:
        return "-"
    return ", ".join(f"{'most' if name == 'p100' else name} {value:.1f} s" for name, value in percentiles.items())
