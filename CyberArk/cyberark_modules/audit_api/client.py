"""The Audit SIEM API: open a query, fetch its pages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from ..errors import ClientError, CursorExpired, FailureKind, Service
from .events import Page, RawPage, decode_cursor, encode_cursor, split_page
from .token import BearerAuth, Token, TokenSource
from .transport import Answer, Transport

CREATE_QUERY = "/api/audits/stream/createQuery"
RESULTS = "/api/audits/stream/results"
# 400 is documented. A path or a method that createQuery has just shown to exist cannot be what the others refuse.
_CURSOR_EXPIRED = (400, 404, 410, 422)


class AuditApi:
    """The two calls below `{api_base_url}/api/audits/stream/`. Thread-safe: several pages may be fetched at once.

    Every method raises Throttled and TransientError, and ConfigurationError (a credential, a permission, an address).
    A token that is refused is renewed, once a call.
    """

    def __init__(
        self,
        transport: Transport,
        tokens: TokenSource,
        api_base_url: str,
        api_key: SecretStr,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._base_url = api_base_url
        self._api_key = api_key

    def authenticate(self) -> Token:
        """Return the token in use, fetched if need be."""
        return self._tokens.token()

    def open_query(
        self, since_ms: int, until_ms: int | None, page_size: int, filters: Mapping[str, Sequence[str]]
    ) -> str:
        """Open a query for the events since `since_ms` (epoch ms), oldest first, and return its first cursor.

        The API reads dates by the second: `since_ms` is rounded down, `until_ms` up. Without `until_ms` the query has
        no end, and its drained cursor shows later events; with it, never, and readings differ on whether that second
        is included. A `since_ms` seven days ago or earlier is refused (HTTP 400), and so is a second query within a
        minute (Throttled); both are for the caller to avoid. `filters` lists the values to include by
        `applicationCode`, `auditType` and `action`; an empty list includes everything.
        """
        date = {"dateFrom": _date(since_ms // 1000)}
        if until_ms is not None:
            date["dateTo"] = _date(-(-until_ms // 1000))
        filter_model: dict[str, Any] = {"date": date}
        for field, values in filters.items():
            if values:
                filter_model[field] = [{"op": "include", "params": list(values)}]
        query = {
            "pageSize": page_size,
            "filterModel": filter_model,
            "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
        }
        answer = self._post(CREATE_QUERY, {"query": query})
        cursor = encode_cursor(answer.json().get("cursorRef"))
        if cursor is None:
            raise answer.unusable(FailureKind.SHAPE)
        return cursor

    def fetch(self, cursor: str) -> Page:
        """Fetch and read the page at that cursor. Raises CursorExpired when the cursor is expired or refused.

        HTTP 204 is a drained query: an empty page without a cursor.
        """
        return self.fetch_raw(cursor).read()

    def fetch_raw(self, cursor: str) -> RawPage:
        """Fetch the page at that cursor, and leave its events unread. Raises as `fetch` does."""
        try:
            answer = self._post(RESULTS, {"cursorRef": decode_cursor(cursor)})
        except ClientError as error:
            if error.status in _CURSOR_EXPIRED:
                raise CursorExpired(error.failure) from None
            raise
        if answer.failure.status == 204:
            return RawPage((), None)
        try:
            return split_page(answer.body)
        except ValueError:
            is_json = answer.body.lstrip()[:1] in (b"{", b"[")
        # Outside of the handler: a JSON error holds the whole page.
        raise answer.unusable(FailureKind.SHAPE if is_json else FailureKind.NOT_JSON)

    def _post(self, path: str, document: Mapping[str, Any]) -> Answer:
        token = self._tokens.token()
        try:
            return self._send(path, document, token)
        except ClientError as error:
            if error.status != 401:
                raise
        token = self._tokens.token(refused=token)
        try:
            return self._send(path, document, token)
        except ClientError as error:
            # Refused although it is new: the token lacks what the API looks for, or the clocks differ.
            skew = self._transport.tenant_clock.skew()
            raise ClientError(replace(error.failure, missing=token.missing(), clock_skew=skew)) from None

    def _send(self, path: str, document: Mapping[str, Any], token: Token) -> Answer:
        # The standard library writes a lone surrogate (in a cursor) as the escape that it came as; orjson refuses it.
        body = json.dumps(document, separators=(",", ":")).encode()
        auth = BearerAuth(token, self._api_key)
        return self._transport.post(Service.AUDIT, self._base_url + path, path, auth, body, "application/json")


def _date(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
