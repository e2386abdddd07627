"""The Audit API: queries, and the pages that their cursors lead to."""

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from math import ceil, inf

from sandbox.events.index import EventIndex
from sandbox.http import JSON_HEADERS, Request, Response, json_response
from sandbox.ledger.ledger import RETENTION_SECONDS, Ledger
from sandbox.tenant.identity import Identity
from sandbox.tenant.pages import Pages
from sandbox.tenant.query import BadRequest, Cursor, decode_cursor, encode_cursor, parse_query
from sandbox.tenant.settings import AuditSettings, PageFailure

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
        self._pages = Pages(index, settings)
        self._in_flight: list[float] = []
        self._failing: dict[int, tuple[PageFailure, float]] = {}
        self._rival_due: float | None = None

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
            return json_response({"message": str(refusal)}, refusal.status)

    def use_up_the_minute(self) -> None:
        """Another integration of this tenant opens a query now."""
        self._last_query = self._now()

    def refuse_cursors(self) -> None:
        """Every cursor of a query opened until now is refused from now on."""
        self._queries_refused = self._queries_opened

    def fail_page_of(self, sequence: int, how: PageFailure = "500", until: float = inf) -> None:
        """No page that this event is in can be served, of whatever size, until some time."""
        self._failing[sequence] = (how, until)

    def heal_pages(self) -> None:
        self._failing.clear()

    def failing_events(self) -> list[int]:
        """The events whose pages cannot be served now."""
        now = self._now()
        return [sequence for sequence, (_, until) in self._failing.items() if now < until]

    def _open(self, request: Request) -> Response:
        now, settings = self._now(), self.settings
        query = parse_query(request.body)
        if settings.refuses_large_pages and query.page_size > settings.page_limit:
            raise BadRequest(f"pageSize must not exceed {settings.page_limit}")
        if settings.refuses_old_dates and query.date_from <= now - RETENTION_SECONDS:
            raise BadRequest("dateFrom must be within the last 7 days")
        self._let_rival_open(now)
        spacing = settings.query_spacing
        wait = max(_remaining(now, self._last_query, spacing), _remaining(now, self._last_call, settings.call_spacing))
        self._ledger.query(accepted=wait <= 0, minimum_seconds=spacing)
        if wait > 0:
            return self._too_many(wait)
        self._last_query = self._last_call = now
        self._queries_opened += 1
        cursor = Cursor(query, self._queries_opened, self._pages.start(query, now), now)
        response = json_response({"cursorRef": self._next(cursor)})
        return replace(response, settle=lambda sent: None if sent else self._ledger.spoil_last_query())

    def _let_rival_open(self, now: float) -> None:
        """What another integration of the tenant has done by now with its queries."""
        settings = self.settings
        if settings.rival_period is None:
            self._rival_due = None
            return
        due = now if self._rival_due is None else self._rival_due
        while due <= now:
            free = due if self._last_query is None else max(due, self._last_query + settings.query_spacing)
            if free > now and settings.rival_insists:
                break
            if free == due or settings.rival_insists:
                self._last_query = due = free
            due += settings.rival_period
        self._rival_due = due

    def _read(self, request: Request) -> Response:
        cursor = decode_cursor(request.body)
        now, settings = self._now(), self.settings
        wait = max(
            _remaining(now, self._last_results, settings.results_spacing),
            _remaining(now, self._last_call, settings.call_spacing),
        )
        self._in_flight = [end for end in self._in_flight if end > now]
        if settings.pages_at_once is not None and len(self._in_flight) >= settings.pages_at_once:
            wait = max(wait, self._in_flight[0] - now)
        if wait > 0:
            return self._too_many(wait)
        self._last_results = self._last_call = now
        expired = settings.cursor_lifetime is not None and now - cursor.opened_at > settings.cursor_lifetime
        if expired or cursor.number <= self._queries_refused:
            raise BadRequest("cursorRef is expired or invalid", settings.cursor_refusal)
        self._in_flight.append(now + settings.page_latency)
        return replace(self._page(cursor, now), delay=settings.page_latency)

    def _page(self, cursor: Cursor, now: float) -> Response:
        found = self._pages.read(cursor, now)
        if found.is_end and self.settings.drained in ("last-page", "last-second"):
            found = self._pages.again(cursor, now, last_second=self.settings.drained == "last-second")
        if not found.sequences and (found.is_end or found.turn):
            return self._drained(cursor)
        if self._failing and (failure := self._failure(found.sequences, now)) is not None:
            return failure
        self._ledger.served(found.sequences)
        pieces = self._pieces(found.sequences, cursor.query.selected)
        following = replace(cursor, position=found.position, skipped=found.skipped, turn=found.turn)
        ending = b'],"paging":{"cursor":{"cursorRef":' + json.dumps(self._next(following)).encode() + b"}}}"
        return Response(200, JSON_HEADERS, b"".join((b'{"data":[', *pieces, ending)))

    def _pieces(self, sequences: list[int], selected: tuple[str, ...]) -> list[bytes]:
        pieces: list[bytes] = []
        for sequence in sequences:
            if pieces:
                pieces.append(b",")
            pieces += self._index.parts(sequence)
            if "arrival_timestamp" in selected and pieces[-1].endswith(b"}"):
                pieces[-1] = pieces[-1][:-1]
                pieces.append(b',"arrival_timestamp":%d}' % int(self._index.arrivals[sequence] * 1000))
        return pieces

    def _failure(self, sequences: list[int], now: float) -> Response | None:
        for sequence in sequences:
            how, until = self._failing.get(sequence, ("500", now))
            if now < until:
                if how in ("reset", "hang"):
                    return Response(ending="reset" if how == "reset" else "hang")
                return json_response({"message": "Internal Server Error"}, int(how))
        return None

    def _drained(self, cursor: Cursor) -> Response:
        shape = self.settings.drained
        if shape == "204":
            return Response(204)
        reference = {"null-cursor": None, "same-cursor": cursor.text}.get(shape, self._next(cursor))
        content: dict[str, object] = {"data": None if shape == "null-data" else []}
        if shape != "no-paging":
            content["paging"] = {"cursor": {"cursorRef": reference}}
        return json_response(content)

    def _next(self, cursor: Cursor) -> str:
        """A cursor's text; made new each time, since nobody may rely on two of them being equal."""
        self._cursors_made += 1
        return encode_cursor(cursor, self._cursors_made)

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
