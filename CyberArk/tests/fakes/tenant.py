"""A CyberArk tenant on loopback: Identity and the Audit API, in the readings that a test asks for.

Its time is the test's clock. A cursor tells the query and the place, and shows what has arrived by now after that
place; a second query within a minute is refused.
"""

import base64
import json
import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from itertools import islice
from typing import Any

from fakes.loopback import LoopbackServer

TENANT_ID = "tenant-1"
RETENTION_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as the tenant has it: dated `time_ms`, shown by the API from `shown_ms` on."""

    time_ms: int
    shown_ms: int
    text: str


@dataclass(frozen=True)
class Query:
    """A query that was accepted: what was asked for, and when (s)."""

    from_ms: int
    to_ms: int | None
    page_size: int
    filters: Mapping[str, Any]
    at: float


@dataclass(frozen=True)
class Refusal:
    """Given in place of the tenant's own answer. A `status` of 200 carries `body` as it is."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


class TenantServer(LoopbackServer):
    """Listens while its context lasts. `now` gives its time (epoch s).

    `respond(path, document)` may return another answer, None for the usual one. `order` is by "time" of the event, by
    "arrival" or "none"; `date_skew` is how wrong (s) its `Date` header is. `calls` lists what was asked for, as (path,
    cursor or date, when), `queries` the queries that were accepted.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.order = "time"
        self.date_skew = 0.0
        self.tenant_id = TENANT_ID
        self.events: list[Shown] = []
        self.calls: list[tuple[str, str, float]] = []
        self.queries: list[Query] = []
        self.respond: Callable[[str, dict[str, Any]], Refusal | None] = lambda _path, _document: None
        self._counted_at = -math.inf
        self._ranked: tuple[str, list[tuple[list[int], Shown]]] = (self.order, [])
        self._lock = threading.RLock()
        super().__init__(self._handler())

    def add(self, time_ms: int, shown_ms: int | None = None, number: int | None = None, **fields: Any) -> str:
        """Have an event, shown when it happens unless told otherwise; return its text."""
        number = len(self.events) if number is None else number
        head = {"uuid": f"{number:08x}-0000-4000-8000-000000000000", "timestamp": time_ms}
        text = json.dumps(head | fields)
        with self._lock:
            self.events.append(Shown(time_ms, time_ms if shown_ms is None else shown_ms, text))
        return text

    @property
    def cursors(self) -> list[str]:
        """The cursors of the pages that were asked for."""
        return [asked for path, asked, _ in self.calls if path == "results"]

    @property
    def query_calls(self) -> list[float]:
        """When queries were asked for (epoch s), accepted or not."""
        return [at for path, _, at in self.calls if path == "createQuery"]

    def answer(self, path: str, body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        """Return the status, the body and the headers for a request."""
        if "/oauth2/token/" in path:
            given = self.respond("token", {})
            return (given.status, given.body, given.headers) if given else (200, self._token(), {})
        document = json.loads(body)
        name = path.rpartition("/")[2]
        with self._lock:
            asked = document.get("cursorRef") or document["query"]["filterModel"]["date"]["dateFrom"]
            self.calls.append((name, asked, self.now()))
        if (given := self.respond(name, document)) is not None:
            return given.status, given.body, given.headers
        with self._lock:
            if name == "results":
                return 200, self._page(document["cursorRef"]), {}
            if self.now() - self._counted_at < 60:
                return 429, b"{}", {}
            if (_ms(asked) or 0) / 1000 <= self.now() - RETENTION_S:
                return 400, b"{}", {}
            return 200, self._opened(document["query"]), {}

    def count_query(self) -> None:
        """Count a query now, whatever becomes of its answer."""
        self._counted_at = self.now()

    def _token(self) -> bytes:
        claims = {"scope": "isp.audit.events:read", "aud": "cyberark.isp.audit", "tenant_id": self.tenant_id}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return json.dumps({"access_token": f"e30.{payload}.e30", "expires_in": 18000}).encode()

    def _opened(self, asked: dict[str, Any]) -> bytes:
        self.count_query()
        filters = dict(asked["filterModel"])
        date = filters.pop("date")
        query = Query(_ms(date["dateFrom"]) or 0, _ms(date.get("dateTo")), asked["pageSize"], filters, self.now())
        self.queries.append(query)
        return json.dumps({"cursorRef": _cursor(query.from_ms, query.to_ms, query.page_size, filters, [])}).encode()

    def _page(self, reference: str) -> bytes:
        texts, following = self.page_at(reference)
        data = ",".join(texts)
        return f'{{"data":[{data}],"paging":{{"cursor":{{"cursorRef":"{following}"}}}}}}'.encode()

    def page_at(self, reference: str) -> tuple[list[str], str]:
        """Return what a cursor shows now, and the cursor of what follows."""
        from_ms, to_ms, size, filters, place = json.loads(base64.b64decode(reference))
        now_ms = self.now() * 1000
        ranked = self._in_order()
        later = islice(ranked, bisect_right(ranked, place, key=lambda each: each[0]), None)
        shown = (
            (rank, event.text)
            for rank, event in later
            if event.shown_ms <= now_ms and from_ms <= event.time_ms and (to_ms is None or event.time_ms < to_ms)
        )
        page = list(islice(shown, size))
        following = _cursor(from_ms, to_ms, size, filters, page[-1][0] if page else place)
        return [text for _, text in page], following

    def _in_order(self) -> list[tuple[list[int], Shown]]:
        """The events after their places, sorted again only where there are others, or in another order."""
        with self._lock:
            order, ranked = self._ranked
            if order != self.order or len(ranked) != len(self.events):
                order = self.order
                ranked = sorted(
                    ([self._rank(event, number), number], event) for number, event in enumerate(self.events)
                )
                self._ranked = order, ranked
            return ranked

    def _rank(self, event: Shown, number: int) -> int:
        if self.order == "none":
            return number * 7919 % 1009
        return event.shown_ms if self.order == "arrival" else event.time_ms

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tenant = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                status, content, headers = tenant.answer(
                    self.path, self.rfile.read(int(self.headers["Content-Length"]))
                )
                self.send_response_only(status)
                self.send_header("Date", formatdate(tenant.now() + tenant.date_skew, usegmt=True))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _cursor(*fields: Any) -> str:
    return base64.b64encode(json.dumps(fields).encode()).decode()


def _ms(date: str | None) -> int | None:
    if date is None:
        return None
    return int(datetime.strptime(date, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp() * 1000)
