"""The way that every request takes through the sandbox: faults before and after the service, then the ledger."""

from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Protocol, TypeAlias

from sandbox.http import Request, Response
from sandbox.ledger.ledger import Ledger

Core: TypeAlias = Callable[[Request], Response]


class Interference(Protocol):
    """What may come between a service and who calls it."""

    def advance(self) -> None:
        """Let time pass: begin and end what is due."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        """An answer in the service's place, which then never sees the request."""

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        """The service's answer, spoilt or not."""


class Middleware:
    """Answers requests for the services behind it. `interference` is set by whoever wants any."""

    def __init__(self, ledger: Ledger, now: Callable[[], float]) -> None:
        self.ledger = ledger
        self.interference: Interference | None = None
        self._now = now

    def answer(self, endpoint: str, request: Request, core: Core) -> Response:
        with self.ledger.lock:
            response, own = self._ask(endpoint, request, core)
            if own is not None and own.settle is not None:
                own.settle(response.status == own.status and response.ending == "complete")
            self.ledger.exchange(endpoint, request, _outcome(response))
        # The services' clock is read from this header, so it must tell the moment the answer leaves.
        date = formatdate(self._now() + response.delay, usegmt=True)
        return replace(response, headers={"Date": date, **response.headers}, settle=None)

    def _ask(self, endpoint: str, request: Request, core: Core) -> tuple[Response, Response | None]:
        """The answer that goes out, and the service's own when it was asked."""
        if self.interference is None:
            own = core(request)
            return own, own
        self.interference.advance()
        early = self.interference.before(endpoint, request)
        if early is not None:
            return early, None
        own = core(request)
        return self.interference.after(endpoint, request, own), own


def _outcome(response: Response) -> str:
    return str(response.status) if response.ending == "complete" else response.ending
