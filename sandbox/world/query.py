"""What clients of the Audit API send: queries, and cursors that hold a query and a position in it."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


class BadRequest(Exception):
    """What was sent is not a query or not a cursor: the API answers 400, or another status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Query:
    """A query. Dates are in whole epoch seconds: fractions are ignored."""

    page_size: int
    date_from: int
    date_to: int | None = None
    is_sorted: bool = False


@dataclass(frozen=True)
class Cursor:
    """A position in the tenant's query `number`, which was opened at some time (epoch s).

    `skipped`: how many empty pages before the next event were returned. `turn`: how often the end was.
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
    """Read the body of a createQuery. Raises BadRequest."""
    query = _object(_object(_json(body)).get("query"))
    filters = _object(query.get("filterModel"))
    date, size = _object(filters.get("date")), query.get("pageSize")
    if type(size) is not int or size < 1:
        raise BadRequest("pageSize must be a positive integer")
    for order in query.get("sortModel") or []:
        if order.get("field_name") not in ("timestamp", "date") or order.get("direction") != "asc":
            raise BadRequest("sortModel is not supported")
    if filters.keys() != {"date"}:
        raise BadRequest("the sandbox filters by date only")
    return Query(
        size,
        _seconds(date.get("dateFrom")),
        None if date.get("dateTo") is None else _seconds(date["dateTo"]),
        bool(query.get("sortModel")),
    )


def encode_cursor(cursor: Cursor, nonce: int) -> str:
    """Return a cursor's text; the nonce makes each one differ, since nobody may rely on two being equal."""
    query = cursor.query
    part = [query.page_size, query.date_from, query.date_to, query.is_sorted]
    content = {
        "nonce": nonce,
        "query": part,
        "number": cursor.number,
        "currentPosition": cursor.position,
        "opened": cursor.opened_at,
        "skipped": cursor.skipped,
        "turn": cursor.turn,
    }
    return base64.b64encode(json.dumps(content).encode()).decode()


def decode_cursor(body: bytes) -> Cursor:
    """Read the body of a `results`. Raises BadRequest."""
    text = str(_object(_json(body)).get("cursorRef"))
    try:
        content = json.loads(base64.b64decode(text, validate=True))
        query, position, opened_at = Query(*content["query"]), content["currentPosition"], content["opened"]
        return Cursor(query, content["number"], position, opened_at, content["skipped"], content["turn"], text)
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
