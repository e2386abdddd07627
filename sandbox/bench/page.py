"""The page of the benchmarks, in Markdown, with its charts beside it."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from textwrap import fill

from sandbox.bench.chart import draw
from sandbox.bench.figures import Section, Table

_WIDTH = 119
_INTRODUCTION = """\
# Benchmarks

`./dev bench` writes this page in less than ten minutes; `./dev bench --quick` takes less than two, with smaller
numbers. Everything runs on one machine: the tenant and the platform of the sandbox, over TLS on the loopback
interface, and the real connector in its own process. Only the CPU time and the memory of that process are counted.
Each figure is a ratio or a bound within one run, so that runs on different machines can be compared. Every run also
checks that no event was lost, altered or duplicated.
"""


def write(page: Path, sections: Sequence[Section], seconds: float, is_quick: bool) -> None:
    """Write the page, and its charts into `images` beside it."""
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    for section in sections:
        for chart in section.charts:
            (images / f"bench_{chart.name}.svg").write_text(draw(chart), encoding="utf-8")
    page.write_text("\n".join(_page(sections, seconds, is_quick)) + "\n", encoding="utf-8")


def verdicts(sections: Sequence[Section], is_quick: bool) -> Table:
    """Every figure, with its bound."""
    return Table(
        ("What", "Bound", "Measured", "Verdict"),
        [
            (figure.name, figure.asked, figure.shown, figure.verdict(is_quick))
            for section in sections
            for figure in section.figures
        ],
    )


def _page(sections: Sequence[Section], seconds: float, is_quick: bool) -> Iterator[str]:
    yield _INTRODUCTION
    kind = "A quick run" if is_quick else "This run"
    yield _wrapped(f"{kind} took {seconds:.0f} s on {_machine()}.")
    yield ""
    yield from _table(verdicts(sections, is_quick))
    for section in sections:
        yield f"\n## {section.title}\n\n{_wrapped(section.text)}\n"
        for chart in section.charts:
            told = "; ".join(f"{bar.label}: {bar.shown}" for bar in chart.bars)
            yield f"![{chart.title}. {told}.](images/bench_{chart.name}.svg)\n"
        for table in section.tables:
            if table.title:
                yield f"### {table.title}\n"
            yield from _table(table)
            yield ""
        yield from map(_wrapped, section.notes)


def _table(table: Table) -> Iterator[str]:
    yield _line(table.columns)
    yield _line(["---"] + ["---:"] * (len(table.columns) - 1))
    for row in table.rows:
        yield _line(row)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _wrapped(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _machine() -> str:
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("sekoia-automation-sdk", "requests", "orjson", "msgspec")
    )
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
