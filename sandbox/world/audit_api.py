"""The Audit API: queries, and the pages that their cursors lead to."""

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from math import ceil, inf

from sandbox.world.identity import Identity
from sandbox.world.index import EventIndex
from sandbox.world.ledger import RETENTION_S, Ledger
from sandbox.world.messages import JSON_HEADERS, Request, Response, json_response
from sandbox.world.pages import Pages
from sandbox.world.query import BadRequest, Cursor, decode_cursor, encode_cursor, parse_query
from sandbox.world.settings import AuditSettings, PageFailure

CREATE_QUERY = "/api/audits/stream/createQuery"
RESULTS = "/api/audits/stream/results"


class AuditApi:
    """Answers as the API does, over one tenant's events."""

    def __init__(
        self, settings: AuditSettings, identity: Identity, index: EventIndex, ledger: Ledger, now: Callable[[], float]
    ) -> None:
        self.settings = settings
        self.failing: dict[int, tuple[PageFailure, float]] = {}  # by event: how its pages fail, until when
        self._identity = identity
        self._index = index
        self._ledger = ledger
        self._now = now
        self._pages = Pages(index, settings)
        self._last_query = self._last_results = self._last_call = -inf
        self._queries_opened = self._queries_refused = 0
        self._cursors_made = self._calls = 0
        self._in_flight: list[float] = []
        self._rival_due: float | None = None

    def answer(self, request: Request) -> Response:
        """Answer a request as the API's gateway and the API do."""
        settings, now = self.settings, self._now()
        if request.method != "POST" or request.path not in (CREATE_QUERY, RESULTS):
            return json_response({"message": "Missing Authentication Token"}, 403)
        self._calls += 1
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        unknown = scheme.lower() != "bearer" or not self._identity.accepts(token, now - settings.token_known_after_s)
        if unknown or (settings.nodes > 1 and self._calls % settings.nodes == 0):
            return json_response({"message": "Unauthorized"}, 401)
        if request.headers.get("x-api-key") != settings.api_key:
            return json_response({"message": "Forbidden"}, 403)
        try:
            return self._open(request, now) if request.path == CREATE_QUERY else self._read(request, now)
        except BadRequest as refusal:
            return json_response({"message": str(refusal)}, refusal.status)

    def use_up_the_minute(self) -> None:
        """Open a query in the name of another integration of this tenant."""
        self._last_query = self._now()

    def refuse_cursors(self) -> None:
        """Refuse every cursor of a query opened until now, from now on."""
        self._queries_refused = self._queries_opened

    def _open(self, request: Request, now: float) -> Response:
        settings, query = self.settings, parse_query(request.body)
        if query.page_size > settings.page_limit:
            raise BadRequest(f"pageSize must not exceed {settings.page_limit}")
        if settings.refuses_sort and query.is_sorted:
            raise BadRequest("sortModel is not supported")
        if settings.refuses_week and query.date_from <= now - RETENTION_S:
            raise BadRequest("dateFrom must be within the last 7 days")
        self._let_rival_open(now)
        wait = max(self._last_query + settings.query_spacing_s, self._last_call + settings.call_spacing_s) - now
        self._ledger.query(wait <= 0, settings.query_spacing_s)
        if wait > 0:
            return self._too_many(wait, now)
        self._last_query = self._last_call = now
        self._queries_opened += 1
        cursor = Cursor(query, self._queries_opened, self._pages.start(query, now), now)
        response = json_response({"cursorRef": self._text(cursor)})
        forgive = self._ledger.forgive_last_query
        return replace(response, delay=settings.query_latency_s, settle=lambda sent: None if sent else forgive())

    def _let_rival_open(self, now: float) -> None:
        """Catch up on the queries of another integration, which takes the minute as soon as it is free."""
        settings = self.settings
        if settings.rival_s is None:
            self._rival_due = None
            return
        due = now if self._rival_due is None else self._rival_due
        while (opens_at := max(due, self._last_query + settings.query_spacing_s)) <= now:
            self._last_query = opens_at
            due = opens_at + settings.rival_s
        self._rival_due = due

    def _read(self, request: Request, now: float) -> Response:
        settings, cursor = self.settings, decode_cursor(request.body)
        wait = max(self._last_results + settings.results_spacing_s, self._last_call + settings.call_spacing_s) - now
        self._in_flight = [end for end in self._in_flight if end > now]
        if settings.pages_at_once is not None and len(self._in_flight) >= settings.pages_at_once:
            wait = max(wait, self._in_flight[0] - now)
        if wait > 0:
            return self._too_many(wait, now)
        self._last_results = self._last_call = now
        lifetime = settings.cursor_lifetime_s
        if (lifetime is not None and now - cursor.opened_at > lifetime) or cursor.number <= self._queries_refused:
            raise BadRequest("cursorRef is expired or invalid", settings.cursor_refusal)
        self._in_flight.append(now + settings.page_latency_s)
        return replace(self._page(cursor, now), delay=settings.page_latency_s)

    def _page(self, cursor: Cursor, now: float) -> Response:
        found = self._pages.read(cursor, now)
        if found.is_end and self.settings.end in ("last-page", "rotation"):
            found = self._pages.again(cursor, now)
        if found.is_end:
            return self._end(cursor)
        if self.failing and (failure := self._failure(found.sequences, now)) is not None:
            return failure
        data = ",".join(map(self._index.text, found.sequences)).encode("utf-8", "surrogatepass")
        following = replace(cursor, position=found.position, skipped=found.skipped, turn=found.turn)
        paging = json.dumps({"cursor": {"cursorRef": self._text(following)}}).encode()
        return Response(200, JSON_HEADERS, b'{"data":[' + data + b'],"paging":' + paging + b"}")

    def _failure(self, sequences: list[int], now: float) -> Response | None:
        for sequence in sequences:
            how, until = self.failing.get(sequence, ("500", now))
            if now >= until:
                continue
            if how == "reset" or how == "hang":
                return Response(ending=how)
            return self._too_many(1, now) if how == "429" else json_response({"message": "failure"}, int(how))
        return None

    def _end(self, cursor: Cursor) -> Response:
        shape = self.settings.end
        if shape == "204":
            return Response(204)
        reference = None if shape == "null-cursor" else cursor.text if shape == "same-cursor" else self._text(cursor)
        content: dict[str, object] = {"data": None if shape == "null-data" else []}
        if shape != "no-paging":
            content["paging"] = {"cursor": {"cursorRef": reference}}
        return json_response(content)

    def _text(self, cursor: Cursor) -> str:
        self._cursors_made += 1
        return encode_cursor(cursor, self._cursors_made)

    def _too_many(self, wait: float, now: float) -> Response:
        return too_many(ceil(wait), now, self.settings.retry_after)


def too_many(seconds: int, now: float, form: str) -> Response:
    """Return a 429 whose Retry-After is in seconds, a date, or absent."""
    headers = {"seconds": str(seconds), "date": formatdate(now + seconds, usegmt=True)}
    said = {"Retry-After": headers[form]} if form in headers else {}
    return json_response({"message": "Too Many Requests"}, 429, said)
