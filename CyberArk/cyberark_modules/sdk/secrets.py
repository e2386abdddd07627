"""Keeping secrets out of every text that leaves the process: log lines, tracebacks, events of Sentry.

The SDK hands both configurations to Sentry (module.py:183), and Sentry adds the local variables of every frame.
"""

import json
import logging
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import sentry_sdk
from pydantic import SecretStr

MASK = "**********"
# A text may be cut in the middle of a token: this much of its beginning is enough to know it.
_BEGINNING, _REST = 24, r"[\w.~+/=%-]*"
# The forms' secrets come first and are kept; of access tokens, the last ones.
_OF_FORMS, _OF_TOKENS = 16, 24
_URL_SAFE = str.maketrans("+/", "-_")
_secrets: list[str] = []
_pattern = re.compile("(?!)")


def mask(*secrets: SecretStr | str) -> None:
    """Have those values masked from now on, as they are and as they travel; for HTTP Basic, `login:password` too."""
    global _pattern
    for secret in secrets:
        value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if value and value not in _secrets:
            _secrets.append(value)
            del _secrets[_OF_FORMS:-_OF_TOKENS]
    # The longest first: one may hold another.
    forms = sorted({form for value in _secrets for form in _forms(value)}, key=len, reverse=True)
    _pattern = re.compile(
        "|".join(re.escape(form[:_BEGINNING]) + _REST * (len(form) > _BEGINNING) for form in forms) or "(?!)"
    )


def masked(text: str) -> str:
    """Return the text without the secrets that are known."""
    return _pattern.sub(MASK, text)


def install_filters() -> None:
    """Mask what goes to Sentry, and what the handlers of the root logger write."""
    sentry_sdk.get_global_scope().add_event_processor(lambda event, _hint: _without_secrets(event))
    for handler in logging.getLogger().handlers:
        handler.addFilter(_mask_record)  # once, however often


def _forms(value: str) -> Iterator[str]:
    yield from (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (quote(value), quote(value, safe=""), quote_plus(value))
    raw = value.encode("utf-8", "surrogatepass")
    for before in range(3):  # within the Base64 of a longer text, it begins and ends anywhere in a group of characters
        encoded = b64encode(bytes(before) + raw).decode().rstrip("=")
        form = encoded[before and before + 1 : len(encoded) - bool((before + len(raw)) % 3)]
        if len(form) > 5:
            yield from (form, form.translate(_URL_SAFE))


def _mask_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = masked(record.getMessage()), ()
    if record.exc_info and not record.exc_text:
        record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
    return True


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_secrets(name): _without_secrets(item) for name, item in value.items() if name != "vars"}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return masked(value) if isinstance(value, str) else value
