"""A CyberArk tenant: its Identity service, its Audit API, and the events it holds."""

from collections.abc import Callable
from math import inf
from pathlib import Path

from sandbox.events.orders import SEQUENCE_MASK
from sandbox.http import Request, Response
from sandbox.ledger.ledger import Ledger
from sandbox.middleware import Middleware
from sandbox.tenant.audit_api import CREATE_QUERY, RESULTS, AuditApi
from sandbox.tenant.identity import Identity
from sandbox.tenant.production import Delays, Production
from sandbox.tenant.replay import read_events
from sandbox.tenant.settings import AuditSettings, IdentitySettings, PageFailure


class Tenant:
    """Times are epoch seconds of the injected clock. All methods may be called from any thread."""

    def __init__(self, now: Callable[[], float], ledger: Ledger, middleware: Middleware, seed: int = 0) -> None:
        self.identity_settings = IdentitySettings()
        self.settings = AuditSettings()
        self.id = ledger.index.factory.tenant_id
        self._now = now
        self._middleware = middleware
        self._lock = ledger.lock
        self._index = ledger.index
        self._identity = Identity(self.identity_settings, self.id, now)
        self._audit = AuditApi(self.settings, self._identity, self._index, ledger, now)
        self._production = Production(self._index, now, seed)

    @property
    def delays(self) -> Delays:
        """How late live events arrive."""
        return self._production.delays

    def identity(self, request: Request) -> Response:
        return self._middleware.answer("token", request, self._identity.answer)

    def audit(self, request: Request) -> Response:
        self.catch_up()
        endpoint = {CREATE_QUERY: "query", RESULTS: "results"}.get(request.path, "audit-other")
        return self._middleware.answer(endpoint, request, self._audit.answer)

    def add(self, text: str | None = None, time: float | None = None, arrival: float | None = None) -> None:
        """One event, shown from `arrival` on (when it happens by default); a made one when no text is given."""
        with self._lock:
            time = self._now() if time is None else time
            self._index.add(time, time if arrival is None else arrival, text)

    def add_backlog(self, count: int, span_seconds: float) -> None:
        """Made events spread evenly over the last `span_seconds`, all of them shown."""
        with self._lock:
            now = self._now()
            self._index.add_past(count, now - span_seconds, now)

    def produce(self, events_per_second: float) -> None:
        """Make events from now on, at an even rate."""
        with self._lock:
            self._production.start(events_per_second)

    def stop_production(self) -> None:
        with self._lock:
            self._production.stop()

    def catch_up(self) -> None:
        """Put in what production has made by now."""
        with self._lock:
            self._production.catch_up()

    def replay(self, file: Path) -> int:
        """Every line of a JSON lines file, as it is, at its own time; returns how many different lines there are.

        What is older than the retention is not shown: to show an old file, move the sandbox's clock to its end.
        """
        with self._lock:
            before = len(self._index)
            for time, text in read_events(file, self._now()):
                self._index.add(time, min(time, self._now()), text)
            return len(self._index) - before

    def issued_tokens(self) -> list[str]:
        """Every token that was issued and not revoked."""
        with self._lock:
            return self._identity.issued_tokens()

    def revoke_tokens(self) -> None:
        """Every token issued until now is refused from now on."""
        with self._lock:
            self._identity.revoke_tokens()

    def refuse_cursors(self) -> None:
        """Every cursor of a query opened until now is refused from now on."""
        with self._lock:
            self._audit.refuse_cursors()

    def fail_page_of(self, sequence: int, how: PageFailure = "500", seconds: float = inf) -> None:
        """No page that this event is in can be served, of whatever size, for so long."""
        with self._lock:
            self._audit.fail_page_of(sequence, how, self._now() + seconds)

    def heal_pages(self) -> None:
        """Every page can be served again."""
        with self._lock:
            self._audit.heal_pages()

    def failing_events(self) -> list[int]:
        """The events whose pages cannot be served now."""
        with self._lock:
            return self._audit.failing_events()

    def event_at(self, time: float) -> int | None:
        """The first event of that time (epoch seconds) or a later one."""
        with self._lock:
            keys = self._index.by_time()
            place = keys.from_time(int(time * 1000))
            return keys.keys[place] & SEQUENCE_MASK if place < len(keys.keys) else None

    def use_up_the_minute(self) -> None:
        """Another integration of this tenant opens a query now."""
        with self._lock:
            self._audit.use_up_the_minute()
