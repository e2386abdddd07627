"""One POST: verified TLS, no redirect, a deadline for the whole call, and what the answer means.

The only file that imports `requests`, whose own time-out is one between two reads: an answer that trickles has none.
"""

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from io import BytesIO
from threading import Lock, Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.exceptions import ProxyError, SSLError
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from .clock import Clock, http_date
from .errors import ClientError, Failure, FailureKind, Service, Throttled, TransientError

# Deadlines (s): of a token, of a query that is opened, of a page of results, of a push to the intake.
TOKEN_S, QUERY_S, PAGE_S, PUSH_S = 30.0, 60.0, 30.0, 120.0
CONNECT_S = 10.0
# The longest pause (s) that a `Retry-After` is believed.
LONGEST_RETRY_AFTER_S = 900.0
# Firewalls drop an idle connection without notice to either side, some after 20 s.
IDLE_S = 15.0
# What an error of the library means, by its type and by words in it; the special ones first.
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, FailureKind], ...] = (
    (ProxyError, "", FailureKind.PROXY),
    (requests.ConnectionError, "Failed to resolve", FailureKind.NAME),
    (SSLError, "certificate is not valid for", FailureKind.CERTIFICATE_HOST),
    (SSLError, "certificate (has expired|is not yet valid)", FailureKind.CERTIFICATE_DATE),
    (SSLError, "CERTIFICATE_VERIFY_FAILED", FailureKind.CERTIFICATE_AUTHORITY),
    (SSLError, "NO_CERTIFICATE_OR_CRL_FOUND", FailureKind.TRUST_STORE),
    (SSLError, "", FailureKind.TLS),
    ((requests.Timeout, ReadTimeoutError, TimeoutError), "", FailureKind.TIMEOUT),
    (DecodeError, "", FailureKind.SHAPE),
    ((requests.RequestException, HTTPError), "", FailureKind.CONNECTION),
    (OSError, "", FailureKind.TRUST_STORE),  # it does not exist: the one error that the library does not make its own
)
# A service may repeat a credential in its error: only these words of one are kept. RFC 6749, 4.1.2.1 and 5.2.
_OAUTH2_ERROR = re.compile(
    "invalid_(request|client|grant|scope)|unauthorized_client|unsupported_grant_type|access_denied|server_error"
)
_UNKNOWN_APP = "unknown app"
T = TypeVar("T")
Observer = Callable[[str, str, float], None]


@dataclass(frozen=True)
class Answer:
    """A complete answer with status 200 or 204; `failure` is what to report when its content cannot be used."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    failure: Failure

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises TransientError when it is something else."""
        value = _parsed(self.body)
        if isinstance(value, dict):
            return value
        raise self.unusable(FailureKind.NOT_JSON if value is None else FailureKind.SHAPE)

    def unusable(self, kind: FailureKind = FailureKind.SHAPE) -> TransientError:
        """Return the error of an answer that cannot be used."""
        return TransientError(replace(self.failure, kind=kind))


