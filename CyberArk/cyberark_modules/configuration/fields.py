"""How what a person types is cleaned, or fails validation with a sentence that says what to enter instead.

No sentence repeats the value: it may be a secret, or hold one.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

# White space, and what a copy from a page brings along unseen: zero-width spaces, direction marks, a byte order mark.
_BLANK = r"[\s\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
_EDGES = re.compile(rf"^{_BLANK}+|{_BLANK}+\Z")
# Scheme, user and password, host and port, and what follows.
_LABEL = "[a-z0-9_-]{1,63}"
_ADDRESS = re.compile(rf"(?:https?://)?(?:[^\s/?#@]*@)?({_LABEL}(?:\.{_LABEL})*(?::\d{{1,5}})?)(?:[/?#]\S*)?")
# The title and the description of each field, by its name, which is in one of the forms only.
FIELDS: dict[str, dict[str, str]] = {}
for _form, _part in (("manifest.json", "configuration"), ("connector_audit_logs.json", "arguments")):
    FIELDS |= json.loads((Path(__file__).parents[2] / _form).read_text("utf-8"))[_part]["properties"]


def address(value: object) -> str:
    """Return `https://host[:port]`. Raises ValueError when a text does not name a host.

    The published 1.0.0 took any address, `http://` and paths too, and what it ran with keeps running.
    """
    found = _ADDRESS.fullmatch(trim(value).lower())
    if found is None:
        raise ValueError("It does not name a host.")
    return f"https://{found[1]}"


def trim(value: object) -> str:
    """Return a text without the white space around it, "" for null; a form may have stored it as a number."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else "" if value is None else value
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError("Enter text.")
    return _EDGES.sub("", str(text))


def pasted_password(value: object) -> str:
    """Drop the line breaks around a password: they are pasted, never typed, unlike the spaces around it."""
    return value.strip("\r\n") if isinstance(value, str) else trim(value)


def entries(value: object) -> list[str]:
    """Clean a list; blank entries and repetitions are dropped."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list):
        raise ValueError("Enter a list.")
    return list(dict.fromkeys(text for entry in found if (text := trim(entry))))


def field_faults(model: type[BaseModel], values: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each field that fails validation, by the title that the form gives it."""
    try:
        model.model_validate(values)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False, include_input=False):
            field, limits = FIELDS[str(error["loc"][0])], error.get("ctx", {})
            sentence = {
                "value": f"{limits.get('error')} {field['description']}.",
                "missing": "It is missing.",
                "greater": f"It must be at least {limits.get('ge')}.",
                "less": f"It must be at most {limits.get('le')}.",
                "int": "It must be a whole number.",
            }.get(error["type"].partition("_")[0], f"Enter: {field['description']}.")
            yield f"“{field['title']}”: {sentence}"
