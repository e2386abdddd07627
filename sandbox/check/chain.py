"""The links between a tenant and an intake, each tried with the connector's own client."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from cyberark_modules.audit_api import build_tokens
from cyberark_modules.audit_api.client import AuditApi
from cyberark_modules.audit_api.token import ENDPOINT, Token
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.clock import Clock, TenantClock
from cyberark_modules.diagnosis import CLOCK_OFF_S, diagnose
from cyberark_modules.errors import ConfigurationError, CyberArkError, Failure, FailureKind, Service, TransientError
from cyberark_modules.platform.background import within
from sandbox.check.intake import build_sender, send_test_event
from sandbox.check.peer import meet
from sandbox.check.reading import Reading
from sandbox.check.values import Values

T = TypeVar("T")

# Shorter than the connector's: a person waits.
TIMEOUTS_S = (8.0, 20.0)
LINK_WITHIN_S = 60.0
HISTORY_S = 3600


class Odd(Exception):
    """Something is not as it should be, but nothing depends on it."""

    def __init__(self, failure: Failure, figures: Iterable[str]) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.figures = tuple(figures)


@dataclass(frozen=True)
class Link:
    """A link by its name, and the links that it `needs`; `attempt` yields figures or raises what is wrong."""

    name: str
    title: str
    needs: tuple[str, ...]
    attempt: Callable[[], Iterable[str]]


@dataclass(frozen=True)
class Outcome:
    """What became of a link: `good`, `odd`, `bad` or `untried`."""

    title: str
    state: str
    figures: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def trouble(self) -> tuple[str, ...]:
        """What is wrong, what to do, and what was seen; empty if nothing is wrong."""
        if self.failure is None:
            return ()
        diagnosis = diagnose(self.failure)
        return diagnosis.problem, diagnosis.advice(self.failure), f"[{self.failure}]"


class Chain:
    """Tries one link after the other. `send` lets one test event go to the intake; times are in seconds."""

    def __init__(self, values: Values, version: str, *, send: bool, watch_s: float) -> None:
        clock = Clock()
        self._values = values
        self._send = send
        self._watch_s = watch_s
        self._tenant_clock = TenantClock(clock)
        self._transport = Transport(self._tenant_clock, version)
        self._transport.timeouts = TIMEOUTS_S
        self._tokens = build_tokens(self._transport, values.account, clock.monotonic)
        connector = values.connector
        self._api = AuditApi(self._transport, self._tokens, connector.api_base_url, connector.api_key)
        self._reading: Reading | None = None
        self._token: Token | None = None

    def links(self) -> Iterator[Link]:
        """The links, in the order in which they are tried."""
        account, connector = self._values.account, self._values.connector
        yield Link("identity", "CyberArk Identity", (), partial(self._meet, Service.IDENTITY, account.auth_base_url))
        yield Link("token", "Token", ("identity",), self._fetch_token)
        yield Link("clock", "Clock of this machine", ("token",), self._compare_clocks)
        yield Link("audit", "CyberArk Audit", (), partial(self._meet, Service.AUDIT, connector.api_base_url))
        yield Link("query", "Query", ("token", "audit"), self._open_query)
        yield Link("events", "Events of the last hour", ("query",), self._read)
        yield Link("late", "Events that come in now", ("events",), self._watch)
        if self._values.has_intake:
            yield Link("intake", "Intake", (), self._try_intake)

    def walk(self, working: Callable[[str], AbstractContextManager[object]]) -> Iterator[Outcome]:
        """Yield what becomes of each link; `working` shows which one is being tried."""
        broken: set[str] = set()
        for link in self.links():
            if broken.intersection(link.needs):
                outcome = Outcome(link.title, "untried")
            else:
                with working(link.title):
                    outcome = self._try(link)
            if outcome.state in ("bad", "untried"):
                broken.add(link.name)
            yield outcome

    def _try(self, link: Link) -> Outcome:
        figures: list[str] = []
        try:
            for figure in link.attempt():
                figures.append(figure)  # noqa: PERF402 - those before a failure count
        except Odd as odd:
            return Outcome(link.title, "odd", odd.figures, odd.failure)
        except CyberArkError as error:
            return Outcome(link.title, "bad", tuple(figures), error.failure)
        return Outcome(link.title, "good", tuple(figures))

    def _meet(self, service: Service, url: str) -> Iterable[str]:
        return self._in_time(service, url, lambda: list(meet(self._transport, service, url)))

    def _in_time(self, service: Service, url: str, call: Callable[[], T]) -> T:
        return within(LINK_WITHIN_S, call, TransientError(Failure(service, FailureKind.TIMEOUT, urlsplit(url).netloc)))

    def _fetch_token(self) -> Iterator[str]:
        url = self._values.account.auth_base_url
        token = self._in_time(Service.IDENTITY, url, self._tokens.token)
        lifetime_s = token.use_for_s + self._tokens.MARGIN_S
        yield f"{'an opaque token' if token.claims is None else 'a JWT'}, good for about {lifetime_s / 60:.0f} minutes"
        missing = token.missing()
        if token.claims is not None:
            for claim, what in (("scope", "scope"), ("aud", "aud"), ("tenant_id", "tenant_id")):
                yield f"{what}: missing" if claim in missing else f"{what}: {_claim(token, claim)}"
        if missing:
            raise ConfigurationError(
                Failure(Service.IDENTITY, FailureKind.TOKEN, urlsplit(url).netloc, ENDPOINT, missing=missing)
            )
        self._token = token

    def _compare_clocks(self) -> Iterator[str]:
        skew = self._tenant_clock.skew()
        figure = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the clock of CyberArk"
        if abs(skew) >= CLOCK_OFF_S:
            host = urlsplit(self._values.account.auth_base_url).netloc
            raise Odd(Failure(Service.IDENTITY, FailureKind.CLOCK, host, clock_skew=skew), [figure])
        yield figure

    def _open_query(self) -> Iterator[str]:
        connector = self._values.connector
        since_ms = self._tenant_clock.now_ms() - HISTORY_S * 1000
        started = time.monotonic()
        open_query = partial(self._api.open_query, since_ms, None, connector.chunk_size, {})
        cursor = self._in_time(Service.AUDIT, connector.api_base_url, open_query)
        yield f"opened in {time.monotonic() - started:.1f} s; the tenant takes the next one in a minute"
        fetch = partial(self._in_time, Service.AUDIT, connector.api_base_url)
        self._reading = Reading(lambda at: fetch(lambda: self._api.fetch(at)), cursor, self._tenant_clock.now_ms)

    def _read(self) -> Iterable[str]:
        return self._reading.to_the_end() if self._reading else ()

    def _watch(self) -> Iterable[str]:
        return self._reading.watch(self._watch_s) if self._reading else ()

    def _try_intake(self) -> Iterator[str]:
        server = self._values.connector.intake_server or ""
        yield from self._meet(Service.INTAKE, server)
        if not self._send:
            yield "a dry run: nothing was sent, and the key was not tried (--send sends one test event)"
            return
        sender, tenant_id = build_sender(self._values.connector), self._token.tenant_id if self._token else ""
        send = partial(send_test_event, sender, tenant_id, self._tenant_clock.now_ms())
        self._in_time(Service.INTAKE, server, send)
        yield "one test event was accepted; it is marked as such"


def _claim(token: Token, claim: str) -> str:
    claims = token.claims or {}
    value = claims.get(claim) or claims.get("scp" if claim == "scope" else claim)
    return value if isinstance(value, str) else " ".join(map(str, value or ()))
