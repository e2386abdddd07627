"""What a person sees of a running demo: a live screen in a terminal, plain lines elsewhere."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sandbox.process import ConnectorProcess
from sandbox.world.ledger import Snapshot

_PLAIN_S = 5.0
_LOG_LINES = 6


@dataclass(frozen=True)
class Moment:
    """What is known at one instant. `phase` says what happens now, and when it ends.

    Of the `backlog` events that were there at the start, `remaining` are not delivered.
    """

    elapsed: float
    phase: str
    snapshot: Snapshot
    backlog: int
    remaining: int
    faults: Mapping[str, int] = field(default_factory=dict)


def balance(snapshot: Snapshot) -> str:
    """Return the sum that every event that was made is in."""
    to_come = snapshot.made - snapshot.arrived
    on_the_way = to_come + snapshot.waiting
    left_out = snapshot.made - snapshot.accepted - on_the_way
    said = f"{snapshot.made:,} events = {snapshot.accepted:,} delivered + {on_the_way:,} on the way"
    return said + (f" + {left_out:,} left out" if left_out else "")


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number of things, in the plural (by default with an s) where it is due."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def delays(percentiles: Mapping[str, float]) -> str:
    """Return the median and the high end of some delays."""
    return f"p50 {percentiles['p50']:.1f} s, p95 {percentiles['p95']:.1f} s" if percentiles else "none yet"


def faults_line(faults: Mapping[str, int]) -> str:
    """Return each fault that is on, and how often it acted."""
    return ", ".join(f"{name} ({count:,}×)" if count else name for name, count in faults.items())


class View:
    """Shows moments: drawn again several times a second in a terminal, a line every five seconds elsewhere."""

    def __init__(self) -> None:
        self._live = Live(console=Console(), refresh_per_second=4) if sys.stdout.isatty() else None
        self._next = 0.0
        if self._live is not None:
            self._live.start()

    def show(self, moment: Moment, connector: ConnectorProcess) -> None:
        """Show how things stand."""
        if self._live is not None:
            self._live.update(frame(moment, connector))
            return
        if moment.elapsed < self._next:
            return
        self._next = moment.elapsed + _PLAIN_S
        duplicates, faults = counted(moment.snapshot.duplicates, "duplicate"), faults_line(moment.faults)
        said = [balance(moment.snapshot), duplicates, f"live delay {delays(moment.snapshot.delay)}", moment.phase]
        print(f"{moment.elapsed:5.0f} s   " + "; ".join(said + [f"faults: {faults}"] * bool(faults)), flush=True)

    def close(self) -> None:
        """Leave the last moment on the screen."""
        if self._live is not None:
            self._live.stop()


def frame(moment: Moment, connector: ConnectorProcess) -> RenderableType:
    """Return the whole screen."""
    snapshot, delivered = moment.snapshot, moment.backlog - moment.remaining
    failed = sum(count for (_, outcome), count in snapshot.requests.items() if outcome not in ("200", "204"))
    figures = Table.grid(padding=(0, 2), expand=True)
    figures.add_column(ratio=1)
    figures.add_column(justify="right")
    figures.add_row("[b]CyberArk → Sekoia", f"[b]{moment.elapsed:.0f} s")
    figures.add_row(f"[b green]{balance(snapshot)}", f"[b green]{counted(snapshot.duplicates, 'duplicate')}")
    figures.add_row(f"delay of live events: {delays(snapshot.delay)}")
    figures.add_row(
        f"{counted(snapshot.queries, 'query', 'queries')}, "
        f"{counted(sum(snapshot.requests.values()), 'request')}, {failed:,} failed"
    )
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(width=8)
    bar.add_column(ratio=1)
    bar.add_column(justify="right")
    bar.add_row("backlog", ProgressBar(max(moment.backlog, 1), delivered), f"{delivered:,} of {moment.backlog:,}")
    faults = [Text(f"faults: {faults_line(moment.faults)}", style="yellow")] if moment.faults else []
    log = Text("\n".join(list(connector.lines)[-_LOG_LINES:]), overflow="fold")
    return Group(figures, bar, Text(moment.phase, style="cyan"), *faults, Panel(log, title="connector's log"))
