"""CPU time per event, where nothing waits: how much, for what, and against the least that the SDK allows."""

from statistics import median

from sandbox.bench.child import run_child
from sandbox.bench.connector import Drained, drain, working_folder
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table
from sandbox.server.server import Sandbox

_SIZE = 500
_MICRO = 1e6
_STAGES = {
    "receive": "receive the page: HTTP, TLS",
    "read": "split it into events, read uuid and time",
    "choose": "drop what was delivered, work out the stream",
    "push": "push: JSON, HTTP, TLS, the SDK's own work",
    "remember": "work out the checkpoint",
    "store": "write the checkpoint",
    "report": "metrics, log lines",
}


def measure(is_quick: bool) -> Section:
    """Runs of the floor and of the connector in turn, so that a change of the machine's load affects both."""
    rounds, events = (3, 40_000) if is_quick else (5, 100_000)
    section = Section(
        "CPU time",
        "The same run without any latency, so that only CPU time matters. The floor is the least that a connector "
        "needs: the SDK's own push of the same prepared texts to the same intake, and one `orjson.loads` of each "
        "page; it fetches nothing. The connector's figure is the CPU time of its whole process while it delivers, "
        f"including all threads; the stages are measured in that process. Pages of {_SIZE}; the medians of {rounds} "
        "rounds.",
    )
    floors, runs = [], []
    for _ in range(rounds):
        floors.append(_floor(events // 2))
        runs.append(drain(events, _SIZE))
    push, parse = (median(floor[name] for floor in floors) for name in ("push", "parse"))
    floor, cpu = push + parse, median(run.cpu for run in runs)
    section.figures.append(
        Figure("CPU time per event, of the floor", cpu / floor, "{:.2f} ×", Bound(1.5, robust=False))
    )
    section.figures.append(Figure("CPU time per event", cpu * _MICRO, "{:.1f} µs", Bound(35.0, robust=False)))
    stages = {stage: median(run.cpu_by_stage[stage] for run in runs) for stage in _STAGES}
    rest = max(0.0, cpu - sum(stages.values()))
    rows = [(_STAGES[stage], _shown(seconds), f"{100 * seconds / cpu:.0f} %") for stage, seconds in stages.items()]
    rows += [
        ("the loop, threads, the rest", _shown(rest), f"{100 * rest / cpu:.0f} %"),
        ("**the connector in total**", f"**{_shown(cpu)}**", "**100 %**"),
        ("the floor: the SDK's push", _shown(push), f"{100 * push / cpu:.0f} %"),
        ("the floor: `orjson.loads`", _shown(parse), f"{100 * parse / cpu:.0f} %"),
    ]
    section.tables.append(Table(("Stage", "CPU time per event", "Share"), rows))
    section.charts.append(
        Chart(
            "cpu",
            "CPU time per event, in microseconds",
            [
                Bar("the connector", [*stages.values(), rest], _shown(cpu)),
                Bar("the floor", [0, parse, 0, push], _shown(floor)),
            ],
            (*_STAGES, "rest"),
        )
    )
    section.notes.append(_rates(runs))
    return section


def _floor(events: int) -> dict[str, float]:
    with working_folder() as folder, Sandbox() as sandbox:
        floor: dict[str, float] = run_child("floor", (str(events), str(_SIZE)), sandbox.environment_variables(folder))
        return floor


def _shown(seconds: float) -> str:
    return f"{seconds * _MICRO:.1f} µs"


def _rates(runs: list[Drained]) -> str:
    rate = median(run.events_per_second for run in runs)
    return (
        f"At that cost one core delivers {1 / median(run.cpu for run in runs):,.0f} events a second. In this run, "
        f"with the sandbox on the same machine, it was {rate:,.0f}."
    )
