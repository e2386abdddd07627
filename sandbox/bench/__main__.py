"""`./dev bench`: measure everything, write the page, and fail if a bound is missed."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from sandbox import TOP
from sandbox.bench import backfill, cost, life, memory, state, steady
from sandbox.bench.figures import Section
from sandbox.bench.page import verdicts, write
from sandbox.demo.options import Parser

T = TypeVar("T")

_PAGE = TOP / "docs" / "benchmarks.md"


def main(argv: list[str]) -> int:
    """Returns 1 if a bound is missed; a quick run is judged by those bounds only that hold on small numbers too."""
    options = _options(argv)
    began = time.monotonic()
    console = Console(width=120)
    sections = _measure(options.quick, console)
    seconds = time.monotonic() - began
    page = options.output or (Path(tempfile.gettempdir()) / "benchmarks.md" if options.quick else _PAGE)
    write(page, sections, seconds, options.quick)
    found = verdicts(sections, options.quick)
    table = Table(*found.columns, title="Benchmarks")
    for row in found.rows:
        table.add_row(*row, style="red" if row[-1] == "MISSED" else None)
    console.print(table)
    console.print(f"\n{seconds:.0f} s; the page is {page}")
    return int(any(row[-1] == "MISSED" for row in found.rows))


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="use smaller numbers; takes less than two minutes")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the page to write, with its charts in images/ beside it (default: docs/benchmarks.md; a temporary file "
        "when quick)",
    )
    return parser.parse_args(argv)


def _measure(is_quick: bool, console: Console) -> list[Section]:
    def timed(name: str, measure: Callable[[], T]) -> T:
        began = time.monotonic()
        measured = measure()
        console.print(f"{name:<12} {time.monotonic() - began:5.0f} s")
        return measured

    throughput, backfills = timed("throughput", lambda: backfill.measure(is_quick))
    cpu = timed("CPU time", lambda: cost.measure(is_quick))
    size, longest = timed("memory", lambda: memory.measure(is_quick))
    lag = timed("steady state", lambda: steady.measure(is_quick))
    written = timed("state", lambda: state.measure(is_quick, backfills, longest))
    return [throughput, cpu, size, lag, written, timed("life", lambda: life.measure(is_quick))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
