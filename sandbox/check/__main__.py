"""`./dev check`: try the credentials of a tenant, link by link, before anything is created in Sekoia."""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from sandbox import MODULE
from sandbox.check.chain import Chain
from sandbox.check.minute import Minute
from sandbox.check.options import parse
from sandbox.check.profile.command import profile
from sandbox.check.profile.plan import TEN_MINUTES_S
from sandbox.check.rehearsal import rehearse
from sandbox.check.screen import Screen
from sandbox.check.values import Refused, Values, ask_in_terminal, gather

_MANIFEST = MODULE / "manifest.json"
_GUIDE = "The manual, docs/manual.md, explains each step of the guide."
_SANDBOX_VALUES = "These values are the sandbox's. With a real tenant, yours are shown here, for the forms of Sekoia:"


def main(arguments: list[str], console: Console) -> int:
    """Return 0 when everything was tried and holds, 1 when something is wrong, 3 when something was not tried.

    2 is for a value that is missing or cannot be used.
    """
    options = parse(arguments)
    # What the libraries log is not for this screen.
    logging.getLogger().addHandler(logging.NullHandler())
    screen = Screen(console)
    try:
        with _values(options, screen) as values:
            return (_profile if options.profile else _check)(values, options, screen)
    except Refused as refused:
        screen.say(f"{refused}. See --help.", "red")
        return 2
    except KeyboardInterrupt:
        screen.say("\nInterrupted; the check has changed nothing.")
        return 130


def _check(values: Values, options: argparse.Namespace, screen: Screen) -> int:
    send = values.has_intake and (options.sandbox or (options.send and _may_send(options)))
    screen.say(
        "Each link is tried as the connector will use it. One query is opened: the tenant accepts one a minute.\n"
    )
    version = json.loads(_MANIFEST.read_text())["version"]
    minute = Minute(values.connector.api_base_url, options.state)
    chain = Chain(values, version, minute, send=send, watch_s=options.watch)
    outcomes = []
    for outcome in chain.walk(chain.links(), screen.working):
        screen.show(outcome)
        outcomes.append(outcome)
    states = {outcome.state for outcome in outcomes}
    summary = "Paste these values into the forms of Sekoia:"
    if "wrong" in states:
        screen.say(f"\nFix what is marked ✗, then check again. {_GUIDE}")
        return 1
    if "untried" in states:
        untried = ", ".join(outcome.title for outcome in outcomes if outcome.state == "untried")
        screen.say(f"\nWhat was tried is right. Not tried: {untried}; the lines above say how to try it.")
        summary = "These are the values for the forms of Sekoia:"
    elif "odd" in states:
        screen.say("\nEverything was tried. Look at what is marked ! first.")
    else:
        screen.say("\nEverything was tried and is right.")
    screen.say(_SANDBOX_VALUES if values.is_played else summary)
    screen.form(values.form())
    return 3 if "untried" in states else 0


def _profile(values: Values, options: argparse.Namespace, screen: Screen) -> int:
    seconds = options.minutes * 60 if options.minutes else TEN_MINUTES_S
    screen.say(
        f"The profile asks CyberArk Audit for about {seconds / 60:g} minutes and sends nothing to Sekoia. It uses\n"
        "the query of each minute: a connector on this tenant falls behind meanwhile. Press Ctrl+C to end it early.\n"
    )
    version = json.loads(_MANIFEST.read_text())["version"]
    minute = Minute(values.connector.api_base_url)
    chain = Chain(values, version, minute, send=False, watch_s=0)
    outcomes = []
    for outcome in chain.walk(chain.access(), screen.working):
        outcomes.append(outcome)
        screen.show(outcome)
    if any(outcome.state == "wrong" for outcome in outcomes):
        screen.say(f"\nFix what is marked ✗, then try again. {_GUIDE}")
        return 1
    return profile(values, chain, minute, version, seconds, screen)


def _may_send(options: argparse.Namespace) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise Refused("--send asks for confirmation, and there is no terminal to ask in: add --yes")
    answer = ask_in_terminal("Send one test event, marked as such, to the intake? [y/N] ", False)
    return answer.strip().lower() in ("y", "yes")


@contextmanager
def _values(options: argparse.Namespace, screen: Screen) -> Iterator[Values]:
    if options.sandbox:
        with rehearse(options.mistake, options.readings) as values:
            yield values
    else:
        yield gather(ask_in_terminal if sys.stdin.isatty() else None, screen.say)


def _interrupt(number: int, frame: object) -> None:
    """The first interrupt ends the check in order, the next one ends the process at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(main(sys.argv[1:], Console()))
