"""A CyberArk tenant and a Sekoia platform together, as functions from requests to responses on a given clock."""

import base64
import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from math import ceil, inf
from pathlib import Path
from typing import Any

from sandbox.faults.faults import Faults
from sandbox.world.audit_api import CREATE_QUERY, RESULTS, AuditApi
from sandbox.world.events import EventFactory
from sandbox.world.identity import Identity
from sandbox.world.index import EventIndex
from sandbox.world.ledger import Ledger
from sandbox.world.messages import Request, Response, Service
from sandbox.world.sekoia import Sekoia
from sandbox.world.settings import PageFailure, Settings

_HOUR_S = 3600.0
_ACCOUNT_FIELDS = ("auth_base_url", "login_name", "password", "application_id")


class World:
    """Everything outside the connector. `now` gives epoch seconds; times are epoch seconds throughout.

    The same seed gives the same events and the same faults. Set `settings` and `factory` directly, or add faults by
    their names (`sandbox.faults`). Every method may be called from any thread.
    """

    def __init__(self, now: Callable[[], float], seed: int = 0) -> None:
        self.now = now
        self.settings = Settings()
        self.factory = EventFactory(seed)
        self.index = EventIndex(self.factory)
        self.ledger = Ledger(self.index, now)
        self.identity = Identity(self.settings.identity, self.factory.tenant_id, now)
        self.audit = AuditApi(self.settings.audit, self.identity, self.index, self.ledger, now)
        self.sekoia = Sekoia(self.settings.sekoia, self.ledger, self.settings.identity.password, now)
        self.faults = Faults(self, seed)
        self._rng = random.Random(seed)
        self._rate = 0.0
        self._next = 0.0

    def answer(self, service: Service, request: Request) -> Response:
        """Answer a request, with the faults that are on."""
        endpoint = _endpoint(service, request)
        with self.ledger.lock:
            self.faults.advance()
            own: Response | None = None
            response = self.faults.before(endpoint, request)
            if response is None:
                own = self._serve(service, endpoint, request)
                response = self.faults.after(endpoint, request, own)
                if own.settle is not None:
                    own.settle(response.settle is not None and response.ending == "complete")
            self.ledger.exchange(endpoint, request, response.outcome)
        if self.settings.network.echoes_secrets and response.status >= 400:
            response = replace(response, body=_with_credentials(response.body, request))
        return replace(response, headers={**self._date(service, response), **response.headers}, settle=None)

    def add(self, text: str | None = None, time: float | None = None, arrival: float | None = None) -> int:
        """Put in one event, by default of now and returned at once; return its sequence number."""
        with self.ledger.lock:
            time = self.now() if time is None else time
            return self.index.add(time, time if arrival is None else arrival, text)

    def add_backlog(self, count: int, span_s: float) -> None:
        """Put in made events, spread over the last `span_s` seconds; all of them have arrived."""
        with self.ledger.lock:
            self.index.add_past(count, self.now() - span_s, self.now())

    def produce(self, events_per_second: float) -> None:
        """Make events from now on, at an even rate; 0 ends it."""
        with self.ledger.lock:
            self.catch_up()
            self._rate, self._next = events_per_second, self.now()

    def catch_up(self) -> None:
        """Put in what production has made by now."""
        if not self._rate:
            return
        with self.ledger.lock:
            now, ahead, step, index = self.now(), self.settings.arrival.ahead, 1 / self._rate, self.index
            while self._next <= now:
                index.add(self._next + ahead, self._arrival(self._next))
                self._next += step

    def replay(self, file: Path) -> int:
        """Put in each line of a JSON lines file as an event, and return how many there are.

        The API returns seven days only, so their timestamps are moved: evenly over the last hour, in their order.
        """
        with self.ledger.lock:
            before, now = len(self.index), self.now()
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            lines.sort(key=lambda text: _time_of(text) or 0.0)
            for number, text in enumerate(lines):
                time = now - _HOUR_S * (len(lines) - number) / len(lines)
                self.index.add(time, time, _with_time(text, time))
            return len(self.index) - before

    def fail_page_of(self, sequence: int, how: PageFailure = "500", seconds: float = inf) -> None:
        """Fail every page that this event is in, whatever its size, for that long."""
        self.audit.failing[sequence] = (how, self.now() + seconds)

    def reject_event(self, sequence: int) -> None:
        """Have the intake reject requests with this event (see `settings.sekoia.rejection`)."""
        self.settings.sekoia.rejected_texts += (self.factory.uuid(sequence),)

    def forms(self, urls: Mapping[Service, str], **configuration: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the account's form and the connector's; `configuration` overrides fields, None leaves one out."""
        settings = self.settings
        values: dict[str, Any] = {
            "auth_base_url": urls["identity"],
            "login_name": settings.identity.login_name,
            "password": self.sekoia.password,
            "application_id": settings.identity.application_id,
            "api_base_url": urls["audit"],
            "api_key": settings.audit.api_key,
            "intake_server": urls["intake"],
            "intake_key": settings.sekoia.intake_key,
            **configuration,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return {name: given.pop(name) for name in _ACCOUNT_FIELDS if name in given}, given

    def _serve(self, service: Service, endpoint: str, request: Request) -> Response:
        if service == "identity":
            return self.identity.answer(request)
        if service == "audit":
            self.catch_up()
            return self.audit.answer(request)
        if service == "intake":
            return self.sekoia.intake(request)
        return self.sekoia.platform(request, endpoint)

    def _date(self, service: Service, response: Response) -> dict[str, str]:
        """Return the Date header: that of the moment at which the answer leaves."""
        audit, identity = self.settings.audit, self.settings.identity
        if service == "audit" and not audit.sends_date:
            return {}
        ahead = {"audit": audit.clock_ahead_s - audit.clock_behind_s, "identity": identity.clock_ahead_s}.get(
            service, 0.0
        )
        return {"Date": formatdate(self.now() + response.delay + ahead, usegmt=True)}

    def _arrival(self, time: float) -> float:
        """Return when the API begins to return the event that happens now."""
        settings, draw = self.settings.arrival, self._rng
        arrival = time + draw.uniform(settings.least, settings.most)
        if settings.late_share and draw.random() < settings.late_share:
            arrival = time + draw.uniform(settings.most, max(settings.late_bound, settings.most))
        if settings.late_application and self.factory.application(len(self.index)) == settings.late_application:
            arrival += settings.late_application_by
        return ceil(arrival / settings.batch) * settings.batch if settings.batch else arrival


def _endpoint(service: Service, request: Request) -> str:
    """Return what a request asks for; faults, and the counts of the ledger, go by these names."""
    if service == "audit":
        return {CREATE_QUERY: "query", RESULTS: "results"}.get(request.path, "other")
    if service == "platform":
        name = request.path.rpartition("/")[2]
        return name if name in ("logs", "secrets", "callback") else "other"
    return "token" if service == "identity" else "push"


def _with_credentials(body: bytes, request: Request) -> bytes:
    """Return an error that repeats the credentials of its request: as they stand, decoded, and in Base64."""
    found = [request.headers.get(name, "") for name in ("authorization", "x-api-key")]
    found += [value.partition(" ")[2] for value in found]
    with suppress(ValueError):
        found.append(base64.b64decode(found[2], validate=True).decode())
        found.append(found[-1].partition(":")[2])
    with suppress(ValueError, AttributeError):
        found.append(str(json.loads(request.body).get("intake_key", "")))
    said = " ".join(f"{each} {base64.b64encode(each.encode()).decode()}" for each in found if each)
    try:
        content = json.loads(body)
    except ValueError:
        return body + said.encode()
    return json.dumps({name: f"{value} {said}" for name, value in content.items()}).encode()


def _with_time(text: str, time: float) -> str:
    """Return an event with another timestamp, and nothing else changed; as it is where it has none that is read."""
    if _time_of(text) is None:
        return text
    old = json.dumps(json.loads(text)["timestamp"])
    new = f'"{int(time * 1000)}"' if old.startswith('"') else str(int(time * 1000))
    place = text.index('"timestamp"')
    return text[:place] + text[place:].replace(old, new, 1)


def _time_of(text: str) -> float | None:
    """Return an event's time (epoch s), None when its timestamp is no number of milliseconds."""
    with suppress(ValueError, TypeError, AttributeError, OverflowError):
        return float(json.loads(text).get("timestamp")) / 1000
    return None
