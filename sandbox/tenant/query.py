"""What clients of the Audit API send: queries, and cursors that hold a query and a position in it."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_FILTERS = {"applicationCode": "application", "auditType": "audit_type", "action": "action"}


class BadRequest(Exception):
    """What was sent is no query or no cursor: the API answers 400, or another status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Query:
    """Dates are in whole epoch seconds: fractions are ignored. `wanted` names what to include, by attribute.

    `is_sorted`: a sortModel was sent. `selected`: the fields asked for, none for those that every event has.
    """

    page_size: int
    date_from: int
    date_to: int | None = None
    wanted: dict[str, list[str]] = field(default_factory=dict)
    is_sorted: bool = False
    selected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cursor:
    """A position in a query, which is the tenant's `number`th and was opened at some time (epoch seconds).

    `skipped` is how much of what is hidden before the next event was scanned, `turn` how often the end was shown.
    `text` is what the cursor was read from.
    """

    query: Query
    number: int
    position: int
    opened_at: float
    skipped: int = 0
    turn: int = 0
    text: str = ""


def parse_query(body: bytes) -> Query:
    """Raises BadRequest."""
    query = _object(_object(_json(body)).get("query"))
    filters = _object(query.get("filterModel"))
    date = _object(filters.get("date"))
    size = query.get("pageSize")
    if type(size) is not int or size < 1:
        raise BadRequest("pageSize must be a positive integer")
    for order in query.get("sortModel") or []:
        if order.get("field_name") not in ("timestamp", "date") or order.get("direction") != "asc":
            raise BadRequest("sortModel is not supported")
    if unknown := filters.keys() - {"date", *_FILTERS}:
        raise BadRequest(f"unknown filter {sorted(unknown)[0]}")
    return Query(
        page_size=size,
        date_from=_seconds(date.get("dateFrom")),
        date_to=_seconds(date["dateTo"]) if date.get("dateTo") is not None else None,
        wanted={_FILTERS[name]: _included(terms) for name, terms in filters.items() if name in _FILTERS},
        is_sorted=bool(query.get("sortModel")),
        selected=_selected(query.get("selectedFields")),
    )


def encode_cursor(cursor: Cursor, nonce: int) -> str:
    query = cursor.query
    content = {
        "nonce": nonce,
        "query": cursor.number,
        "size": query.page_size,
        "from": query.date_from,
        "to": query.date_to,
        "wanted": query.wanted,
        "sorted": query.is_sorted,
        "selected": query.selected,
        "position": cursor.position,
        "opened": cursor.opened_at,
        "skipped": cursor.skipped,
        "turn": cursor.turn,
    }
    return base64.b64encode(json.dumps(content).encode()).decode()


def decode_cursor(body: bytes) -> Cursor:
    """Raises BadRequest."""
    text = _object(_json(body)).get("cursorRef")
    if not isinstance(text, str):
        raise BadRequest("cursorRef is missing")
    try:
        content = json.loads(base64.b64decode(text, validate=True))
        size, date_from, date_to = content["size"], content["from"], content["to"]
        query = Query(
            size, date_from, date_to, content["wanted"], content["sorted"], selected=tuple(content["selected"])
        )
        position, opened_at = content["position"], content["opened"]
        return Cursor(query, content["query"], position, opened_at, content["skipped"], content["turn"], text)
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise BadRequest("cursorRef is expired or invalid") from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise BadRequest("the body is not JSON") from None


def _object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise BadRequest("the query is malformed")
    return content


def _seconds(text: Any) -> int:
    try:
        date = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise BadRequest("a date is missing or malformed") from None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())


def _included(terms: Any) -> list[str]:
    try:
        if any(term["op"] != "include" for term in terms):
            raise BadRequest("only include is supported")
        included = [value for term in terms for value in term["params"]]
    except (TypeError, KeyError):
        raise BadRequest("a filter is malformed") from None
    if not included:
        raise BadRequest("a filter is empty")
    return included


def _selected(names: Any) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequest("selectedFields is malformed")
    return tuple(names)
