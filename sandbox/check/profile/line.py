"""Calls to the Audit API, one or two at a time, each turned into a value."""

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import orjson
import requests
from pydantic import SecretStr

from cyberark_modules.audit_api.client import CREATE_QUERY, RESULTS
from cyberark_modules.audit_api.events import (
    RawPage,
    decode_cursor,
    encode_cursor,
    read_event,
    split_page,
    to_epoch_ms,
)
from cyberark_modules.audit_api.token import BearerAuth, TokenSource
from cyberark_modules.audit_api.transport import Transport, retry_after
from cyberark_modules.clock import Clock
from cyberark_modules.errors import ClientError, Failure, FailureKind, Service, TransientError
from sandbox.check.profile.record import Asked, Call, CursorSeen, Outcome, Page, Seen

ARRIVAL_FIELDS = ("arrival_timestamp", "arrivalTimestamp")
SOURCE_FIELDS = ("applicationCode", "application_code")


class Reply(NamedTuple):
    """A call, the cursor that it gave, and the pause that it asked for (s)."""

    call: Call
    cursor: str | None = None
    pause_s: float | None = None


class _Answer(NamedTuple):
    outcome: Outcome
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Line:
    """Asks as the connector does, with its session and its tokens. `executor` makes the calls that go side by side."""

    def __init__(
        self,
        transport: Transport,
        tokens: TokenSource,
        base_url: str,
        api_key: SecretStr,
        clock: Clock,
        executor: Executor,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._base_url = base_url
        self._api_key = api_key
        self._clock = clock
        self._executor = executor
        self._began_s = clock.monotonic()

    def now_s(self) -> float:
        """Seconds since it was made."""
        return self._clock.monotonic() - self._began_s

    def open(self, name: str, query: Mapping[str, Any]) -> Reply:
        """Ask for a query."""
        began_s = self.now_s()
        answer = self._send(CREATE_QUERY, {"query": query})
        cursor = _first_cursor(answer)
        if answer.outcome == "good" and cursor is None:
            answer = answer._replace(outcome=_odd(answer.body))
        return Reply(self._call("query", name, 0, began_s, answer), cursor, _pause(answer))

    def read(self, name: str, position: int, cursor: str) -> Reply:
        """Ask for the page at a cursor."""
        began_s = self.now_s()
        answer = self._send(RESULTS, {"cursorRef": decode_cursor(cursor)})
        call = self._call("page", name, position, began_s, answer)
        if answer.outcome != "good":
            return Reply(call, None, _pause(answer))
        if answer.status == 204:
            return Reply(replace(call, page=Page((), "absent", is_204=True)))
        try:
            raw = split_page(answer.body)
        except ValueError:
            return Reply(replace(call, outcome=_odd(answer.body)))
        return Reply(replace(call, page=_page(answer.body, raw, cursor)), raw.cursor)

    def read_beside(self, name: str, asked: list[tuple[int, str]]) -> list[Reply]:
        """Ask for several pages at the same time."""
        calls = [partial(self.read, name, position, cursor) for position, cursor in asked]
        futures = [self._executor.submit(call) for call in calls]
        replies = [future.result() for future in futures]
        return [reply._replace(call=replace(reply.call, is_beside=True)) for reply in replies]

    def refusal(self, call: Call) -> ClientError:
        """The error of a refused call, for a diagnosis."""
        host, path = urlsplit(self._base_url).netloc, CREATE_QUERY if call.asked == "query" else RESULTS
        return ClientError(Failure(Service.AUDIT, FailureKind.STATUS, host, path, call.status))

    def _send(self, path: str, document: Mapping[str, Any]) -> _Answer:
        try:
            token = self._tokens.token()
            answer = self._post(path, document, BearerAuth(token, self._api_key))
            if answer.status == 401:
                answer = self._post(path, document, BearerAuth(self._tokens.token(refused=token), self._api_key))
        except TransientError:
            return _Answer("failed")
        return answer

    def _post(self, path: str, document: Mapping[str, Any], auth: BearerAuth) -> _Answer:
        try:
            response = self._transport.session.post(
                self._base_url + path,
                data=json.dumps(document, separators=(",", ":")).encode(),
                headers={"Content-Type": "application/json"},
                auth=auth,
                timeout=self._transport.timeouts,
                allow_redirects=False,
            )
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            return _Answer("cut")
        except OSError:
            return _Answer("failed")
        self._transport.tenant_clock.observe(response.headers.get("Date"))
        status = response.status_code
        outcome: Outcome = "good" if status in (200, 204) else "throttled" if status == 429 else "refused"
        return _Answer("failed" if status >= 500 else outcome, status, response.content, response.headers)

    def _call(self, asked: Asked, name: str, position: int, began_s: float, answer: _Answer) -> Call:
        took_s = self.now_s() - began_s
        said = _retry_after_form(answer.headers.get("Retry-After")) if answer.outcome == "throttled" else None
        return Call(asked, name, position, began_s, took_s, answer.outcome, answer.status, said)


def _pause(answer: _Answer) -> float | None:
    return retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))


def _retry_after_form(value: str | None) -> Literal["seconds", "date", "absent"]:
    if not value:
        return "absent"
    return "seconds" if value.strip().isdecimal() else "date"


def _first_cursor(answer: _Answer) -> str | None:
    try:
        content = json.loads(answer.body)
    except ValueError:
        return None
    return encode_cursor(content.get("cursorRef")) if isinstance(content, dict) else None


def _odd(body: bytes) -> Outcome:
    """What an answer with status 200 is that holds neither a page nor a cursor."""
    if body.lstrip()[:1] == b"<":
        return "html"
    try:
        json.loads(body)
    except ValueError:
        return "cut"
    return "error-body"


def _page(body: bytes, raw: RawPage, asked_by: str) -> Page:
    content = json.loads(body.decode("utf-8", "replace"), strict=False, parse_int=str)
    paging = content.get("paging")
    cursor = paging.get("cursor") if isinstance(paging, dict) else None
    seen: CursorSeen = "new"
    if raw.cursor is None:
        seen = "null" if isinstance(cursor, dict) and "cursorRef" in cursor else "absent"
    elif raw.cursor == asked_by:
        seen = "same"
    try:
        orjson.loads(body)
        is_strict = True
    except ValueError:
        is_strict = False
    texts = [text if isinstance(text, str) else str(text, "utf-8", "replace") for text in raw.texts]
    return Page(tuple(map(_seen, texts)), seen, is_data_null=content.get("data") is None, is_strict_json=is_strict)


def _seen(text: str) -> Seen:
    event = read_event(text)
    try:
        fields = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        fields = None
    fields = fields if isinstance(fields, dict) else {}
    arrival = next((fields[name] for name in ARRIVAL_FIELDS if name in fields), None)
    source = next((fields[name] for name in SOURCE_FIELDS if name in fields), None)
    # Without a uuid an event is known by its content, which may not differ by a field that was asked for.
    plain = {name: value for name, value in fields.items() if name not in ARRIVAL_FIELDS}
    return Seen(
        event.key if event.uuid is not None or not fields else _hash(json.dumps(plain, sort_keys=True)),
        _hash(text),
        _hash(str(source)),
        event.time_ms,
        to_epoch_ms(arrival),
        has_uuid=event.uuid is not None,
        has_breaks="\n" in text or "\r" in text,
        is_documented=type(fields.get("timestamp")) is int and event.time_ms is not None,
    )


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
