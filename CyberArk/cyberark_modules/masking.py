"""Keeping secrets out of every text that leaves the process: log lines, errors, events of Sentry, the check."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

MASK = "**********"
# A text may be cut in the middle of a token: this much of its beginning is enough to know it.
_BEGINNING, _REST = 24, r"[\w.~+/=%-]*"
# The forms' secrets come first and are kept; of access tokens, the last ones.
_OF_FORMS, _OF_TOKENS = 16, 24
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


def _forms(value: str) -> Iterator[str]:
    yield from (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (quote(value), quote(value, safe=""), quote_plus(value))
    raw = value.encode("utf-8", "surrogatepass")
    for before in range(3):  # within the Base64 of a longer text, it begins and ends anywhere in a group of characters
        encoded = b64encode(bytes(before) + raw).decode().rstrip("=")
        form = encoded[before and before + 1 : len(encoded) - bool((before + len(raw)) % 3)]
        if len(form) > 5:
            yield from (form, form.translate(str.maketrans("+/", "-_")))
