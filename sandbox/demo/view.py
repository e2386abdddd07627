"""What a person sees of a running sandbox: a live screen in a terminal, plain lines elsewhere."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import wrap
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from sandbox.demo.process import ConnectorProcess
from sandbox.faults import FAULTS
from sandbox.ledger.snapshot import Snapshot

WIDTH = 80
_PLAIN_SECONDS = 5.0
_LOG_LINES = 6
_JOINT = "\N{NO-BREAK SPACE}"
_KEPT = re.compile(r"(?<=\d) (?=(?:s|min|h|events?|waiting)\b|×)|(?<=×) (?=\d)|(?<=max|p\d\d) (?=\d)")
_WORTH_A_LINE = ("WARNING", "ERROR", "CRITICAL", "Traceback")


@dataclass(frozen=True)
class Backlog:
    """Of `made` events that were there at the start, `remaining` are not delivered; the oldest is `oldest_s` old."""

    made: int
    remaining: int
    oldest_s: float

    def __str__(self) -> str:
        if not self.remaining:
            return "delivered"
        return f"{self.remaining:,} waiting, the oldest for {_age(self.oldest_s)}"


@dataclass(frozen=True)
class Moment:
    """What is known at one instant. `faults` counts what each fault that is on has done."""

    elapsed: float
    phase: str
    snapshot: Snapshot
    backlog: Backlog
    faults: Mapping[str, int] = field(default_factory=dict)


class View(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, moment: Moment, connector: ConnectorProcess) -> None: ...


def open_view(backlog: int) -> View:
    return Screen(backlog) if sys.stdout.isatty() else PlainLines()


def waiting(snapshot: Snapshot) -> int:
    """Events that are made and not delivered, those that the API does not show yet among them.

    What the intake cannot take, and what is older than the API shows, is left out: it waits for nothing.
    """
    return snapshot.made - snapshot.shown + snapshot.waiting


def balance(snapshot: Snapshot) -> str:
    """The sum that every event that was made is in."""
    left_out = snapshot.made - snapshot.accepted - waiting(snapshot)
    return f"made {snapshot.made:,} = delivered {snapshot.accepted:,} + waiting {waiting(snapshot):,}" + (
        f" + left out {left_out:,}" if left_out else ""
    )


def counted(number: int, one: str, several: str = "") -> str:
    """So many of them, in the plural (by default with an s) where it is due."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def summary_line(snapshot: Snapshot) -> str:
    return (
        f"{balance(snapshot)}  duplicates {snapshot.duplicates:,}  queries {snapshot.queries}"
        f"  live lag {delay(snapshot.lag)}"
    )


def faults_line(faults: Mapping[str, int]) -> str:
    """Each fault that is on, and what it has done."""
    return ", ".join(f"{name} ({FAULTS[name].counted}: {count:,})" for name, count in faults.items())


class PlainLines:
    """Figures every few seconds, and what the connector warns of."""

    def __init__(self) -> None:
        self._next = 0.0
        self._lines_seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, moment: Moment, connector: ConnectorProcess) -> None:
        for line in connector.lines_since(self._lines_seen):
            if any(word in line for word in _WORTH_A_LINE):
                print_wrapped("          ", line)
        self._lines_seen = connector.lines_read
        if moment.elapsed >= self._next:
            self._next = moment.elapsed + _PLAIN_SECONDS
            head = f"{moment.elapsed:6.0f} s  "
            print_wrapped(head, f"{moment.phase:<10}  {summary_line(moment.snapshot)}  backlog {moment.backlog}")
            if moment.faults:
                print_wrapped(" " * len(head), f"faults: {faults_line(moment.faults)}")


class Screen:
    """A screen that is drawn again several times a second."""

    def __init__(self, backlog: int) -> None:
        self._progress = Progress(TextColumn("backlog"), BarColumn(bar_width=None), MofNCompleteColumn())
        self._backlog = self._progress.add_task("backlog", total=backlog)
        self._live = Live(console=Console(), refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, moment: Moment, connector: ConnectorProcess) -> None:
        self._progress.update(self._backlog, completed=moment.backlog.made - moment.backlog.remaining)
        log = Text("\n".join(list(connector.lines)[-_LOG_LINES:]), overflow="fold")
        said = wrapped(f"faults: {faults_line(moment.faults)}", self._live.console.width)
        faults = [Text("\n".join(said), style="yellow")] if moment.faults else []
        self._live.update(
            Group(_figures(moment), self._progress, *faults, Panel(log, title="connector", title_align="left"))
        )


def _figures(moment: Moment) -> Table:
    snapshot = moment.snapshot
    since = f"{snapshot.time - snapshot.last_query:.0f} s ago" if snapshot.last_query else "none yet"
    failed = sum(count for (_, outcome), count in snapshot.requests.items() if outcome != "200")
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=2)
    table.add_column(ratio=1)
    table.add_row(f"[b]CyberArk → Sekoia, {moment.phase}", f"[b]{moment.elapsed:.0f} s")
    table.add_row(f"[b green]{balance(snapshot)}", f"duplicates {snapshot.duplicates:,}")
    table.add_row(f"live lag {delay(snapshot.lag)}", f"queries {snapshot.queries}, last {since}")
    table.add_row(f"backlog {moment.backlog}", f"requests {sum(snapshot.requests.values()):,}, {failed:,} not 200")
    return table


def delay(percentiles: Mapping[str, float]) -> str:
    """The middle and the high end of some delays."""
    if not percentiles:
        return "-"
    return f"p50 {percentiles['p50']:.1f} s, p95 {percentiles['p95']:.1f} s"


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def print_wrapped(head: str, text: str) -> None:
    """Lines of at most 80 columns, nothing cut."""
    indent = " " * len(head)
    for number, line in enumerate(wrapped(text, WIDTH - len(head)) or [""]):
        print((head if not number else indent) + line, flush=True)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most that width; a number and its unit stay together."""
    lines = wrap(_KEPT.sub(_JOINT, text), width, break_on_hyphens=False)
    return [line.replace(_JOINT, " ") for line in lines]
