"""How what a person types is cleaned, or refused with a sentence that says what to enter instead.

The patterns of the forms are short and more lenient than this code: a form shows its raw pattern, while the account
validator and the connector show these sentences. No sentence repeats the value: it may be a secret, or hold one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticCustomError, PydanticUseDefault

# White space, and what a copy from a page brings along unseen: zero-width spaces, direction marks, a byte order mark.
_BLANK = r"[\s\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
EDGES = re.compile(rf"^{_BLANK}+|{_BLANK}+\Z")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")

# For the forms: a host name with a dot in it, with or without https:// and a port, and no path.
ADDRESS_PATTERN = r"^\W*(https://)?[\w.-]+\.[\w-]+(:\d+)?\W*$"
OPTIONAL_ADDRESS_PATTERN = r"^\W*((https://)?[\w.-]+\.[\w-]+(:\d+)?)?\W*$"
NO_SLASH_PATTERN = r"^[^/]+$"


@dataclass(frozen=True)
class Text:
    """A validator: a text of which nothing but white space around it is dropped, and that matches `pattern` whole."""

    pattern: str
    advice: str

    def __call__(self, value: object) -> str:
        """Return the cleaned text."""
        text = trim(value)
        if not re.fullmatch(self.pattern, text):
            fault = "It contains a character that is not allowed." if text else "It is empty."
            raise PydanticCustomError("text", f"{fault} {self.advice}")
        return text


@dataclass(frozen=True)
class Address:
    """A validator: the address of a server, cleaned into `https://host[:port]`; None if it is `optional` and empty."""

    advice: str
    optional: bool = False

    def __call__(self, value: object) -> str | None:
        """Return the cleaned address."""
        text = trim(value)
        if not text and self.optional:
            return None
        try:
            parts = urlsplit(text if "://" in text else f"https://{text}")
            host, port = parts.hostname or "", parts.port
        except ValueError:  # brackets, or a port beyond 65535
            raise self._refused("The address does not name a valid host.") from None
        if not text:
            raise self._refused("The address is missing.")
        if parts.scheme != "https":
            raise self._refused("The address must begin with https://, because credentials are sent to it.")
        if "@" in parts.netloc:
            raise self._refused("The address must not contain a user name or a password.")
        # The library drops line breaks inside an address.
        if not _HOST.fullmatch(host) or re.search(r"\s", text) or port == 0:
            raise self._refused("The address does not name a valid host.")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise self._refused("The address must end with the host name: no path, no query (?) and no fragment (#).")
        return f"https://{host}" if port is None else f"https://{host}:{port}"

    def _refused(self, fault: str) -> PydanticCustomError:
        return PydanticCustomError("address", f"{fault} {self.advice}")


def trim(value: object) -> str:
    """Return a text without the white space around it, "" for null."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else "" if value is None else value
    if not isinstance(text, str):
        raise PydanticCustomError("text", "Enter text.")
    return EDGES.sub("", text)


def number(value: object) -> object:
    """Clean a number, which a form may have stored as a text. An empty field is the default."""
    value = trim(value) if isinstance(value, str) else value
    if value is None or value == "":
        raise PydanticUseDefault
    return value


def password(value: object) -> object:
    """Drop the line breaks around a password: they are pasted, never typed, unlike the spaces around it."""
    return "" if value is None else value.strip("\r\n") if isinstance(value, str) else value


def entries(value: object) -> Sequence[str]:
    """Clean a list: null and a comma-separated text are accepted, blank entries and repetitions are dropped."""
    found = re.split(r"[,\r\n]", value) if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(entry is None or isinstance(entry, str) for entry in found):
        raise PydanticCustomError("entries", "Enter a list, with one value per entry.")
    return list(dict.fromkeys(text for entry in found if (text := trim(entry))))


def codes(value: object) -> Sequence[str]:
    """Clean a list of codes: no code contains a comma, so several in one entry are several."""
    return entries(",".join(entries(value)))


def draw_form(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Turn the JSON Schema that Pydantic derives from a model into the form that the platform draws.

    The fields keep the model's order. A person has to enter every secret, even one that the stored configuration may
    lack because the platform hands it over later.
    """
    boxes = {name: schema["properties"][name] for name in get_annotations(model) if name in model.model_fields}
    secrets = [name for name, box in boxes.items() if box.pop("writeOnly", False)]
    for name, box in boxes.items():
        box.pop("format", None)
        if name in secrets or box.get("default", "") is None:
            box.pop("default", None)
        if box.pop("anyOf", None):
            # One box that may stay empty, instead of a choice between a text and null.
            box["type"] = "string"
    schema.pop("description", None)
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    schema["properties"] = boxes
    schema["required"] = [name for name in boxes if name in secrets or model.model_fields[name].is_required()]
    schema["secrets"] = secrets
