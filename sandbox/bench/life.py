"""How soon a started connector works, and how soon a stopped one has ended."""

import time
from collections.abc import Callable
from statistics import median

from sandbox.bench.connector import working_folder
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table
from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import Sandbox

_EVENTS = 1000
_IDLE_SECONDS = 2.0
_SLOW_PUSH_SECONDS = 10.0
_LONGEST_SECONDS = 30.0


def measure(is_quick: bool) -> Section:
    """The medians of some lives."""
    section = Section(
        "Start and stop",
        "From the start of the process to its first request to CyberArk (Python, the SDK and the libraries are "
        "loaded, secrets are fetched) and to the first acceptance by the intake. A restart reads the stored cursor at "
        "once, without waiting for the next query. A stop is measured from SIGTERM to the end of the process: while "
        "it "
        "waits, and during a push that takes ten seconds.",
    )
    lives = [_life() for _ in range(1 if is_quick else 3)]
    figures = {name: median(life[name] for life in lives) for name in lives[0]}
    bounds = {
        "started: first request": Bound(5.0),
        "started: first acceptance": Bound(6.0),
        "restarted: first page read": Bound(6.0),
        "stopped while waiting": Bound(2.0, robust=False),
        "stopped while pushing": Bound(10.0),
    }
    for name, bound in bounds.items():
        section.figures.append(Figure(name.capitalize(), figures[name], "{:.2f} s", bound))
    longest = {name: max(life[name] for life in lives) for name in bounds}
    rows = [(name, f"{figures[name]:.2f} s", f"{longest[name]:.2f} s") for name in bounds]
    section.tables.append(Table(("", f"Median of {len(lives)}", "Longest"), rows))
    bars = [Bar(name, [figures[name]], f"{figures[name]:.2f} s") for name in bounds]
    section.charts.append(Chart("life", "Start and stop, in seconds", bars))
    return section


def _life() -> dict[str, float]:
    figures = {}
    with working_folder() as folder, Sandbox() as sandbox:
        ledger = sandbox.ledger
        sandbox.tenant.add_backlog(_EVENTS, 600.0)
        with ConnectorProcess(sandbox, folder / "state") as connector:
            began = time.monotonic()
            figures["started: first request"] = _until(lambda: _requests(sandbox, "token") > 0, began)
            figures["started: first acceptance"] = _until(lambda: ledger.snapshot().accepted > 0, began)
            _until(lambda: ledger.snapshot().accepted == _EVENTS, began)
            time.sleep(_IDLE_SECONDS)
            figures["stopped while waiting"] = _stop(connector)
            sandbox.tenant.add_backlog(_EVENTS // 2, 1.0)
            sandbox.sekoia.settings.push_latency = _SLOW_PUSH_SECONDS
            pages, pushes = _requests(sandbox, "results"), _requests(sandbox, "intake")
            began = time.monotonic()
            connector.start()
            figures["restarted: first page read"] = _until(lambda: _requests(sandbox, "results") > pages, began)
            _until(lambda: _requests(sandbox, "intake") > pushes, began)
            figures["stopped while pushing"] = _stop(connector)
    return figures


def _requests(sandbox: Sandbox, endpoint: str) -> int:
    return sum(count for (name, _), count in sandbox.ledger.snapshot().requests.items() if name == endpoint)


def _until(holds: Callable[[], bool], began: float) -> float:
    """The seconds from `began` until it holds."""
    while not holds():
        if time.monotonic() - began > _LONGEST_SECONDS:
            raise RuntimeError(f"the start had no result within {_LONGEST_SECONDS:.0f} s")
        time.sleep(0.005)
    return time.monotonic() - began


def _stop(connector: ConnectorProcess) -> float:
    began = time.monotonic()
    connector.stop(_LONGEST_SECONDS)
    return time.monotonic() - began
