"""The Audit SIEM API: open a query, fetch its pages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from ..clock import TenantClock
from ..errors import QueryLost, Service, Sign
from ..events import Page, UnreadPage, cut_page
from .auth import BearerAuth, Token, TokenSource
from .transport import Answer, Refused, Transport

CREATE_QUERY = "/api/audits/stream/createQuery"
RESULTS = "/api/audits/stream/results"
# 400 is what the API is known to answer; the others mean the same of an address that has just opened a query.
_CURSOR_REFUSED = (400, 404, 410, 422)


class AuditApi:
    """The two calls of `{api_base_url}/api/audits/stream/`. A token that is refused is renewed once per call.

    Both raise Throttled, TryLater and PersonNeeded (a key, a claim or an address to be mended).
    """

    def __init__(
        self,
        transport: Transport,
        tokens: TokenSource,
        api_base_url: str,
        api_key: SecretStr,
        tenant_clock: TenantClock,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._base_url = api_base_url
        self._api_key = api_key
        self._tenant_clock = tenant_clock

    def authenticate(self) -> Token:
        """Return the token in use, fetched if need be. Raises PersonNeeded and TryLater."""
        return self._tokens.token()

    def open_query(self, since_ms: int, page_size: int, filters: Mapping[str, Sequence[str]]) -> str:
        """Open a query for the events since `since_ms` (epoch ms), oldest first, and return its first cursor.

        The API reads dates by the second, and accepts one query a minute. `filters` holds the values to include by
        `applicationCode`, `auditType`, `action`; an empty one includes everything.
        """
        since = datetime.fromtimestamp(since_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        filter_model: dict[str, Any] = {"date": {"dateFrom": since}}
        for field, values in filters.items():
            if values:
                filter_model[field] = [{"op": "include", "params": list(values)}]
        query = {
            "pageSize": page_size,
            "filterModel": filter_model,
            "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
        }
        answer = self._post(CREATE_QUERY, {"query": query})
        cursor = answer.json().get("cursorRef")
        if not isinstance(cursor, str) or not cursor:
            raise answer.unusable(Sign.SHAPE)
        return cursor

    def fetch_page(self, cursor: str) -> Page:
        """Fetch and read the page at that cursor. Raises QueryLost when the cursor is refused or expired."""
        return self.fetch_unread(cursor).read()

    def fetch_unread(self, cursor: str) -> UnreadPage:
        """Fetch the page at that cursor. Raises QueryLost when the cursor is refused or expired."""
        try:
            answer = self._post(RESULTS, {"cursorRef": cursor})
        except Refused as error:
            if error.status in _CURSOR_REFUSED:
                raise QueryLost(error.evidence) from None
            raise
        try:
            return cut_page(answer.body)
        except ValueError:
            is_json = answer.body.lstrip()[:1] in (b"{", b"[")
            raise answer.unusable(Sign.SHAPE if is_json else Sign.NOT_JSON) from None

    def _post(self, path: str, document: Mapping[str, Any]) -> Answer:
        token = self._tokens.token()
        try:
            return self._send(path, document, token)
        except Refused as error:
            if error.status != 401:
                raise
        token = self._tokens.token(refused=token)
        try:
            return self._send(path, document, token)
        except Refused as error:
            # Refused twice, the second time fresh: the token lacks what the API looks for, or the clocks differ.
            raise Refused(
                replace(error.evidence, missing=token.missing(), clock_skew=self._tenant_clock.skew())
            ) from None

    def _send(self, path: str, document: Mapping[str, Any], token: Token) -> Answer:
        return self._transport.post(
            Service.AUDIT, self._base_url + path, path, BearerAuth(token, self._api_key), json=document
        )
