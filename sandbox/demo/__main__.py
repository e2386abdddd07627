"""Run the real connector between a CyberArk tenant and a Sekoia platform, both simulated on this machine over TLS."""

import argparse
import io
import signal
import sys
import time
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from sandbox.demo.process_faults import ProcessFaults
from sandbox.demo.summary import Run, print_summary
from sandbox.demo.view import Moment, View, frame
from sandbox.faults.catalogue import FAULTS, describe
from sandbox.process import ConnectorProcess
from sandbox.server import Sandbox

_TICK_S = 0.25
_COLUMNS = 100
_BACKLOG_SPAN_S = 6 * 3600.0
_LOOKBACK_H = 168  # all that the API returns
_PAGE_S, _PUSH_S = 0.3, 0.15
_EXIT_CODES = "Exit codes: 0 all events were delivered; 1 some were not; 2 wrong command line, or interrupted twice."
_PATIENCE_S = 150.0
"""Without any event delivered: two queries' time, and what a connector may wait after failures."""


def main(arguments: list[str]) -> int:
    """Run the demo; return 1 when the promise was broken, 2 for a wrong option or a second interrupt."""
    options = _options(arguments)
    if options.list_faults:
        print(describe())
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with Sandbox(options.seed) as sandbox:
            return Demo(sandbox, options).run()
    except KeyboardInterrupt:
        print("\nEnded at once, without a result.", flush=True)
        return 2


class Demo:
    """One run: the backlog and live events, then nothing new until all are delivered, then the summary."""

    def __init__(self, sandbox: Sandbox, options: argparse.Namespace) -> None:
        self._sandbox = sandbox
        self._options = options
        self._world = world = sandbox.world
        world.settings.audit.page_latency_s, world.settings.sekoia.push_latency_s = _PAGE_S, _PUSH_S
        faults = dict(options.fault)
        on_process = {name: value for name, value in faults.items() if FAULTS[name].level == "process"}
        for name in faults.keys() - on_process.keys():
            # What acts on one event begins when there are events.
            world.faults.add(name, faults[name], start=0.0 if FAULTS[name].begin is None else 1.0)
        self._fill()
        self._backlog = len(world.index)
        self._connector = ConnectorProcess(sandbox, sandbox.folder / "state", start_time=_LOOKBACK_H)
        self._began = time.monotonic()
        self._process_faults = ProcessFaults(self._connector, on_process)
        self._frame: RenderableType = ""

    def run(self) -> int:
        """Run it; return the exit status."""
        with self._connector:
            if self._options.keep:
                self._print_addresses()
            view = View()
            try:
                self._collect(view)
            except KeyboardInterrupt:
                print("\nEnding; press Ctrl+C again to end at once.", flush=True)
            is_alive = self._settle(view)
            view.close()
            began = time.monotonic()
            self._connector.stop()
            stopped_in_s = time.monotonic() - began
        run = Run(is_alive, stopped_in_s, self._process_faults.kills, self._faults())
        console = Console(record=True, width=min(_COLUMNS, Console().width))
        status = print_summary(console, self._world.ledger, run, self._connector)
        if self._options.record:
            picture = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
            picture.print(self._frame, Text.from_ansi(console.export_text(styles=True)))
            picture.save_svg(self._options.record, title="./dev demo")
        return status

    def _fill(self) -> None:
        options, world = self._options, self._world
        if options.events:
            print(
                f"{world.replay(Path(options.events)):,} events of {options.events}. Their timestamps are moved into "
                "the last hour, in their order:\nthe Audit API returns the last seven days only.",
                flush=True,
            )
        world.add_backlog(options.backlog, _BACKLOG_SPAN_S)
        world.produce(options.rate)

    def _collect(self, view: View) -> None:
        while self._connector.is_running and (self._options.keep or self._elapsed() < self._options.duration):
            remaining = f"for another {max(0, self._options.duration - self._elapsed()):.0f} s"
            end = "until Ctrl+C" if self._options.keep else remaining
            self._process_faults.advance()
            self._tick(view, f"{self._options.rate:g} events a second are produced {end}")

    def _settle(self, view: View) -> bool:
        """Wait, without new events and faults, until everything is delivered; return whether the connector lives."""
        world, ledger = self._world, self._world.ledger
        world.produce(0)
        world.faults.clear()
        self._process_faults.end()
        accepted, gives_up_at = -1, 0.0
        while self._connector.is_running:
            snapshot = ledger.snapshot()
            if snapshot.waiting == 0 and snapshot.arrived == snapshot.made:
                break
            if snapshot.accepted > accepted or snapshot.arrived < snapshot.made:
                accepted, gives_up_at = snapshot.accepted, self._elapsed() + _PATIENCE_S
            if self._elapsed() > gives_up_at:
                break
            next_query = max(ledger.query_times, default=0.0) + 60 - snapshot.time
            phase = "no new events; ends when all are delivered"
            self._tick(view, phase + (f" (next query in {next_query:.0f} s)" if next_query > 0 else ""))
        return self._connector.is_running

    def _tick(self, view: View, phase: str) -> None:
        time.sleep(_TICK_S)
        self._world.catch_up()
        self._world.faults.advance()
        ledger = self._world.ledger
        with ledger.lock:
            snapshot, remaining = ledger.snapshot(), ledger.remaining_of_first(self._backlog)
        moment = Moment(self._elapsed(), phase, snapshot, self._backlog, remaining, self._faults())
        view.show(moment, self._connector)
        self._frame = frame(moment, self._connector)

    def _print_addresses(self) -> None:
        variables, connector = self._connector.variables, self._connector
        names = ("MODULE_CONFIGURATION", "CONNECTOR_CONFIGURATION", "REQUESTS_CA_BUNDLE")
        print("The services and the credentials of this sandbox, as the platform gives them to the connector:\n")
        print("\n".join(f"  export {name}='{variables[name]}'" for name in names))
        print(f"\n  password      {self._world.settings.identity.password}")
        print(f"  connector     process {connector.pid}, state in {connector.state_folder}")
        print(f"  liveness      {connector.liveness_url}\n  metrics       {connector.metrics_url}\n", flush=True)

    def _faults(self) -> dict[str, int]:
        return {**self._world.faults.counts(), **self._process_faults.counts()}

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__, epilog=_EXIT_CODES)
    parser.add_argument("--backlog", type=int, default=20_000, help="events that wait at the start (default: 20000)")
    parser.add_argument("--rate", type=float, default=10.0, help="events a second from then on (default: 10)")
    parser.add_argument("--duration", type=float, default=45.0, help="seconds of production (default: 45)")
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a fault during the production, again for more than one; see --list-faults",
    )
    parser.add_argument("--list-faults", action="store_true", help="list the faults, what each does, and its value")
    parser.add_argument("--events", metavar="FILE", help="a file of events, one JSON object a line, to deliver too")
    parser.add_argument("--keep", action="store_true", help="keep everything running until Ctrl+C; print addresses")
    parser.add_argument("--seed", type=int, default=0, help="for other events and other random faults")
    parser.add_argument("--record", metavar="FILE.svg", help="write a picture of the last screen and the summary")
    options = parser.parse_args(arguments)
    if options.events:
        if not Path(options.events).is_file():
            parser.error(f"{options.events} is not a file")
        if "--backlog" not in " ".join(arguments):
            options.backlog = 0
    return options


def _fault(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"there is no fault {name}; see --list-faults")
    try:
        given = float(value) if value else FAULTS[name].value
        FAULTS[name].check(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
