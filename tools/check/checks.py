"""The checks, one after the other, each with the connector's own code."""

import json
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

from cyberark_modules.audit_api import AuditApi
from cyberark_modules.audit_api.token import Token
from cyberark_modules.clock import Clock
from cyberark_modules.diagnosis import diagnose
from cyberark_modules.errors import ConfigurationError, CyberArkError, FailureKind, Service, Throttled, TransientError
from cyberark_modules.http import Http
from cyberark_modules.intake import send
from cyberark_modules.masking import masked
from tools.check.values import Values

ADDRESS_S, PUSH_S = 15.0, 30.0
# The Audit API accepts one query a minute.
MINUTE_S, PATIENCE_S, LONG_WAIT_S = 61.0, 75.0, 5.0
PAGE_SIZE = 500
HOUR_MS = 3_600_000
# Clocks that are set by network time differ by seconds.
CLOCK_OFF_S = 120.0

T = TypeVar("T")


class Screen:
    """Prints to the standard output, with secrets masked."""

    def say(self, text: str) -> None:
        """Print a text."""
        print(masked(text), flush=True)

    def outcome(self, outcome: str, name: str, text: str) -> None:
        """Print OK, FAILED or SKIPPED with the name of a check, and below it the text."""
        self.say(f"{outcome:<8} {name}")
        # Masked before it is wrapped: a secret over two lines would not be found.
        for line in textwrap.wrap(masked(text), 110, break_long_words=False, break_on_hyphens=False):
            self.say(f"         {line}")

    def wait(self, seconds: float, what: str) -> None:
        """Wait, and say so where it is long, e.g. "next query in 42 s"."""
        if seconds > LONG_WAIT_S:
            self.say(f"         {what} in {seconds:.0f} s")
        time.sleep(seconds)

    def patiently(self, call: Callable[[], T], pause_s: float, may_wait: Callable[[TransientError], bool]) -> T:
        """Return what the call returns; for a minute or so, make it again after a pause, or the Retry-After."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                return call()
            except TransientError as error:
                wait_s = min(error.retry_after or pause_s, MINUTE_S)
                if not may_wait(error) or time.monotonic() + wait_s > ends:
                    raise
            self.wait(wait_s, "next try")


class Skipped(Exception):
    """A check is not run; the text says how to have it run."""


@dataclass(frozen=True)
class Check:
    """A check by its name, and the checks that must be OK before; `run` returns what it found or raises."""

    name: str
    needs: tuple[str, ...]
    run: Callable[[], str]


class Checks:
    """Addresses, token, query, page, intake. `send` allows one test event to the intake."""

    def __init__(self, values: Values, screen: Screen, *, send: bool) -> None:
        self._values, self._screen, self._send = values, screen, send
        self.clock = Clock()
        self._http = Http(values.version, clock=self.clock)
        self._api = AuditApi(self._http, values.account, values.connector)
        self._token: Token | None = None
        self._cursor = ""

    def run(self) -> list[str]:
        """Run all checks, print the outcome of each, and return the outcomes: OK, FAILED, SKIPPED."""
        outcomes: dict[str, str] = {}
        for check in self._checks():
            before = [name for name in check.needs if outcomes[name] != "OK"]
            if before:
                outcome, text = "SKIPPED", f"“{before[0]}” must be OK first."
            else:
                outcome, text = self._outcome(check)
            outcomes[check.name] = outcome
            self._screen.outcome(outcome, check.name, text)
        return list(outcomes.values())

    def _checks(self) -> list[Check]:
        account, connector = self._values.account, self._values.connector
        server = connector.intake_server or ""
        return [
            Check("CyberArk Identity address", (), lambda: self._reach(Service.IDENTITY, account.auth_base_url)),
            Check("Token", ("CyberArk Identity address",), self._fetch_token),
            Check("CyberArk Audit address", (), lambda: self._reach(Service.AUDIT, connector.api_base_url)),
            Check("Query", ("Token", "CyberArk Audit address"), self._open_query),
            Check("Page", ("Query",), self._fetch_page),
            Check("Intake server", (), lambda: self._reach(Service.INTAKE, self._needs_key(server))),
            Check("Intake key", ("Intake server",), self._send_event),
        ]

    def _outcome(self, check: Check) -> tuple[str, str]:
        try:
            return "OK", check.run()
        except Skipped as skipped:
            return "SKIPPED", str(skipped)
        except CyberArkError as error:
            return "FAILED", diagnose(error.failure).text(error.failure)

    def _reach(self, service: Service, url: str) -> str:
        """Connect with verified TLS. No credential is sent; any answer will do."""
        try:
            self._http.post(service, url, "", {}, b"", ADDRESS_S)
        except CyberArkError as error:
            if error.failure.status is None:
                raise
        return f"{url} answers with a valid certificate."

    def _fetch_token(self) -> str:
        self._token = token = self._api.tokens.token()
        found = [f"Valid for {token.life_s / 60:.0f} minutes."]
        if missing := token.missing():
            # CyberArk Audit is the judge of a token: what it lacks matters if the query fails.
            found.append(f"It lacks {', '.join(missing)}.")
        ahead_s = self.clock.wall() - self.clock.now_ms() / 1000
        if abs(ahead_s) >= CLOCK_OFF_S:
            side = "ahead of" if ahead_s > 0 else "behind"
            found.append(f"This machine's clock is {abs(ahead_s):.0f} s {side} CyberArk's: correct it if it is wrong.")
        return " ".join(found)

    def _open_query(self) -> str:
        since_ms = self.clock.now_ms() - HOUR_MS
        try:
            self._cursor = self._patiently(lambda: self._api.open_query(since_ms, None, PAGE_SIZE, {}))
        except CyberArkError as error:
            if error.failure.status == 401 and (missing := self._missing()):
                raise ConfigurationError(replace(error.failure, kind=FailureKind.STATUS, missing=missing)) from None
            raise
        return "Opened for the last hour. CyberArk accepts the next one in a minute."

    def _fetch_page(self) -> str:
        events = self._patiently(lambda: self._api.fetch(self._cursor)).events
        if not events:
            return "No event in the last hour. To create one, sign in to CyberArk in a browser."
        newest_ms = max((event.time_ms for event in events if event.time_ms is not None), default=None)
        if newest_ms is None:
            return f"{len(events)} events, none of them with a timestamp."
        moment = datetime.fromtimestamp(newest_ms / 1000, UTC)
        return f"{len(events)} events, up to {moment:%Y-%m-%d %H:%M:%S} UTC."

    def _patiently(self, call: Callable[[], T]) -> T:
        return self._screen.patiently(call, MINUTE_S, self._may_wait)

    def _may_wait(self, error: TransientError) -> bool:
        """Return whether the API is throttling, or a node of it may not know the token yet."""
        return isinstance(error, Throttled) or (error.failure.kind is FailureKind.NEW_TOKEN and not self._missing())

    def _missing(self) -> tuple[str, ...]:
        return self._token.missing() if self._token else ()

    def _needs_key(self, url: str) -> str:
        if not self._values.has_intake:
            raise Skipped("No intake key is given. Enter it, or set SEKOIA_INTAKE_KEY.")
        return url

    def _send_event(self) -> str:
        if not self._send:
            raise Skipped("To check it, add --send: it sends one test event, marked as such.")
        connector, tenant_id = self._values.connector, self._token.tenant_id if self._token else ""
        event = {
            "uuid": str(uuid4()),
            "tenantId": tenant_id,
            "timestamp": self.clock.now_ms(),
            "username": "nobody",
            "applicationCode": "TEST",
            "auditCode": "TEST0000",
            "auditType": "Info",
            "action": "Test of the set-up",
            "message": "A test event, sent by `./dev check --send`. Nothing happened in CyberArk.",
            "customData": {},
        }
        send(self._http, f"{connector.intake_server}/batch", connector.intake_key, [json.dumps(event)], PUSH_S)
        return "The intake accepted one test event, which is marked as such."
