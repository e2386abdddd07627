"""A client of the sandbox that knows nothing of the connector, over values or over sockets."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.environment import Environment, Service
from sandbox.http import Request, Response
from sandbox.tenant.audit_api import CREATE_QUERY, RESULTS
from sandbox.tenant.settings import SCOPE

START = 1_800_000_000.0
LONG_AGO = "2020-01-01T00:00:00.000Z"

_DECODER = json.JSONDecoder(strict=False)


class FakeClock:
    """Epoch seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Client:
    """One tenant's credentials, and a way to send."""

    environment: Environment
    send: Callable[[Service, Request], Response]
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Environment) -> "Client":
        return cls(environment, environment.answer)

    def token(self, path: str | None = None, form: str | None = None, **credentials: str) -> Response:
        identity = self.environment.tenant.identity_settings
        login_name = credentials.get("login_name", identity.login_name)
        basic = base64.b64encode(f"{login_name}:{credentials.get('password', identity.password)}".encode()).decode()
        return self.send(
            "identity",
            Request(
                "POST",
                path or f"/oauth2/token/{identity.application_id}",
                {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"},
                (form or f"grant_type=client_credentials&scope={SCOPE}").encode(),
            ),
        )

    def log_in(self) -> "Client":
        token = self.token().json()["access_token"]
        self.headers = {"authorization": f"Bearer {token}", "x-api-key": self.environment.tenant.settings.api_key}
        return self

    def query(self, date_from: str = LONG_AGO, size: int = 500, **filters: Any) -> Response:
        model = {"date": {"dateFrom": date_from}, **filters}
        order = [{"field_name": "timestamp", "direction": "asc"}]
        query = {"query": {"pageSize": size, "filterModel": model, "sortModel": order}}
        return self.post(CREATE_QUERY, query)

    def open(self, date_from: str = LONG_AGO, size: int = 500, **filters: Any) -> str:
        return str(self.query(date_from, size, **filters).json()["cursorRef"])

    def results(self, cursor: str) -> Response:
        return self.post(RESULTS, {"cursorRef": cursor})

    def page(self, cursor: str) -> tuple[list[str], str]:
        """A page's events as texts, and the cursor after it."""
        texts, following = read_page(self.results(cursor).body)
        assert following is not None
        return texts, following

    def drain(self, cursor: str) -> tuple[list[str], str]:
        """All events from a cursor on, and the cursor that showed no more."""
        found: list[str] = []
        while True:
            texts, cursor = self.page(cursor)
            if not texts:
                return found, cursor
            found += texts

    def push(self, texts: list[str], **changes: Any) -> Response:
        body = {"intake_key": self.environment.sekoia.settings.intake_key, "jsons": texts, **changes}
        return self.send("intake", Request("POST", "/batch", {}, json.dumps(body).encode()))

    def post(self, path: str, content: object) -> Response:
        """Any request to the Audit API."""
        return self.send("audit", Request("POST", path, self.headers, json.dumps(content).encode()))


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_page(body: bytes) -> tuple[list[str], str | None]:
    """Each event's text as it stands in the body, and the next cursor; by the slow standard library."""
    text = body.decode()
    page = json.loads(text, strict=False)
    texts: list[str] = []
    place = text.index('"data":') + len('"data":[')
    for _ in page["data"] or []:
        while text[place] in " ,\n":
            place += 1
        _, end = _DECODER.raw_decode(text, place)
        texts.append(text[place:end])
        place = end
    return texts, ((page.get("paging") or {}).get("cursor") or {}).get("cursorRef")


def one_line(text: str) -> str:
    """An event as the intake's parser wants it; as it is when it has no line break."""
    return json.dumps(json.loads(text, strict=False)) if "\n" in text else text