class Http:
    """Posts with connections that are kept alive, one call at a time in each. Thread-safe.

    `observe(endpoint, outcome, seconds)` follows each call; the outcome is its status, or `error`. Certificates are
    verified against `REQUESTS_CA_BUNDLE` or certifi.
    """

    def __init__(self, version: str, observe: Observer = lambda *_: None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self._observe = observe
        self._headers = {"User-Agent": f"sekoiaio-connector/cyberark-{version}", "Accept": "application/json"}
        # How integrations identify themselves to CyberArk's services.
        telemetry = f"in=Sekoia CyberArk Audit&it=SIEM&iv={version}&vn=Sekoia.io"
        self._telemetry = {"x-cybr-telemetry": b64encode(telemetry.encode()).decode()}
        self._lock = Lock()
        self._idle: list[tuple[float, tuple[str, str], requests.Session]] = []  # since when (monotonic, s), where to

    def post(
        self, service: Service, url: str, endpoint: str, headers: Mapping[str, str], body: bytes, deadline_s: float
    ) -> Answer:
        """Post that body and return the answer, within `deadline_s` whatever the service does.

        Raises Throttled (429), TransientError (5xx, 408, 413, anything on the network), ClientError (other statuses).
        A redirect is a ClientError: it is never followed, so that no credential reaches another host.
        """
        failure = Failure(service, FailureKind.STATUS, urlsplit(url).netloc, endpoint)
        sent = {**self._headers, **({} if service is Service.INTAKE else self._telemetry), **headers}
        monotonic = self.clock.monotonic
        started, outcome = monotonic(), "error"
        try:
            status, received, content = self.within(deadline_s, lambda: self.exchange(url, sent, body, deadline_s))
            outcome = str(status)
        except (OSError, HTTPError) as error:
            kinds = (kind for of, words, kind in _KINDS if isinstance(error, of) and re.search(words, str(error)))
            failure = replace(failure, kind=next(kinds))
        finally:
            self._observe(endpoint, outcome, monotonic() - started)
        if failure.kind is not FailureKind.STATUS:
            with self._lock:
                self._idle = []  # after a failure, no connection is trusted
            # Outside of the handler: the library's error holds the credentials, and `from None` would only hide it.
            raise TransientError(failure)
        if status == 200 and service is not Service.INTAKE:
            # An error may come from a gateway with a clock of its own.
            self.clock.observe(received.get("Date"), service is Service.AUDIT)
        return _judged(Answer(status, received, content, replace(failure, status=status)))

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        """Return what the call returns, or raise what it raises; raise TimeoutError when it takes longer than that."""
        return in_daemon_thread(call).result(seconds)

    def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Post, and return the status, the headers and the body. Raises OSError, and urllib3's errors of a body."""
        end = time.monotonic() + deadline_s
        origin = urlsplit(url)[:2]
        with self._lock:
            fresh = [one for one in self._idle if time.monotonic() - one[0] < IDLE_S]
            taken = next((one for one in reversed(fresh) if one[1] == origin), None)
            self._idle = [one for one in fresh if one is not taken]
        session = taken[2] if taken else requests.Session()
        response = session.post(
            url,
            data=body,
            headers=headers,
            auth=lambda request: request,  # or the library puts a `.netrc` entry in the place of our credentials
            timeout=(min(CONNECT_S, deadline_s), deadline_s),
            allow_redirects=False,
            stream=True,
        )
        content = BytesIO()  # which gives its content without a copy
        while part := response.raw.read1(1 << 15, decode_content=True):
            content.write(part)
            if time.monotonic() > end:  # this thread is not to outlive its call by much
                response.close()
                raise TimeoutError("the body takes too long")
        if response.status_code in (200, 204, 429):
            # After any other status the next connection may reach another node. What is dropped closes itself.
            with self._lock:
                self._idle.append((time.monotonic(), origin, session))
        return response.status_code, response.headers, content.getvalue()


def in_daemon_thread(call: Callable[[], T]) -> Future[T]:
    """Start the call in a thread of its own, which does not keep a stopped process waiting; return its future."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # handed to whoever asks for the result
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` asks for, given as such or as a date (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date` where there is one: this machine's clock may be wrong.
    """
    value, now = headers.get("Retry-After", "").strip(), http_date(headers.get("Date"))
    if value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    until = http_date(value)
    asked_s = 0.0 if until is None else until - (time.time() if now is None else now)
    return None if until is None else min(max(0.0, asked_s), LONGEST_RETRY_AFTER_S)


def _judged(answer: Answer) -> Answer:
    """Return the answer if it is one to use. Raises Throttled, TransientError, ClientError by its status."""
    status, failure = answer.status, answer.failure
    if status in (200, 204):
        return answer
    if status == 429:
        raise Throttled(failure, retry_after(answer.headers))
    if status >= 500 or status in (408, 413):
        raise TransientError(failure, retry_after(answer.headers))
    if status < 400:
        raise ClientError(replace(failure, kind=FailureKind.REDIRECT if status >= 300 else FailureKind.SHAPE))
    fields = _parsed(answer.body)
    if not isinstance(fields, dict):
        raise ClientError(replace(failure, kind=FailureKind.NOT_JSON if fields is None else failure.kind))
    error = str(fields.get("error", ""))
    if _UNKNOWN_APP in str(fields.get("error_description")).lower():
        error = _UNKNOWN_APP
    elif not _OAUTH2_ERROR.fullmatch(error):
        error = "other_error" if error.isidentifier() else ""
    raise ClientError(replace(failure, error=error))


def _parsed(body: bytes) -> Any:
    """Return the JSON value; None for anything else, without an error: one would hold the text, maybe a token."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
