"""`./dev check`: try the credentials of a tenant, link by link, before anything is created in Sekoia."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from sandbox import MODULE
from sandbox.check.chain import Chain
from sandbox.check.rehearsal import BREAKS, rehearse
from sandbox.check.screen import Screen
from sandbox.check.values import VARIABLES, Refused, Values, ask_in_terminal, gather, title_of

_MANIFEST = MODULE / "manifest.json"
_WATCH_S = 15.0


def main(arguments: list[str], console: Console) -> int:
    """Return 0 when every link holds, 1 when one does not, 2 when a value is missing or cannot be used."""
    options = _options(arguments)
    # What the libraries log is not for this screen.
    logging.getLogger().addHandler(logging.NullHandler())
    screen = Screen(console)
    try:
        with _values(options, screen) as values:
            return _check(values, options, screen)
    except Refused as refused:
        screen.say(f"{refused}. See --help.", "red")
        return 2
    except KeyboardInterrupt:
        screen.say("\nInterrupted; nothing was changed anywhere.")
        return 130


def _check(values: Values, options: argparse.Namespace, screen: Screen) -> int:
    screen.say(
        "Each link is tried as the connector will use it. One query is opened: the tenant takes one a minute.\n"
    )
    version = json.loads(_MANIFEST.read_text())["version"]
    send = options.send or options.sandbox
    outcomes = []
    for outcome in Chain(values, version, send=send, watch_s=options.watch).walk(screen.working):
        screen.show(outcome)
        outcomes.append(outcome)
    if any(outcome.state == "bad" for outcome in outcomes):
        screen.say("\nMend what is marked ✗ and check again. The manual is docs/manual.md.")
        return 1
    screen.say("\nEverything holds. Paste these values in the forms of Sekoia:")
    screen.form(values.form())
    return 0


@contextmanager
def _values(options: argparse.Namespace, screen: Screen) -> Iterator[Values]:
    if options.sandbox:
        with rehearse(options.mistake) as values:
            yield values
    else:
        yield gather(ask_in_terminal if sys.stdin.isatty() else None, screen.say)


def _options(arguments: list[str]) -> argparse.Namespace:
    width = max(map(len, (*VARIABLES.values(), *BREAKS)))
    variables = "\n".join(f"  {variable:<{width}}  {title_of(name)}" for name, variable in VARIABLES.items())
    breaks = "\n".join(f"  {name:<{width}}  {kind.summary}" for name, kind in BREAKS.items())
    parser = argparse.ArgumentParser(
        prog="dev check",
        description="Try the credentials of a tenant, link by link, before anything is created in Sekoia.",
        epilog=f"What is not in these variables is asked for:\n{variables}\n\nmistakes for --break:\n{breaks}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--send", action="store_true", help="send one test event to the intake, marked as such")
    parser.add_argument(
        "--watch",
        type=float,
        default=_WATCH_S,
        metavar="SECONDS",
        help="how long to watch for events that come in (default: %(default)g)",
    )
    parser.add_argument("--sandbox", action="store_true", help="try a tenant that is played on this machine")
    parser.add_argument(
        "--break", dest="mistake", choices=BREAKS, metavar="NAME", help="with --sandbox, make this mistake: see below"
    )
    options = parser.parse_args(arguments)
    if options.mistake and not options.sandbox:
        parser.error("--break goes with --sandbox")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console()))
