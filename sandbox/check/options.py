"""The command line of `./dev check`."""

import argparse
from pathlib import Path
from typing import Any

from sandbox.check.rehearsal import BREAKS
from sandbox.check.values import VARIABLES, title_of
from sandbox.demo.options import AppendReading, Parser, nearest, number

_WATCH_S = 15.0
_EXITS = """\
exit status:
  0   everything was tried and is right, or is marked ! only
  1   something is wrong
  2   the command line or a value cannot be used
  3   what was tried is right, but not everything was tried"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Exits with 2 and one sentence when the arguments cannot be used."""
    width = max(map(len, (*VARIABLES.values(), *BREAKS)))
    variables = "\n".join(f"  {variable:<{width}}  {title_of(name)}" for name, variable in VARIABLES.items())
    breaks = "\n".join(f"  {name:<{width}}  {kind.summary}" for name, kind in BREAKS.items())
    parser = Parser(
        prog="./dev check",
        description="Try the credentials of a tenant, link by link, before you create anything in Sekoia.",
        epilog="\n\n".join(
            (
                f"The check asks for each value that is not in one of these variables:\n{variables}",
                _EXITS,
                f"mistakes for --break:\n{breaks}",
            )
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--send",
        action="store_true",
        help="send one test event to the intake, after asking; with --sandbox it is sent in any case",
    )
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
        help="find out in ten minutes how the tenant's Audit API behaves where its documentation leaves it open",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="MINUTES",
        help="with --profile, how long it takes, up to 60 (default: 10); in less than 10, more rows of the table "
        "remain not observed",
    )
    parser.add_argument("--sandbox", action="store_true", help="try a tenant that is simulated on this machine")
    parser.add_argument(
        "--break",
        dest="mistake",
        action=_OneMistake,
        type=_mistake,
        metavar="NAME",
        help="with --sandbox, make this mistake, one at a time: see below",
    )
    parser.add_argument(
        "--reading",
        dest="readings",
        action=AppendReading,
        default=[],
        metavar="NAME",
        help="with --sandbox, a reading of the documentation that the tenant follows; repeatable; "
        "./dev demo --list-readings lists them",
    )
    options = parser.parse_args(arguments)
    if options.mistake and not options.sandbox:
        parser.error("--break requires --sandbox")
    if options.readings and not options.sandbox:
        parser.error("--reading requires --sandbox")
    if options.yes and not options.send:
        parser.error("--yes requires --send")
    if options.minutes and not options.profile:
        parser.error("--minutes requires --profile")
    if options.profile and options.send:
        parser.error("--profile sends nothing and cannot be combined with --send")
    return options


class _OneMistake(argparse.Action):
    """Two mistakes can hide or undo each other."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if namespace.mistake:
            parser.error(f"--break makes one mistake at a time; choose {namespace.mistake} or {values}")
        namespace.mistake = values


def _mistake(text: str) -> str:
    if text not in BREAKS:
        raise argparse.ArgumentTypeError(f"there is no mistake {text}{nearest(text, BREAKS)}")
    return text


def _minutes(text: str) -> float:
    return number(text, "a number of minutes above 0 and up to 60", above=0.0, most=60.0)


def _seconds(text: str) -> float:
    return number(text, "a number of seconds, 0 or more", least=0.0)


def _file(text: str) -> Path:
    file = Path(text)
    if not file.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return file
