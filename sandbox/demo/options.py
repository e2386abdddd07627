"""The options that the demo and the sandbox alone have in common."""

import argparse
import math
import shlex
import time
from pathlib import Path
from typing import Any, NoReturn

from sandbox.events.factory import SEQUENCE_BITS
from sandbox.faults import FAULTS
from sandbox.readings import Readings
from sandbox.server.server import Sandbox
from sandbox.tenant.replay import newest_time

BACKLOG_SPAN_SECONDS = 3000.0
"""Within the hour of history that a connector asks for at its first run."""

_SECONDS_AFTER_NEWEST = 5.0
_EVENTS_AT_MOST = (1 << SEQUENCE_BITS) // 2


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one sentence, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        sentence = f"{message[:1].upper()}{message[1:]}".rstrip(".")
        self.exit(2, f"{self.prog}: {sentence}. See {self.prog} --help.\n")


class AppendReading(argparse.Action):
    """One more reading of the documentation; those that exclude each other are a mistake."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        names = [*getattr(namespace, self.dest), values]
        try:
            Readings(names)
        except KeyError:
            parser.error(f"there is no reading {values}; ./dev demo --list-readings lists them")
        except ValueError as twice:
            parser.error(str(twice))
        setattr(namespace, self.dest, names)


def seconds(text: str) -> float:
    """A number of seconds above 0, as an argument's type."""
    return _number(text, above=0.0, what="seconds")


def add_options(parser: argparse.ArgumentParser, eps: float) -> None:
    parser.add_argument(
        "--backlog",
        type=_count,
        default=20_000,
        metavar="EVENTS",
        help="events of the last 50 minutes that exist at the start (default: %(default)s)",
    )
    parser.add_argument(
        "--eps", type=_rate, default=eps, help="new events a second during the run (default: %(default)s)"
    )
    parser.add_argument(
        "--events",
        type=_file,
        metavar="FILE",
        help="replay the events of a file of JSON lines instead of generated ones",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="NAME[=INTENSITY]",
        help="a fault to inject; repeatable; --list-faults lists them",
    )
    parser.add_argument(
        "--reading",
        action=AppendReading,
        default=[],
        metavar="NAME",
        help="a reading of the documentation that the tenant follows; repeatable; --list-readings lists them",
    )
    parser.add_argument("--list-readings", action="store_true", help="list the readings and exit")
    parser.add_argument("--list-faults", action="store_true", help="list the faults and exit")
    parser.add_argument("--seed", type=int, default=0, help="seed of the events and of everything random")


def describe_faults() -> str:
    width = max(map(len, FAULTS))
    return "\n".join(
        f"{fault.name:<{width}}  {fault.summary} (default {fault.intensity:g} {fault.unit})"
        for fault in FAULTS.values()
    )


def open_sandbox(options: argparse.Namespace) -> Sandbox:
    """Not entered yet. A file's events get a tenant that lives when they happened."""
    newest = newest_time(options.events) if options.events else None
    offset = 0.0 if newest is None else newest + _SECONDS_AFTER_NEWEST - time.time()
    return Sandbox(options.seed, offset)


def fill(sandbox: Sandbox, options: argparse.Namespace) -> int:
    """Put the events in, begin the faults of the services; returns how many events are there to catch up with."""
    tenant, readings = sandbox.tenant, Readings(options.reading)
    readings.set(sandbox.environment)
    if options.events:
        count = tenant.replay(options.events)
    else:
        count = options.backlog
        tenant.add_backlog(count, BACKLOG_SPAN_SECONDS)
        tenant.produce(max(options.eps, readings.events_per_second or 0.0))
    readings.begin(sandbox.environment)
    for name, intensity in options.fault:
        if FAULTS[name].scope == "services":
            sandbox.faults.add(name, intensity)
    return count


def how_to_look(sandbox: Sandbox, environment: dict[str, str]) -> str:
    """Where everything is, and what to set to be a client of it."""
    identity = sandbox.tenant.identity_settings
    facts = {
        "Identity": sandbox.identity_url,
        "Audit API": sandbox.audit_url,
        "Intake": sandbox.intake_url,
        "Platform": sandbox.platform_url,
        "CA file": sandbox.ca_file,
        "Application": identity.application_id,
        "Login name": identity.login_name,
        "Password": identity.password,
        "API key": sandbox.tenant.settings.api_key,
        "Intake key": sandbox.sekoia.settings.intake_key,
    }
    lines = [f"  {name:<12} {value}" for name, value in facts.items()]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return "\n".join([*lines, "", *exports])


def _fault(text: str) -> tuple[str, float]:
    name, equals, intensity = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"there is no fault {name}; --list-faults lists them")
    return name, _number(intensity, above=0.0, what=FAULTS[name].unit) if equals else FAULTS[name].intensity


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > _EVENTS_AT_MOST:
        raise argparse.ArgumentTypeError(f"{text} is not a number of events from 0 to {_EVENTS_AT_MOST}")
    return int(text)


def _rate(text: str) -> float:
    return _number(text, above=-1e-9, what="events a second")


def _number(text: str, above: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not above < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text or 'an empty value'} is not a number for {what}")
    return number


def _file(text: str) -> Path:
    file = Path(text)
    try:
        with file.open(encoding="utf-8") as lines:
            if any(line.strip() for line in lines):
                return file
        reason = "it contains no event"
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except OSError as error:
        reason = str(error.strerror).lower()
    raise argparse.ArgumentTypeError(f"{text} cannot be replayed: {reason}")
