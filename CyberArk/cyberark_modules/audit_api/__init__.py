"""The Audit SIEM API: open a query, fetch its pages. The only package that knows CyberArk's API."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ..configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from ..errors import ClientError, CursorExpired, Service
from ..events import Page, read_page
from ..http import PAGE_S, QUERY_S, Answer, Http
from .token import TokenSource

CREATE_QUERY = "/api/audits/stream/createQuery"
RESULTS = "/api/audits/stream/results"


class AuditApi:
    """The two calls below `{base_url}/api/audits/stream/`. Thread-safe: several pages may be fetched at once.

    Every method raises Throttled and TransientError, and ConfigurationError (a credential, a permission, an address).
    """

    def __init__(
        self, http: Http, account: CyberArkModuleConfiguration, configuration: CyberArkAuditLogsConfiguration
    ) -> None:
        self._http, self.tokens = http, TokenSource(http, account)
        self._base_url, self._api_key = configuration.api_base_url, configuration.api_key

    def open_query(
        self, since_ms: int, until_ms: int | None, page_size: int, filters: Mapping[str, Sequence[str]]
    ) -> str:
        """Open a query for the events since `since_ms` (epoch ms), oldest first, and return its first cursor.

        The API reads dates by the second: `since_ms` is rounded down, `until_ms` up; clients differ on whether that
        second is included. Without `until_ms` the cursor returns later events too. HTTP 400: a `since_ms` of seven
        days ago, more than 500 events a page, an unknown filter or sort. A second query within a minute is Throttled.
        `filters` lists the values to include by `applicationCode`, `auditType`, `action`; an empty list includes all.
        """
        date = {"dateFrom": _date(since_ms // 1000)}
        if until_ms is not None:
            date["dateTo"] = _date(-(-until_ms // 1000))
        included = {name: [{"op": "include", "params": list(values)}] for name, values in filters.items() if values}
        query = {
            "pageSize": page_size,
            "filterModel": {"date": date, **included},
            "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
        }
        answer = self._post(CREATE_QUERY, {"query": query}, QUERY_S)
        cursor = answer.json().get("cursorRef")
        if not cursor or not isinstance(cursor, str):
            raise answer.unusable()
        return cursor

    def fetch(self, cursor: str) -> Page:
        """Fetch the page at that cursor; HTTP 204 is an empty one. Raises CursorExpired when it is rejected."""
        try:
            answer = self._post(RESULTS, {"cursorRef": cursor}, PAGE_S)
        except ClientError as error:
            if error.status == 400:
                raise CursorExpired(error.failure) from None
            raise
        if answer.status == 204:
            return Page((), None)
        with suppress(ValueError, RecursionError):  # which may hold the page
            return read_page(answer.body)
        raise answer.unusable()

    def _post(self, path: str, document: Mapping[str, Any], deadline_s: float) -> Answer:
        body = json.dumps(document, separators=(",", ":")).encode()
        while True:
            token = self.tokens.token()
            headers = {
                "Authorization": f"Bearer {token.value.get_secret_value()}",
                "x-api-key": self._api_key.get_secret_value(),
                "Content-Type": "application/json",
            }
            try:
                answer = self._http.post(Service.AUDIT, self._base_url + path, path, headers, body, deadline_s)
                self.tokens.accepted()
                return answer
            except ClientError as error:
                if error.status != 401:
                    raise
                self.tokens.rejected(token, error.failure)


def _date(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
