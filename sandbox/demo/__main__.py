"""The demo: the sandbox, the real connector started as the platform starts it, and the summary at the end."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sandbox.demo.chaos import Chaos
from sandbox.demo.options import (
    Parser,
    add_options,
    check_options,
    describe_faults,
    fill,
    how_to_look,
    open_sandbox,
    seconds,
)
from sandbox.demo.process import ConnectorProcess
from sandbox.demo.summary import Verdict, print_summary
from sandbox.demo.view import Backlog, Moment, View, open_view
from sandbox.faults import FAULTS
from sandbox.readings import describe_readings
from sandbox.server.server import Sandbox

_TICK_SECONDS = 0.25
_LONGEST_SECONDS = 205.0
_SETTLE_SECONDS = 150.0
"""Without any event delivered: two queries' time, and what a connector may have backed off by."""

_WHOLE_RETENTION_HOURS = 168


def main(argv: list[str]) -> int:
    """Runs the demo; returns 1 if the promise was broken, a query came too soon, or a fault never happened.

    2 is for a mistake in the command line, and for a second interrupt: nothing was judged then.
    """
    options = _options(argv)
    if options.list_faults or options.list_readings:
        print(describe_faults() if options.list_faults else describe_readings())
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="cyberark-demo-") as directory, open_sandbox(options) as sandbox:
            return _Demo(sandbox, Path(directory), options).run()
    except KeyboardInterrupt:
        print("\nEnded at once, without a result.", flush=True)
        return 2


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="./dev demo", description=__doc__)
    add_options(parser, eps=10.0)
    parser.add_argument(
        "--duration",
        type=seconds,
        metavar="SECONDS",
        help="how long events are produced (default: until two queries after the backlog); the demo then waits "
        "until every event is delivered",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep everything running until Ctrl+C, and print the addresses and credentials; the state is deleted at "
        "the end",
    )
    options = parser.parse_args(argv)
    check_options(parser, options)
    return options


class _Demo:
    def __init__(self, sandbox: Sandbox, directory: Path, options: argparse.Namespace) -> None:
        self._sandbox = sandbox
        self._options = options
        self._backlog = fill(sandbox, options)
        process_faults = {name: value for name, value in options.fault if FAULTS[name].scope == "process"}
        configuration: dict[str, Any] = {"start_time": _WHOLE_RETENTION_HOURS} if options.events else {}
        self._connector = ConnectorProcess(
            sandbox,
            directory / "state",
            clock_file=directory / "clock" if "clock" in process_faults else None,
            **configuration,
        )
        self._began = time.monotonic()
        self._drained_at: float | None = None
        self._drained_after: float | None = None
        self._chaos = Chaos(self._connector, process_faults, time.monotonic, options.seed)

    def run(self) -> int:
        with self._connector, open_view(self._backlog) as view:
            try:
                self._until_enough(view)
                if self._options.keep:
                    self._keep(view)
            except KeyboardInterrupt:
                print("\nEnding; press Ctrl+C again to end at once.", flush=True)
            faults = self._faults()
            alive = self._settle(view)
            stopped_in = self._stop()
        verdict = Verdict(
            alive=alive,
            stopped_in_seconds=stopped_in,
            kills=self._chaos.kills,
            page_size=self._sandbox.tenant.settings.page_limit,
            backlog=self._backlog,
            backlog_after_seconds=self._drained_after,
            faults=faults,
        )
        return print_summary(self._sandbox.ledger, verdict, self._connector)

    def _until_enough(self, view: View) -> None:
        longest = self._options.duration or _LONGEST_SECONDS
        while self._elapsed() < longest and not self._polled_twice() and self._alive():
            self._tick(view, "collecting" if self._drained_at is None else "live")

    def _keep(self, view: View) -> None:
        print(how_to_look(self._sandbox, self._connector.variables))
        print("\nThe connector of this demo runs with them already; a second one would take over its state.")
        print(f"\n  Connector    process {self._connector.pid}, state in {self._connector.state_dir}")
        print(f"  Liveness     {self._connector.liveness_url}\n  Metrics      {self._connector.metrics_url}")
        print(
            "\nPress Ctrl+C to end. The state, with its dead letters, is deleted then: copy first what you need.",
            flush=True,
        )
        while self._alive():
            self._tick(view, "kept")

    def _settle(self, view: View) -> bool:
        """No more events and no more faults, until nothing waits; returns whether the connector lives."""
        tenant, ledger = self._sandbox.tenant, self._sandbox.ledger
        print(
            f"{self._elapsed():.0f} s: no more events are produced. The demo waits until all are delivered:\n"
            "a late event waits for the next query, up to a minute.",
            flush=True,
        )
        self._sandbox.faults.clear()
        self._chaos.end()
        tenant.stop_production()
        last_arrival = ledger.index.last_arrival() or 0.0
        accepted = -1
        gives_up = 0.0
        while self._alive():
            snapshot = ledger.snapshot()
            if snapshot.waiting == 0 and snapshot.time > last_arrival:
                break
            if snapshot.accepted > accepted or snapshot.time < last_arrival:
                accepted, gives_up = snapshot.accepted, self._elapsed() + _SETTLE_SECONDS
            if self._elapsed() > gives_up:
                break
            self._tick(view, "settling", chaos=False)
        self._note_drained()
        return self._alive()

    def _stop(self) -> float:
        began = time.monotonic()
        self._connector.stop()
        return time.monotonic() - began

    def _tick(self, view: View, phase: str, chaos: bool = True) -> None:
        time.sleep(_TICK_SECONDS)
        if chaos:
            self._chaos.advance()
        self._sandbox.tenant.catch_up()
        self._sandbox.faults.advance()
        ledger = self._sandbox.ledger
        with ledger.lock:
            snapshot = ledger.snapshot()
            remaining, oldest = self._note_drained()
        backlog = Backlog(self._backlog, remaining, 0.0 if oldest is None else snapshot.time - oldest)
        view.show(Moment(self._elapsed(), phase, snapshot, backlog, self._faults()), self._connector)

    def _note_drained(self) -> tuple[int, float | None]:
        """Note when the backlog was delivered; returns what remains of it, and when the first of that happened."""
        remaining, oldest = self._sandbox.ledger.remaining_of_first(self._backlog)
        if self._drained_at is None and not remaining:
            self._drained_at, self._drained_after = self._sandbox.ledger.snapshot().time, self._elapsed()
        return remaining, oldest

    def _faults(self) -> dict[str, int]:
        return {**self._sandbox.faults.counts(), **self._chaos.counts()}

    def _polled_twice(self) -> bool:
        if self._drained_at is None or self._options.duration is not None:
            return False
        return sum(opened > self._drained_at for opened in self._sandbox.ledger.query_times) >= 2

    def _alive(self) -> bool:
        return self._connector.running or self._chaos.restarting

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
