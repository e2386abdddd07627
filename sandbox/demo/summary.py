"""The summary of a run, and whether the promise was kept."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from sandbox.demo.process import ConnectorProcess
from sandbox.demo.view import faults_line, print_wrapped, waiting
from sandbox.faults import FAULTS
from sandbox.ledger.ledger import Ledger

_SHOWN_EXAMPLES = 5
_SHOWN_LINES = 15
# The pages of so many streams may be pushed together: tail, lookback, and four backfills.
_STREAMS = 6


@dataclass(frozen=True)
class Verdict:
    """What the run adds to the ledger. For each kill, the pages that were being pushed may be duplicated.

    `faults` counts what each fault that was asked for has done; `backlog_after_seconds` is when the backlog was
    delivered (None: it was not).
    """

    alive: bool
    stopped_in_seconds: float
    kills: int
    page_size: int
    backlog: int = 0
    backlog_after_seconds: float | None = None
    faults: Mapping[str, int] = field(default_factory=dict)


def print_summary(ledger: Ledger, verdict: Verdict, connector: ConnectorProcess) -> int:
    """Prints the table and what is wrong; returns the exit code."""
    snapshot, lost = ledger.snapshot(), ledger.lost_count()
    allowed = verdict.kills * verdict.page_size * max(1, min(_STREAMS, snapshot.queries))
    drained = verdict.backlog_after_seconds
    spacing = "" if snapshot.smallest_spacing is None else f", the closest two {snapshot.smallest_spacing:.2f} s apart"
    rows = {
        "made": f"{snapshot.made:,}",
        "delivered": f"{snapshot.accepted:,}",
        "waiting": f"{waiting(snapshot):,}",
        "lost": f"{lost:,}",
        "duplicates": f"{snapshot.duplicates:,}" + (f" ({allowed:,} allowed after kills)" if verdict.kills else ""),
        "altered": f"{snapshot.altered:,}",
        "queries": f"{snapshot.queries:,}{spacing}, {snapshot.queries_too_soon:,} too soon",
        "live lag, from the event's time": _delays(snapshot.lag),
        "live lag, from its arrival": _delays(snapshot.lag_since_arrival),
        "backlog lag": (
            f"{verdict.backlog:,} events delivered "
            + ("not yet when production ended" if drained is None else f"{drained:.0f} s after the start")
        ),
        "faults": faults_line(verdict.faults) or "none",
        **{f"requests: {endpoint}": counts for endpoint, counts in _requests(snapshot.requests).items()},
        "stopped in": f"{verdict.stopped_in_seconds:.1f} s",
    }
    at_times = {
        "too large for the intake": len(ledger.index.too_large),
        "older than the API shows": ledger.expired(),
        "accepted, but answered with an error": snapshot.taken_but_refused,
    }
    rows |= {name: f"{count:,}" for name, count in at_times.items() if count}
    table = Table(title="Summary", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    console = Console()
    console.print(table)
    faults = _faults(lost, snapshot.duplicates - allowed, snapshot.altered, snapshot.queries_too_soon, verdict.alive)
    faults += [
        f"the fault {name} never happened ({FAULTS[name].counted}: 0); try a longer --duration, "
        f"or another intensity ({name}=…, in {FAULTS[name].unit})"
        for name, count in verdict.faults.items()
        if not count
    ]
    for fault in faults:
        console.print(f"[bold red]✗ FAIL[/] {fault}")
    if faults:
        for text in (*ledger.lost(limit=_SHOWN_EXAMPLES), *ledger.altered[:_SHOWN_EXAMPLES]):
            print(f"  {text[:300]}")
        print("The connector's last lines:")
        for line in list(connector.lines)[-_SHOWN_LINES:]:
            print_wrapped("  ", line)
        return 1
    duplicates = (
        f"{snapshot.duplicates:,} duplicates, within what the kills allow" if snapshot.duplicates else "no duplicates"
    )
    console.print(f"[bold green]✓ PASS[/] everything made was delivered, {duplicates}")
    return 0


def _faults(lost: int, duplicates: int, altered: int, too_soon: int, alive: bool) -> list[str]:
    found = {
        f"{lost:,} events lost": lost > 0,
        f"{duplicates:,} duplicates more than the kills allow": duplicates > 0,
        f"{altered:,} delivered texts match no event": altered > 0,
        f"{too_soon:,} queries came within a minute of the one before": too_soon > 0,
        "the connector stopped without being asked": not alive,
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
    return ", ".join(f"{'max' if name == 'p100' else name} {value:.1f} s" for name, value in percentiles.items())
