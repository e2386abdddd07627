"""Keeping secrets out of what is reported to Sentry.

The SDK hands both configurations to Sentry, and Sentry adds the local variables of every frame of a traceback, where
requests hold their headers and bodies.
"""

from typing import Any

import sentry_sdk
from pydantic import SecretStr

_MASK = "**********"
_secrets: set[str] = set()
_installed = False


def guard(*secrets: SecretStr | str) -> None:
    """Have those values masked in everything that is reported from now on."""
    for secret in secrets:
        value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if value:
            _secrets.add(value)


def keep_secrets_from_sentry() -> None:
    """Install the filter, once a process."""
    global _installed
    if not _installed:
        sentry_sdk.get_global_scope().add_event_processor(_without_secrets)
        _installed = True


def _without_secrets(event: Any, _hint: Any) -> Any:
    return _masked(event)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {_masked(name): _masked(item) for name, item in value.items() if name != "vars"}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    if isinstance(value, str):
        for secret in _secrets:
            value = value.replace(secret, _MASK)
    return value
