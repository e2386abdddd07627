"""A check against the sandbox, with a mistake or without."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sandbox.check.mistakes import MISTAKES, Mistake
from sandbox.check.trouble import TROUBLES
from sandbox.check.values import VARIABLES, Values
from sandbox.readings import Readings
from sandbox.server.server import Sandbox

BREAKS = dict(sorted({**MISTAKES, **TROUBLES}.items()))

_BACKLOG_EVENTS = 1200
_BACKLOG_SPAN_S = 3000.0
_EVENTS_PER_S = 5.0
# A machine's own proxy has no part in this.
_NO_PROXY = {"HTTPS_PROXY": "", "https_proxy": "", "ALL_PROXY": "", "all_proxy": "", "NO_PROXY": "", "no_proxy": ""}


@contextmanager
def rehearse(name: str | None, readings: Iterable[str] = ()) -> Iterator[Values]:
    """The values that a person would have typed, as long as the sandbox that they lead to is there.

    `name` is of a mistake, `readings` are of the tenant's.
    """
    chosen = Readings(readings)
    with Sandbox() as sandbox:
        chosen.set(sandbox.environment)
        sandbox.tenant.add_backlog(_BACKLOG_EVENTS, _BACKLOG_SPAN_S)
        sandbox.tenant.produce(chosen.events_per_second or _EVENTS_PER_S)
        chosen.begin(sandbox.environment)
        mistake = BREAKS[name].make(sandbox) if name else Mistake()
        given = {**right_values(sandbox), **mistake.fields}
        trust = {"REQUESTS_CA_BUNDLE": str(sandbox.ca_file), "CURL_CA_BUNDLE": ""}
        with _variables({**_NO_PROXY, **trust, **mistake.variables}):
            yield replace(Values.of(given), is_played=True)


def right_values(sandbox: Sandbox) -> dict[str, Any]:
    """What is right for that sandbox, by field."""
    identity = sandbox.tenant.identity_settings
    values = {
        "auth_base_url": sandbox.identity_url,
        "application_id": identity.application_id,
        "login_name": identity.login_name,
        "password": identity.password,
        "api_base_url": sandbox.audit_url,
        "api_key": sandbox.tenant.settings.api_key,
        "intake_key": sandbox.sekoia.settings.intake_key,
        "intake_server": sandbox.intake_url,
    }
    assert values.keys() == VARIABLES.keys()
    return values


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables meanwhile; an empty value takes one away."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
