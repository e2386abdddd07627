"""Keeping secrets out of what is reported to Sentry.

The SDK hands both configurations to Sentry, and Sentry adds the local variables of every frame of a traceback, where
requests hold their headers and bodies.
"""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import sentry_sdk
from pydantic import SecretStr

MASK = "**********"
_masked_texts: set[str] = set()
_installed = False


def mask(*secrets: SecretStr | str) -> None:
    """Have those values masked in everything that is reported from now on, as they stand and as they travel."""
    for secret in secrets:
        value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if value:
            _masked_texts.update((value, json.dumps(value)[1:-1], quote(value), quote_plus(value)))


def install_sentry_filter() -> None:
    """Install the filter, once a process."""
    global _installed
    if not _installed:
        sentry_sdk.get_global_scope().add_event_processor(_filter)
        _installed = True


def _filter(event: Any, _hint: Any) -> Any:
    return _without_secrets(event)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_secrets(name): _without_secrets(item) for name, item in value.items() if name != "vars"}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        for secret in sorted(_masked_texts, key=len, reverse=True):  # one may hold another
            value = value.replace(secret, MASK)
    return value
