"""The command line of `./dev check`."""

import argparse
import math
from pathlib import Path

from sandbox.check.rehearsal import BREAKS
from sandbox.check.values import VARIABLES, title_of
from sandbox.demo.options import AppendReading, Parser

_WATCH_S = 15.0
_EXITS = """\
exit status:
  0   everything was tried and is right, or is only marked !
  1   something is wrong
  2   the command line or a value cannot be used
  3   what was tried is right, but not everything was tried"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Exits with 2 and one sentence when the arguments cannot be used."""
    width = max(map(len, (*VARIABLES.values(), *BREAKS)))
    variables = "\n".join(f"  {variable:<{width}}  {title_of(name)}" for name, variable in VARIABLES.items())
    breaks = "\n".join(f"  {name:<{width}}  {kind.summary}" for name, kind in BREAKS.items())
    parser = Parser(
        prog="dev check",
        description="Try the credentials of a tenant, link by link, before anything is created in Sekoia.",
        epilog="\n\n".join(
            (f"What is not in these variables is asked for:\n{variables}", _EXITS, f"mistakes for --break:\n{breaks}")
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--send", action="store_true", help="send one test event to the intake, after asking")
    parser.add_argument("--yes", action="store_true", help="with --send, do not ask")
    parser.add_argument(
        "--watch",
        type=_seconds,
        default=_WATCH_S,
        metavar="SECONDS",
        help="how long to watch for events that come in (default: %(default)g)",
    )
    parser.add_argument(
        "--state",
        type=_file,
        metavar="FILE",
        help="the context.json of a connector that reads this tenant now, to tell its queries from those of others",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="find out how the tenant's Audit API behaves where its documentation leaves it open, in ten minutes",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="MINUTES",
        help="with --profile, how long: less than the default of 10 leaves rows of the table open",
    )
    parser.add_argument("--sandbox", action="store_true", help="try a tenant that is played on this machine")
    parser.add_argument(
        "--break", dest="mistake", type=_mistake, metavar="NAME", help="with --sandbox, make this mistake: see below"
    )
    parser.add_argument(
        "--reading",
        dest="readings",
        action=AppendReading,
        default=[],
        metavar="NAME",
        help="with --sandbox, a reading of the documentation that the tenant follows, several allowed: "
        "./dev demo --list-readings names them",
    )
    options = parser.parse_args(arguments)
    if options.mistake and not options.sandbox:
        parser.error("--break goes with --sandbox")
    if options.readings and not options.sandbox:
        parser.error("--reading goes with --sandbox")
    if options.yes and not options.send:
        parser.error("--yes goes with --send")
    if options.minutes and not options.profile:
        parser.error("--minutes goes with --profile")
    if options.profile and options.send:
        parser.error("--profile sends nothing, so it does not go with --send")
    return options


def _mistake(text: str) -> str:
    if text not in BREAKS:
        raise argparse.ArgumentTypeError(f"no mistake is called {text}")
    return text


def _minutes(text: str) -> float:
    minutes = _seconds(text)
    if not 0 < minutes <= 60:
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes up to 60")
    return minutes


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text or 'nothing'} is no number")
    return seconds


def _file(text: str) -> Path:
    file = Path(text)
    if not file.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file")
    return file
