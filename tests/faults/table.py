"""The table at the end of a run: one line of figures for each test of a fault, for parallel workers print nothing."""

from collections.abc import Iterable, Mapping

import pytest

from faults.scene import FIGURES

Figures = Mapping[str, str]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A hook of pytest, for every conftest.py that this process may load: the table is printed once."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    figures = figures_of(reports)
    if figures and not terminalreporter.config.stash.get(_PRINTED, False):
        terminalreporter.config.stash[_PRINTED] = True
        _print(figures, terminalreporter)


def figures_of(reports: Iterable[object]) -> dict[str, Figures]:
    """The figures that tests left with their reports, by the test's name."""
    found: dict[str, Figures] = {}
    for report in reports:
        if isinstance(report, pytest.TestReport):
            figures = dict(report.user_properties).get(FIGURES)
            if isinstance(figures, Mapping) and figures:
                found[report.nodeid.rpartition("/")[2]] = figures
    return dict(sorted(found.items()))


_PRINTED = pytest.StashKey[bool]()


def _print(figures: Mapping[str, Figures], reporter: pytest.TerminalReporter) -> None:
    names = list(next(iter(figures.values())))
    rows = [["", *names], *([test, *(of_test.get(name, "") for name in names)] for test, of_test in figures.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    reporter.section("what each fault cost")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        reporter.write_line("  ".join(cells).rstrip())
