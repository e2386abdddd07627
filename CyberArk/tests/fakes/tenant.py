"""A CyberArk tenant and a Sekoia intake behind `Http.exchange`, and the connector that reads the one for the other."""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

from cyberark_modules import CyberArkModule
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from fakes.virtual_time import START_S, InlineExecutor, VirtualContext, VirtualTime

Reply = tuple[int, Mapping[str, str], bytes]
ENDPOINTS = {"createQuery": "query", "results": "results", "batch": "intake"}
SECONDS = {"token": 0.1, "query": 0.2, "results": 0.3, "intake": 0.1}


class Tenant:
    """Times are in seconds from the start; an event is returned a second after it happened. `script[endpoint]` has the
    next answers: a status, an exception, or a function that is called first (None: as usual).
    """

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.happened: dict[str, float] = {}
        self.accepted: Counter[str] = Counter()
        self.accepted_at: dict[str, float] = {}
        self.queried_at: list[float] = []
        self.script: dict[str, list[Any]] = defaultdict(list)
        self.lines: list[tuple[str, str]] = []

    def happen(self, first_s: int, last_s: int, every_s: int) -> None:
        for time_s in range(first_s, last_s, every_s):
            uuid = f"00000000-0000-4000-8000-{len(self.happened):012d}"
            self.happened[json.dumps({"uuid": uuid, "timestamp": round((START_S + time_s) * 1000)})] = time_s

    def missing(self) -> list[str]:
        return [text for text in self.happened if text not in self.accepted]

    def duplicates(self) -> int:
        return sum(times - 1 for times in self.accepted.values())

    def said(self, level: str) -> list[str]:
        return [text for one, text in self.lines if one == level]

    def exchange(self, url: str, headers: Mapping[str, str], body: bytes, deadline_s: float) -> Reply:
        endpoint = ENDPOINTS.get(url.rsplit("/", 1)[-1], "token")
        self.time.pass_s(SECONDS[endpoint])
        answer = self.script[endpoint].pop(0) if self.script[endpoint] else None
        if callable(answer):
            answer = answer()
        if isinstance(answer, BaseException):
            raise answer
        status, found = (answer, b"") if answer else getattr(self, f"_{endpoint}")(body)
        return status, {"Date": formatdate(START_S + self.time.monotonic(), usegmt=True)}, found

    def _token(self, _body: bytes) -> tuple[int, bytes]:
        claims = {"scope": "isp.audit.events:read", "aud": "cyberark.isp.audit", "tenant_id": "t-1"}
        middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return 200, json.dumps({"access_token": f"h.{middle}.s", "token_type": "Bearer", "expires_in": 18000}).encode()

    def _query(self, body: bytes) -> tuple[int, bytes]:
        now, query = self.time.monotonic(), json.loads(body)["query"]
        if self.queried_at and now - self.queried_at[-1] < 60:
            return 429, b""
        self.queried_at.append(now)
        since, until = (_seconds(query["filterModel"]["date"].get(name)) for name in ("dateFrom", "dateTo"))
        return 200, json.dumps({"cursorRef": json.dumps([since, until, query["pageSize"], 0])}).encode()

    def _results(self, body: bytes) -> tuple[int, bytes]:
        since, until, size, first = json.loads(json.loads(body)["cursorRef"])
        returned = min(until + 1, self.time.monotonic() - 1)
        places = [place for place, time_s in enumerate(self.happened.values()) if since <= time_s < returned]
        places = [place for place in places if place >= first][:size]
        texts, after = list(self.happened), places[-1] + 1 if places else first
        paging = {"cursor": {"cursorRef": json.dumps([since, until, size, after])}}
        data = ",".join(texts[place] for place in places)
        return 200, f'{{"data":[{data}],"paging":{json.dumps(paging)}}}'.encode()

    def _intake(self, body: bytes) -> tuple[int, bytes]:
        texts = json.loads(body)["jsons"]
        self.accepted.update(texts)
        for text in texts:
            self.accepted_at.setdefault(text, self.time.monotonic())
        return 200, json.dumps({"event_ids": texts}).encode()


def _seconds(date: str | None) -> float:
    return datetime.fromisoformat(date).timestamp() - START_S if date else 1e9


class VirtualConnector(CyberArkAuditLogsConnector):
    """The connector in virtual time."""

    def __init__(self, tenant: Tenant, folder: Path, **form: Any) -> None:
        self._tenant = tenant
        module = CyberArkModule()
        module.configuration = CyberArkModuleConfiguration(
            auth_base_url="https://identity.test", login_name="a@b.c", password="s3cret", application_id="App"
        )
        super().__init__(module, folder)
        self._executor = InlineExecutor()  # type: ignore[assignment]
        vars(self.http).update(exchange=tenant.exchange, within=lambda _seconds, call: call())
        self.configuration = CyberArkAuditLogsConfiguration(
            **{"api_base_url": "https://audit.test", **form},
            api_key="key", intake_key="intake-key", intake_server="https://intake.test",
        )  # fmt: skip

    def make_context(self) -> VirtualContext:
        return VirtualContext(self._tenant.time, self._stop_event, self.beat)

    def log(self, message: str, level: Any = "info", *args: Any, **kwargs: Any) -> None:
        self._tenant.lines.append((str(level), message))

    def run_until(self, moment: float) -> None:
        """Run until it is asked to stop at that time, or ends before."""
        self._tenant.time.at(moment, self.stop)
        self.run()
