"""The Audit API: queries, and the pages that their cursors lead to."""

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from math import ceil

from sandbox.ledger.ledger import RETENTION_SECONDS, Ledger
from sandbox.server.http import JSON_HEADERS, Request, Response, json_response
from sandbox.tenant.events import SEQUENCE_BITS, Kind
from sandbox.tenant.identity import Identity
from sandbox.tenant.index import EventIndex, first_key
from sandbox.tenant.query import BadRequest, Cursor, decode_cursor, encode_cursor, parse_query
from sandbox.tenant.settings import AuditSettings

CREATE_QUERY = "/api/audits/stream/createQuery"
RESULTS = "/api/audits/stream/results"


class AuditApi:
    """Answers as the API does, over one tenant's events."""

    def __init__(
        self,
        settings: AuditSettings,
        identity: Identity,
        index: EventIndex,
        ledger: Ledger,
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._identity = identity
        self._index = index
        self._ledger = ledger
        self._now = now
        self._last_query: float | None = None
        self._last_results: float | None = None
        self._last_call: float | None = None
        self._queries_opened = 0
        self._queries_refused = 0
        self._cursors_made = 0

    def answer(self, request: Request) -> Response:
        if request.method != "POST" or request.path not in (CREATE_QUERY, RESULTS):
            # What the API's gateway says of any path that it does not know.
            return json_response({"message": "Missing Authentication Token"}, 403)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._identity.accepts(token):
            return json_response({"message": "Unauthorized"}, 401)
        if request.headers.get("x-api-key") != self.settings.api_key:
            return json_response({"message": "Forbidden"}, 403)
        try:
            return self._open(request) if request.path == CREATE_QUERY else self._read(request)
        except BadRequest as refusal:
            return json_response({"message": str(refusal)}, 400)

    def use_up_the_minute(self) -> None:
        """Another integration of this tenant opens a query now."""
        self._last_query = self._now()

    def refuse_cursors(self) -> None:
        """Every cursor of a query opened until now is refused from now on."""
        self._queries_refused = self._queries_opened

    def _open(self, request: Request) -> Response:
        query = parse_query(request.body)
        now, spacing = self._now(), self.settings.query_spacing
        wait = max(
            _remaining(now, self._last_query, spacing), _remaining(now, self._last_call, self.settings.call_spacing)
        )
        self._ledger.query(accepted=wait <= 0, minimum_seconds=spacing)
        if wait > 0:
            return self._too_many(wait)
        self._last_query = self._last_call = now
        start = max(query.date_from, now - RETENTION_SECONDS)
        self._queries_opened += 1
        cursor = Cursor(query, self._queries_opened, first_key(int(start) * 1000), now)
        response = json_response({"cursorRef": self._next(cursor)})
        return replace(response, settle=lambda sent: None if sent else self._ledger.spoil_last_query())

    def _read(self, request: Request) -> Response:
        cursor = decode_cursor(request.body)
        now, settings = self._now(), self.settings
        wait = max(
            _remaining(now, self._last_results, settings.results_spacing),
            _remaining(now, self._last_call, settings.call_spacing),
        )
        if wait > 0:
            return self._too_many(wait)
        self._last_results = self._last_call = now
        expired = settings.cursor_lifetime is not None and now - cursor.opened_at > settings.cursor_lifetime
        if expired or cursor.number <= self._queries_refused:
            raise BadRequest("cursorRef is expired or invalid")
        return self._page(cursor, now)

    def _page(self, cursor: Cursor, now: float) -> Response:
        query, settings = cursor.query, self.settings
        oldest = first_key(int((now - RETENTION_SECONDS) * 1000))
        end = first_key((int(query.date_to) * 1000 if query.date_to is not None else 1 << 41) + 1)
        found = self._index.read(
            max(cursor.position, oldest),
            end,
            min(query.page_size, settings.page_limit),
            cursor.opened_at if settings.cursor_ceiling else now,
            self._filter(cursor),
        )
        if not found.pieces and settings.drained == "last-second":
            last_ms = cursor.position >> SEQUENCE_BITS
            second = first_key(last_ms - last_ms % 1000)
            found = self._index.read(second, cursor.position, query.page_size, now, self._filter(cursor))
            found = replace(found, position=cursor.position)
        if not found.pieces:
            return self._drained(cursor)
        following = json.dumps(self._next(replace(cursor, position=found.position))).encode()
        ending = b'],"paging":{"cursor":{"cursorRef":' + following + b"}}}"
        body = b"".join((b'{"data":[', *found.pieces, ending))
        return Response(200, JSON_HEADERS, body, delay=settings.page_latency)

    def _drained(self, cursor: Cursor) -> Response:
        shape = self.settings.drained
        reference = {"null-cursor": None, "same-cursor": cursor.text}.get(shape, self._next(cursor))
        content: dict[str, object] = {"data": None if shape == "null-data" else []}
        if shape != "no-paging":
            content["paging"] = {"cursor": {"cursorRef": reference}}
        return replace(json_response(content), delay=self.settings.page_latency)

    def _next(self, cursor: Cursor) -> str:
        """A cursor's text; made new each time, since nobody may rely on two of them being equal."""
        self._cursors_made += 1
        return encode_cursor(cursor, self._cursors_made)

    def _filter(self, cursor: Cursor) -> Callable[[Kind], bool] | None:
        wanted = cursor.query.wanted
        if not wanted:
            return None
        return lambda kind: all(getattr(kind, name) in values for name, values in wanted.items())

    def _too_many(self, wait: float) -> Response:
        seconds = ceil(wait)
        said = {
            "seconds": {"Retry-After": str(seconds)},
            "date": {"Retry-After": formatdate(self._now() + seconds, usegmt=True)},
            "absent": {},
        }[self.settings.retry_after]
        return json_response({"message": "Too Many Requests"}, 429, said)


def _remaining(now: float, last: float | None, spacing: float) -> float:
    return 0.0 if last is None else last + spacing - now
