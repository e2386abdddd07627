"""`python -m sandbox.bench`: measure everything, write the page, and fail if a bound is missed."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox.bench import backfill, cost, life, memory, state, steady
from sandbox.bench.figures import Figure, Section
from sandbox.bench.page import verdict, write
from sandbox.process import MODULE_ROOT

_PAGE = MODULE_ROOT.parent / "docs" / "benchmarks.md"


def main(argv: list[str]) -> int:
    """Returns 1 if a bound is missed; a quick run is judged by those bounds only that hold on small numbers too."""
    options = _options(argv)
    began = time.monotonic()
    console = Console(width=120)
    sections = _measure(options.quick, console)
    seconds = time.monotonic() - began
    page = options.output or (Path(tempfile.gettempdir()) / "benchmarks.md" if options.quick else _PAGE)
    write(page, sections, seconds, options.quick)
    figures = [figure for section in sections for figure in section.figures]
    _print(figures, console)
    missed = [figure for figure in figures if not figure.met and (figure.bound.robust or not options.quick)]
    console.print(f"\n{seconds:.0f} s; the page is {page}")
    return 1 if missed else 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, in less than two minutes")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the page to write, with its charts in images/ beside it (default: docs/benchmarks.md; a temporary file "
        "when quick)",
    )
    return parser.parse_args(argv)


def _measure(is_quick: bool, console: Console) -> list[Section]:
    def timed(name: str, measure: Callable[[], Section]) -> Section:
        began = time.monotonic()
        section = measure()
        console.print(f"{name:<12} {time.monotonic() - began:5.0f} s")
        return section

    began = time.monotonic()
    throughput, runs = backfill.measure(is_quick)
    console.print(f"{'throughput':<12} {time.monotonic() - began:5.0f} s")
    return [
        throughput,
        timed("CPU time", lambda: cost.measure(is_quick)),
        timed("memory", lambda: memory.measure(is_quick)),
        timed("steady state", lambda: steady.measure(is_quick)),
        timed("state", lambda: state.measure(is_quick, runs)),
        timed("life", lambda: life.measure(is_quick)),
    ]


def _print(figures: list[Figure], console: Console) -> None:
    table = Table("What", "Bound", "Measured", "Verdict", title="Benchmarks")
    for figure in figures:
        style = "green" if figure.met else "red"
        table.add_row(figure.name, figure.asked, figure.shown, f"[{style}]{verdict(figure)}[/]")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
