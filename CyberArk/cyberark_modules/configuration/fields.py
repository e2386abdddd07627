"""How what a person types is cleaned, or refused with a sentence that says what to give instead.

Every kind of input is said once, for the code and for the form: its pattern or limits also go to the JSON Schema, so
that the form refuses what the code refuses. The patterns keep to the syntax that Python and ECMAScript read alike.
No sentence repeats the value: it may be a secret, or hold one.
"""

import re
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticUseDefault, core_schema

# White space, and what a copy from a page brings along unseen: zero-width spaces, direction marks, a byte order mark.
BLANK = r"\s\u200b-\u200f\u202a-\u202e\u2060\ufeff"
EDGES = re.compile(rf"^[{BLANK}]+|[{BLANK}]+\Z")

# Host names as in RFC 1123 (labels of 63, 253 in all, the last one not numeric), IPv4 addresses, ports 1 to 65535.
_TOO_LONG = r"(?![A-Za-z0-9.-]{254}|[A-Za-z0-9.-]*[A-Za-z0-9-]{64})"
_LABELS = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_IPV4 = r"(?:(?:25[0-5]|(?:2[0-4]|1[0-9]|[1-9])?[0-9])(?:\.(?=[0-9])|(?![0-9.]))){4}"
_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_ADDRESS = rf"(?:[Hh][Tt][Tt][Pp][Ss]://)?({_TOO_LONG}(?:{_LABELS}|{_IPV4})(?::{_PORT})?)/*"

ADDRESS_PATTERN = rf"^[{BLANK}]*{_ADDRESS}[{BLANK}]*$"
OPTIONAL_ADDRESS_PATTERN = rf"^[{BLANK}]*(?:{_ADDRESS})?[{BLANK}]*$"
NAME_PATTERN = rf"^[{BLANK}]*([^{BLANK}]+(?: +[^{BLANK}]+)*)[{BLANK}]*$"
PATH_SEGMENT_PATTERN = rf"^[{BLANK}]*([^/?#\\{BLANK}]+(?: +[^/?#\\{BLANK}]+)*)[{BLANK}]*$"
KEY_PATTERN = rf"^[{BLANK}]*([!-~]+)[{BLANK}]*$"


@dataclass(frozen=True)
class Text:
    """A text of which the first group of `pattern` is kept; any other is refused with `advice`."""

    pattern: str
    advice: str

    def clean(self, value: object) -> str | None:
        text = _text_of(value)
        match = None if text is None else re.fullmatch(self.pattern, text)
        if match is None:
            raise PydanticCustomError("text", f"{self.fault(EDGES.sub('', text or ''))} {self.advice}")
        return self.kept(match)

    def kept(self, match: re.Match[str]) -> str | None:
        return match[1]

    def fault(self, text: str) -> str:
        return "It holds something that does not belong there." if text else "It is empty."

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.clean, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.pattern}


@dataclass(frozen=True)
class Address(Text):
    """The address of a server, cleaned into `https://host[:port]`, or None if the pattern takes an empty one."""

    def kept(self, match: re.Match[str]) -> str | None:
        return f"https://{match[1].lower()}" if match[1] else None

    def fault(self, text: str) -> str:
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
        rest = text[scheme.end() :] if scheme else text
        authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
        if not text:
            return "The address is missing."
        if scheme and scheme[1].lower() != "https":
            return "The address must begin with https://, because credentials are sent to it."
        if "@" in authority:
            return "The address must not hold a user name or a password."
        if authority and rest.rstrip("/") != authority:
            return "The address must end with the name of the host: no path, and nothing after a ? or a #."
        return "The address does not name a host that can exist."


@dataclass(frozen=True)
class WholeNumber:
    """A whole number from `least` to `greatest`, which a form may have stored as a text; the default if empty."""

    least: int
    greatest: int

    def clean(self, value: object) -> int:
        number = _number_of(value)
        if number is None or not self.least <= number <= self.greatest:
            raise PydanticCustomError("number", f"Give a whole number from {self.least} to {self.greatest}.")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.clean)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self.least, "maximum": self.greatest}


class AdjustedNumber(int):
    """A number brought within its limits; `asked` is the one that was given."""

    asked: int


@dataclass(frozen=True)
class NearestWholeNumber(WholeNumber):
    """A whole number that is brought to the nearest limit, as an `AdjustedNumber`, instead of being refused."""

    def clean(self, value: object) -> int:
        asked = _number_of(value)
        if asked is None:
            return super().clean(value)
        nearest = AdjustedNumber(min(max(asked, self.least), self.greatest))
        nearest.asked = asked
        return asked if nearest == asked else nearest


def password(value: object) -> object:
    """Drop the line breaks around a password: they are pasted, never typed, unlike the spaces around it."""
    return "" if value is None else value.strip("\r\n") if isinstance(value, str) else value


def entries(value: object) -> list[str]:
    """Clean a list: null or a comma-separated text will do, blank entries and repetitions go."""
    found = re.split(r"[,\r\n]", value) if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(entry is None or isinstance(entry, str) for entry in found):
        raise PydanticCustomError("entries", "Give a list of texts, one value in each.")
    return list(dict.fromkeys(text for entry in found if (text := EDGES.sub("", entry or ""))))


def codes(value: object) -> list[str]:
    """Clean a list of codes: no code holds a comma, so several typed into one box are several."""
    return entries(",".join(entries(value)))


def draw_form(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Turn the JSON Schema that Pydantic derives from a model into the form that the platform draws.

    The fields keep the model's order. A person has to give every secret, even one that the stored configuration may
    lack because the platform hands it over later.
    """
    boxes = {name: schema["properties"][name] for name in get_annotations(model)}
    secrets = [name for name, box in boxes.items() if box.pop("writeOnly", False)]
    for name, box in boxes.items():
        box.pop("format", None)
        if name in secrets or box.get("default", "") is None:
            box.pop("default", None)
        if box.pop("anyOf", None):
            # One box that may stay blank, instead of a choice between a text and null.
            box["type"] = "string"
    schema.pop("description", None)
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    schema["properties"] = boxes
    schema["required"] = [name for name in boxes if name in secrets or model.model_fields[name].is_required()]
    schema["secrets"] = secrets


def _text_of(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else value if isinstance(value, str) else None


def _number_of(value: object) -> int | None:
    if value is None or (isinstance(value, str) and not EDGES.sub("", value)):
        raise PydanticUseDefault
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", text := EDGES.sub("", value)):
        return int(text)
    if not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        return int(value)
    return None
