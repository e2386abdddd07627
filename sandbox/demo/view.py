"""What a person sees of a running sandbox: a live screen in a terminal, plain lines elsewhere."""

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sandbox.demo.process import ConnectorProcess
from sandbox.ledger.snapshot import Snapshot

_PLAIN_SECONDS = 5.0
_LOG_LINES = 10
_WORTH_A_LINE = ("WARNING", "ERROR", "CRITICAL", "Traceback")


class View(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, elapsed: float, phase: str, snapshot: Snapshot, connector: ConnectorProcess) -> None: ...


def open_view(backlog: int) -> View:
    return Screen(backlog) if sys.stdout.isatty() else PlainLines()


def summary_line(snapshot: Snapshot) -> str:
    return (
        f"made {snapshot.made:,}  delivered {snapshot.accepted:,}  waiting {snapshot.waiting:,}"
        f"  twice {snapshot.doubled:,}  queries {snapshot.queries}  lag {_delay(snapshot.lag)}"
    )


class PlainLines:
    """One line of figures every few seconds, and what the connector warns of."""

    def __init__(self) -> None:
        self._next = 0.0
        self._lines_seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, elapsed: float, phase: str, snapshot: Snapshot, connector: ConnectorProcess) -> None:
        for line in connector.lines_since(self._lines_seen):
            if any(word in line for word in _WORTH_A_LINE):
                print(f"          {line}", flush=True)
        self._lines_seen = connector.lines_read
        if elapsed >= self._next:
            self._next = elapsed + _PLAIN_SECONDS
            print(f"{elapsed:6.0f} s  {phase:<12}  {summary_line(snapshot)}", flush=True)


class Screen:
    """A screen that is drawn again several times a second."""

    def __init__(self, backlog: int) -> None:
        self._progress = Progress(
            TextColumn("backlog"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self._backlog = self._progress.add_task("backlog", total=backlog)
        self._live = Live(console=Console(), refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, elapsed: float, phase: str, snapshot: Snapshot, connector: ConnectorProcess) -> None:
        self._progress.update(self._backlog, completed=snapshot.accepted)
        log = Text("\n".join(list(connector.lines)[-_LOG_LINES:]), no_wrap=True, overflow="ellipsis")
        self._live.update(
            Group(
                _figures(elapsed, phase, snapshot), self._progress, Panel(log, title="connector", title_align="left")
            )
        )


def _figures(elapsed: float, phase: str, snapshot: Snapshot) -> Table:
    since = f"{snapshot.time - snapshot.last_query:.0f} s ago" if snapshot.last_query else "none yet"
    failed = sum(count for (_, outcome), count in snapshot.requests.items() if outcome != "200")
    table = Table.grid(padding=(0, 3), expand=True)
    for _ in range(4):
        table.add_column(justify="left")
    table.add_row("[b]CyberArk → Sekoia", f"[b]{phase}", f"{elapsed:.0f} s", "")
    table.add_row(
        f"made [b]{snapshot.made:,}",
        f"delivered [b green]{snapshot.accepted:,}",
        f"waiting [b]{snapshot.waiting:,}",
        f"twice {snapshot.doubled:,}",
    )
    table.add_row(
        f"lag {_delay(snapshot.lag)}",
        f"queries {snapshot.queries}, last {since}",
        f"requests {sum(snapshot.requests.values()):,}",
        f"not 200: {failed:,}",
    )
    return table


def _delay(percentiles: dict[str, float]) -> str:
    if not percentiles:
        return "-"
    return f"{percentiles['p50']:.1f} s, p95 {percentiles['p95']:.1f} s"
