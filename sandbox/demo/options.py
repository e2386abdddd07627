"""The options that the demo and the sandbox alone have in common."""

import argparse
import difflib
import json
import math
import shlex
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from sandbox.events.factory import SEQUENCE_BITS
from sandbox.faults import FAULTS, GROUPS
from sandbox.readings import READINGS, Readings
from sandbox.server.server import Sandbox
from sandbox.tenant.replay import newest_time

BACKLOG_SPAN_SECONDS = 3000.0
"""Within the hour of history that a connector asks for at its first run."""

CLOCKS_APART_SECONDS = 120.0
"""From here on the connector warns that its clock and the tenant's differ."""

_SECONDS_AFTER_NEWEST = 5.0
_BACKLOG_EVENTS = 20_000
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
            parser.error(
                f"there is no reading {values}{nearest(values, READINGS)}; ./dev demo --list-readings lists them"
            )
        except ValueError as twice:
            parser.error(str(twice))
        setattr(namespace, self.dest, names)


def seconds(text: str) -> float:
    """A number of seconds above 0, as an argument's type."""
    return number(text, "a number of seconds above 0", above=0.0)


def number(
    text: str, what: str, *, above: float = -math.inf, least: float = -math.inf, most: float = math.inf
) -> float:
    """That number. Raises ArgumentTypeError, which says `what` it has to be."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (above < value < math.inf and least <= value <= most):
        raise argparse.ArgumentTypeError(f"{text or 'an empty value'} is not {what}")
    return value


def nearest(name: str, names: Iterable[str]) -> str:
    """A question after the name that was probably meant, for a sentence; nothing where none is near."""
    found = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def add_options(parser: argparse.ArgumentParser, eps: float) -> None:
    parser.add_argument(
        "--backlog",
        type=_count,
        metavar="EVENTS",
        help=f"events of the last 50 minutes that exist at the start (default: {_BACKLOG_EVENTS})",
    )
    parser.add_argument("--eps", type=_rate, help=f"new events a second during the run (default: {eps:g})")
    parser.add_argument(
        "--events",
        type=_file,
        metavar="FILE",
        help="replay the events of a file instead of generated ones: JSON lines, one event (a JSON object) a line, "
        "at its `timestamp` (milliseconds since 1970); the sandbox's clock begins at the newest of them, so that the "
        "connector warns that clocks differ if the file is old",
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
    parser.add_argument("--seed", type=_whole, default=0, help="seed of the events and of everything random")
    parser.set_defaults(default_eps=eps)


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exits with 2 and one sentence when they exclude each other; fills in what was not given."""
    for name in ("backlog", "eps"):
        if options.events and getattr(options, name) is not None:
            parser.error(f"--{name} generates events and cannot be combined with --events, which replays a file")
    options.backlog = _BACKLOG_EVENTS if options.backlog is None else options.backlog
    options.eps = options.default_eps if options.eps is None else options.eps


def describe_faults() -> str:
    """The faults, under the headings of what they act on."""
    width = max(map(len, FAULTS))
    lines = ["Faults for --fault NAME or NAME=INTENSITY:"]
    for heading, group in GROUPS.items():
        lines += ["", heading]
        lines += [
            f"  {fault.name:<{width}}  {fault.summary} (default {fault.intensity:g} {fault.unit})" for fault in group
        ]
    return "\n".join(lines)


def open_sandbox(options: argparse.Namespace) -> Sandbox:
    """Not entered yet. A file's events get a tenant that lives when they happened."""
    newest = newest_time(options.events) if options.events else None
    offset = 0.0 if newest is None else newest + _SECONDS_AFTER_NEWEST - time.time()
    if abs(offset) >= CLOCKS_APART_SECONDS and newest is not None:
        print(
            f"The newest event of the file is of {datetime.fromtimestamp(newest, UTC):%Y-%m-%d %H:%M:%S} UTC.\n"
            "The clock of the simulated CyberArk begins there: expect a warning of the\n"
            "connector that its clock differs.",
            flush=True,
        )
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
    use = [
        "With these variables, `main.py connector_audit_logs` in CyberArk/ runs with the",
        "Python of .venv. It gets the password, which is masked here, from URL_SECRETS:",
    ]
    return "\n".join([*lines, "", *use, "", *exports])


def _fault(text: str) -> tuple[str, float]:
    name, equals, intensity = text.partition("=")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"there is no fault {name}{nearest(name, FAULTS)}; --list-faults lists them")
    fault = FAULTS[name]
    if not equals:
        return name, fault.intensity
    least, most = fault.range
    limits = (
        f"from {least:g} to {most:g}" if least else f"above 0 and up to {most:g}" if most < math.inf else "above 0"
    )
    try:
        return name, number(intensity, f"a number {limits}", above=0.0, least=least, most=most)
    except argparse.ArgumentTypeError as wrong:
        raise argparse.ArgumentTypeError(f"{text} has no usable intensity ({fault.unit}): {wrong}") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > _EVENTS_AT_MOST:
        raise argparse.ArgumentTypeError(
            f"{text or 'an empty value'} is not a whole number of events from 0 to {_EVENTS_AT_MOST}"
        )
    return int(text)


def _rate(text: str) -> float:
    return number(text, "a number of events a second, 0 or more", least=0.0)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text or 'an empty value'} is not a whole number") from None


def _file(text: str) -> Path:
    file = Path(text)
    try:
        _check_events(file)
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except OSError as error:
        reason = str(error.strerror).lower()
    else:
        return file
    raise argparse.ArgumentTypeError(f"{text} cannot be replayed: {reason}")


def _check_events(file: Path) -> None:
    """Raises ArgumentTypeError unless it holds JSON lines."""
    is_empty = True
    with file.open(encoding="utf-8") as lines:
        for place, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if is_empty and line.lstrip().startswith("["):
                raise argparse.ArgumentTypeError(
                    f"{file} is a JSON array; the file must hold JSON lines, one event on each line: "
                    f"jq -c '.[]' {shlex.quote(str(file))} writes them"
                )
            is_empty = False
            if not _is_object(line):
                raise argparse.ArgumentTypeError(
                    f"{file} line {place} is not a JSON object; the file must hold JSON lines, one event on each line"
                )
    if is_empty:
        raise argparse.ArgumentTypeError(f"{file} cannot be replayed: it contains no event")


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line, strict=False), dict)
    except (ValueError, RecursionError):
        return False
