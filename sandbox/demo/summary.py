"""The summary of a run, and whether the promise was kept."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from sandbox.demo.process import ConnectorProcess
from sandbox.demo.view import counted, faults_line, print_wrapped, waiting, wrapped
from sandbox.faults import FAULTS
from sandbox.ledger.ledger import Ledger

_SHOWN_EXAMPLES = 5
_SHOWN_LINES = 15
_FRAME_COLUMNS = 7
_NARROWEST = 20
_REFUSED = "refused by the intake"
_WHERE = {_REFUSED: " (held, or in the dead-letter file)"}
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
    left_out = _left_out(ledger)
    allowed = verdict.kills * verdict.page_size * max(1, min(_STREAMS, snapshot.queries))
    spacing = "" if snapshot.smallest_spacing is None else f", the closest two {snapshot.smallest_spacing:.2f} s apart"
    rows = {
        "made": f"{snapshot.made:,}",
        "delivered": f"{snapshot.accepted:,}",
        **{f"left out: {reason}": f"{count:,}{_WHERE.get(reason, '')}" for reason, count in left_out.items()},
        "waiting": f"{waiting(snapshot):,}",
        "lost": f"{lost:,}",
        "duplicates": f"{snapshot.duplicates:,}" + (f" ({allowed:,} allowed after kills)" if verdict.kills else ""),
        "altered": f"{snapshot.altered:,}",
        "queries": f"{snapshot.queries:,}{spacing}, {snapshot.queries_too_soon:,} too soon",
        "live lag, from the event's time": _delays(snapshot.lag),
        "live lag, from its arrival": _delays(snapshot.lag_since_arrival),
        "backlog lag": _backlog(ledger, verdict),
        "faults": faults_line(verdict.faults) or "none",
        **{f"requests: {endpoint}": counts for endpoint, counts in _requests(snapshot.requests).items()},
        "stopped in": f"{verdict.stopped_in_seconds:.1f} s",
    }
    if snapshot.taken_but_refused:
        rows["accepted, but answered with an error"] = f"{snapshot.taken_but_refused:,}"
    console = Console()
    table = Table(title="Summary", show_header=False)
    width = console.width - max(map(len, rows)) - _FRAME_COLUMNS
    for name, value in rows.items():
        table.add_row(name, "\n".join(wrapped(value, max(width, _NARROWEST))))
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
    delivered = "everything made was delivered"
    if left_out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        delivered = f"everything else was delivered; left out: {reasons}"
    duplicates = (
        f"{counted(snapshot.duplicates, 'duplicate')}, within what the kills allow"
        if snapshot.duplicates
        else "no duplicates"
    )
    console.print(f"[bold green]✓ PASS[/] {delivered}{';' if left_out else ','} {duplicates}")
    return 0


def _left_out(ledger: Ledger) -> dict[str, int]:
    """How many events nobody waits for, by the reason."""
    reasons = {
        _REFUSED: ledger.refused_count(),
        "too large for the intake": len(ledger.index.too_large),
        "older than the API shows": ledger.expired(),
    }
    return {reason: count for reason, count in reasons.items() if count}


def _backlog(ledger: Ledger, verdict: Verdict) -> str:
    if verdict.backlog_after_seconds is not None:
        return f"{counted(verdict.backlog, 'event')} delivered {verdict.backlog_after_seconds:.0f} s after the start"
    remaining, _ = ledger.remaining_of_first(verdict.backlog)
    return f"{verdict.backlog - remaining:,} of {counted(verdict.backlog, 'event')} delivered"


def _faults(lost: int, duplicates: int, altered: int, too_soon: int, alive: bool) -> list[str]:
    found = {
        f"{counted(lost, 'event')} lost": lost > 0,
        f"{counted(duplicates, 'duplicate')} more than the kills allow": duplicates > 0,
        f"altered on the way: {counted(altered, 'delivered text')}": altered > 0,
        f"{counted(too_soon, 'query', 'queries')} came within a minute of the one before": too_soon > 0,
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
