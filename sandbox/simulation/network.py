"""What stands in the place of the network: requests go to the sandbox's environment, and take virtual time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from sandbox.environment import Environment, Service
from sandbox.http import Request, Response
from sandbox.simulation.timeline import Group, Killed, Timeline

HOSTS: Mapping[str, Service] = {
    "identity.simulation": "identity",
    "audit.simulation": "audit",
    "intake.simulation": "intake",
}
_MOST_REQUESTS_AT_ONCE = 20_000
Observer = Callable[[Service, Request, Response], None]


@dataclass
class Latency:
    """Seconds on the way to a service and back, beside the time that it takes to answer."""

    there: float = 0.02
    back: float = 0.02


@dataclass
class _Kill:
    requests_left: int
    service: Service | None
    after: bool
    late: float | None


class Network(BaseAdapter):
    """The transport of every session of a simulated process. `observe` is told of each exchange as the service saw it.

    `is_sender_dead`: the process that sent the request which is served now has ended meanwhile.

    A caller that does not let any time pass between its requests, for very many of them, is stopped by an error.
    """

    def __init__(self, timeline: Timeline, environment: Environment, latency: Latency, observe: Observer) -> None:
        super().__init__()
        self.latency = latency
        self.requests = 0
        self.is_sender_dead = False
        self._timeline = timeline
        self._environment = environment
        self._observe = observe
        self._kill: _Kill | None = None
        self._requests_at_once = 0
        self._last_request = 0.0

    def kill_at_request(
        self, number: int, service: Service | None = None, *, after: bool, late: float | None = None
    ) -> None:
        """Kill the process at its request of that number from now (1: the next), before or after it has its effect.

        With `late`, it is killed before, and the request has its effect so many seconds afterwards.
        """
        self._kill = _Kill(number, service, after, late)

    def forget_kill(self) -> None:
        self._kill = None

    def request(
        self, session: requests.Session, method: str, url: str, data: Any, timeout: Any, auth: Any = None, **more: Any
    ) -> requests.Response:
        """In the place of the session's own, which merges what no simulation has: cookies, proxies."""
        request = requests.PreparedRequest()
        request.method, request.url = method, url
        request.headers = CaseInsensitiveDict({**session.headers, **more.get("headers", {})})
        request.prepare_body(data, None)
        request.prepare_auth(auth, url)
        return self.send(request, timeout=timeout)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        service = HOSTS[str(parts.hostname)]
        self._count()
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
        asked = Request(request.method or "", parts.path, headers, body)
        kill, sender, responses = self._kill_due(service), self._sender(), list[Response]()
        serve = partial(self._serve, service, asked, sender, responses)
        if kill is not None and not kill.after:
            if kill.late is not None:
                self._timeline.at(self._timeline.now + kill.late, serve)
            raise Killed
        # What was sent arrives, whatever becomes of who sent it.
        self._timeline.at(self._timeline.now + self.latency.there, serve)
        self._timeline.advance_to(float("inf"), lambda: bool(responses))
        if kill is not None:
            raise Killed
        response = responses[0]
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        return self._carry(request, response, float(patience))

    def close(self) -> None:
        """Nothing is kept open."""

    def _serve(self, service: Service, asked: Request, sender: Group | None, responses: list[Response]) -> None:
        self.is_sender_dead = sender is not None and sender.is_dying
        response = self._environment.answer(service, asked)
        self._observe(service, asked, response)
        responses.append(response)

    @staticmethod
    def _sender() -> Group | None:
        task = Timeline.current()
        return None if task is None else task.group

    def _carry(self, request: requests.PreparedRequest, response: Response, patience: float) -> requests.Response:
        if response.ending == "hang" or response.delay + self.latency.back > patience:
            self._timeline.advance(patience)
            raise requests.ReadTimeout("no answer in time", request=request)
        self._timeline.advance(response.delay + self.latency.back)
        if response.ending == "reset":
            raise requests.ConnectionError("the connection was reset", request=request)
        if response.ending == "cut":
            raise requests.exceptions.ChunkedEncodingError("the connection was cut", request=request)
        answer = requests.Response()
        answer.status_code = response.status
        answer.headers = CaseInsensitiveDict(response.headers)
        answer._content = response.body
        answer._content_consumed = True  # type: ignore[attr-defined]
        answer.url = request.url or ""
        answer.request = request
        return answer

    def _count(self) -> None:
        self.requests += 1
        self._requests_at_once = self._requests_at_once + 1 if self._timeline.now == self._last_request else 0
        self._last_request = self._timeline.now
        if self._requests_at_once > _MOST_REQUESTS_AT_ONCE:
            spins = AssertionError(f"{_MOST_REQUESTS_AT_ONCE} requests in no time: the connector spins")
            self._timeline.fail(spins)
            raise Killed

    def _kill_due(self, service: Service) -> _Kill | None:
        kill = self._kill
        if kill is None or kill.service not in (None, service):
            return None
        kill.requests_left -= 1
        if kill.requests_left > 0:
            return None
        self._kill = None
        return kill
