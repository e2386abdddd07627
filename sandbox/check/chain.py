"""The links between a tenant and an intake, each tried with the connector's own client."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from cyberark_modules.audit_api import build_tokens
from cyberark_modules.audit_api.client import AuditApi
from cyberark_modules.audit_api.token import ENDPOINT, Token
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.clock import Clock, TenantClock
from cyberark_modules.diagnosis import CLOCK_OFF_S
from cyberark_modules.errors import (
    ConfigurationError,
    CyberArkError,
    Failure,
    FailureKind,
    Service,
    Throttled,
    TransientError,
)
from cyberark_modules.platform.background import within
from sandbox.check.intake import build_sender, send_test_event
from sandbox.check.minute import MINUTE_S, Minute
from sandbox.check.outcome import Link, Odd, Outcome, Untried
from sandbox.check.peer import meet
from sandbox.check.reading import Reading
from sandbox.check.values import VARIABLES, Values

T = TypeVar("T")
Working = Callable[[str], AbstractContextManager[object]]

# Shorter than the connector's: a person waits.
TIMEOUTS_S = (8.0, 20.0)
LINK_WITHIN_S = 60.0
HISTORY_S = 3600


class Chain:
    """Tries one link after the other. `send` lets one test event go to the intake; times are in seconds."""

    def __init__(self, values: Values, version: str, minute: Minute, *, send: bool, watch_s: float) -> None:
        clock = Clock()
        self._values = values
        self._send = send
        self._watch_s = watch_s
        self._minute = minute
        self.tenant_clock = TenantClock(clock)
        self.transport = Transport(self.tenant_clock, version)
        self.transport.timeouts = TIMEOUTS_S
        self.tokens = build_tokens(self.transport, values.account, clock.monotonic)
        connector = values.connector
        self._api = AuditApi(self.transport, self.tokens, connector.api_base_url, connector.api_key)
        self._working: Working = lambda _: nullcontext()
        self._reading: Reading | None = None
        self._token: Token | None = None

    def access(self) -> Iterator[Link]:
        """The links up to the Audit API, without a query."""
        account, connector = self._values.account, self._values.connector
        yield Link("identity", "CyberArk Identity", (), partial(self._meet, Service.IDENTITY, account.auth_base_url))
        yield Link("token", "Token", ("identity",), self._fetch_token)
        yield Link("clock", "Clock of this machine", ("token",), self._compare_clocks)
        yield Link("audit", "CyberArk Audit", (), partial(self._meet, Service.AUDIT, connector.api_base_url))

    def links(self) -> Iterator[Link]:
        """All links, in the order in which they are tried."""
        yield from self.access()
        yield Link("query", "Query", ("token", "audit"), self._open_query)
        yield Link("events", "Events of the last hour", ("query",), self._read)
        yield Link("late", "Events that come in now", ("events",), self._watch)
        if self._values.has_intake:
            server = partial(self._meet, Service.INTAKE, self._values.connector.intake_server or "")
            yield Link("intake", "Intake server", (), server)
        yield Link("intake-key", "Intake key", ("intake",), self._try_intake_key)

    def walk(self, links: Iterable[Link], working: Working) -> Iterator[Outcome]:
        """Yield what becomes of each link; `working` shows what is being done."""
        broken: set[str] = set()
        self._working = working
        for link in links:
            if broken.intersection(link.needs):
                outcome = Outcome(link.title, "untried", reason="a link that it depends on is marked above")
            else:
                with working(link.title):
                    outcome = self._try(link)
            if outcome.state in ("wrong", "untried"):
                broken.add(link.name)
            yield outcome

    def _try(self, link: Link) -> Outcome:
        figures: list[str] = []
        try:
            for figure in link.attempt():
                figures.append(figure)  # noqa: PERF402 - those before a failure count
        except Untried as untried:
            return Outcome(link.title, "untried", tuple(figures), reason=str(untried))
        except Odd as odd:
            return Outcome(link.title, "odd", odd.figures, odd.failure)
        except CyberArkError as error:
            return Outcome(link.title, "wrong", tuple(figures), error.failure)
        return Outcome(link.title, "right", tuple(figures))

    def _meet(self, service: Service, url: str) -> Iterable[str]:
        return self._in_time(service, url, lambda: list(meet(self.transport, service, url)))

    def _in_time(self, service: Service, url: str, call: Callable[[], T]) -> T:
        return within(LINK_WITHIN_S, call, TransientError(Failure(service, FailureKind.TIMEOUT, urlsplit(url).netloc)))

    def _fetch_token(self) -> Iterator[str]:
        url = self._values.account.auth_base_url
        token = self._in_time(Service.IDENTITY, url, self.tokens.token)
        lifetime_s = token.use_for_s + self.tokens.MARGIN_S
        kind = "an opaque token" if token.claims is None else "a JWT"
        yield f"{kind}, valid for about {lifetime_s / 60:.0f} minutes"
        missing = token.missing()
        if token.claims is not None:
            for claim in ("scope", "aud", "tenant_id"):
                yield f"{claim}: missing" if claim in missing else f"{claim}: {_claim(token, claim)}"
        if missing:
            raise ConfigurationError(
                Failure(Service.IDENTITY, FailureKind.TOKEN, urlsplit(url).netloc, ENDPOINT, missing=missing)
            )
        self._token = token

    def _compare_clocks(self) -> Iterator[str]:
        skew = self.tenant_clock.skew()
        figure = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the clock of CyberArk"
        if abs(skew) >= CLOCK_OFF_S:
            host = urlsplit(self._values.account.auth_base_url).netloc
            raise Odd(Failure(Service.IDENTITY, FailureKind.CLOCK, host, clock_skew=skew), [figure])
        yield figure

    def _open_query(self) -> Iterator[str]:
        connector = self._values.connector
        own_s = self._minute.own_s()
        if own_s is not None:
            wait_s = MINUTE_S - own_s
            with self._working(f"Query: waiting for {wait_s:.0f} s, the last check used the query of this minute"):
                time.sleep(wait_s)
            yield f"waited for {wait_s:.0f} s: the last check had used the query of that minute"
        since_ms = self.tenant_clock.now_ms() - HISTORY_S * 1000
        started = time.monotonic()
        open_query = partial(self._api.open_query, since_ms, None, connector.chunk_size, {})
        try:
            cursor = self._in_time(Service.AUDIT, connector.api_base_url, open_query)
        except Throttled:
            connector_s = self._minute.connector_s()
            if connector_s is not None:
                raise Untried(
                    f"the connector of that state used the query of this minute, {connector_s:.0f} s ago. "
                    "To try this link, stop that connector for a minute and check again"
                ) from None
            yield "no check on this machine opened a query within the last minute"
            raise
        self._minute.note()
        yield f"opened in {time.monotonic() - started:.1f} s; the tenant accepts the next one in a minute"
        fetch = partial(self._in_time, Service.AUDIT, connector.api_base_url)
        self._reading = Reading(lambda at: fetch(lambda: self._api.fetch(at)), cursor, self.tenant_clock.now_ms)

    def _read(self) -> Iterable[str]:
        return self._reading.to_the_end() if self._reading else ()

    def _watch(self) -> Iterable[str]:
        return self._reading.watch(self._watch_s) if self._reading else ()

    def _try_intake_key(self) -> Iterator[str]:
        if not self._values.has_intake:
            raise Untried(f"no intake key was given. To try it, enter it or set {VARIABLES['intake_key']}")
        if not self._send:
            raise Untried("nothing was sent. To try it, add --send, which sends one test event, marked as such")
        connector = self._values.connector
        sender, tenant_id = build_sender(connector), self._token.tenant_id if self._token else ""
        send = partial(send_test_event, sender, tenant_id, self.tenant_clock.now_ms())
        self._in_time(Service.INTAKE, connector.intake_server or "", send)
        yield "one test event was accepted; it is marked as such"


def _claim(token: Token, claim: str) -> str:
    claims = token.claims or {}
    value = claims.get(claim) or claims.get("scp" if claim == "scope" else claim)
    return value if isinstance(value, str) else " ".join(map(str, value or ()))
