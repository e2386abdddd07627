"""One POST: verified TLS, no redirect, bounded waits, and every way to fail turned into this module's errors."""

import json
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import InvalidHeader, MaxRetryError, NameResolutionError
from urllib3.util import Retry

from ..clock import TenantClock, http_date
from ..errors import ClientError, Failure, FailureKind, Service, Throttled, TransientError

INTEGRATION = "Sekoia CyberArk Audit"
VENDOR = "Sekoia.io"
# Seven streams and a token request at once; a larger pool costs nothing.
POOL_SIZE = 16
# What AWS's API gateway, which serves the Audit API, answers to a call that it does not know; the second message
# continues with the credential that it was sent.
UNKNOWN_CALL = ("Missing Authentication Token", "Invalid key=value pair")
# OpenSSL's X509_V_ERR_*: not yet valid, expired; another host name, another address.
_CERTIFICATE_KINDS = {
    9: FailureKind.CERTIFICATE_DATE,
    10: FailureKind.CERTIFICATE_DATE,
    62: FailureKind.CERTIFICATE_HOST,
    64: FailureKind.CERTIFICATE_HOST,
}
_NOT_JSON = object()
Observer = Callable[[str, str, float], None]


@dataclass(frozen=True)
class Answer:
    """A complete answer with status 200 or 204; `failure` is what to report when its content cannot be used."""

    body: bytes = field(repr=False)
    failure: Failure

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises TransientError when it is something else."""
        value = _parsed(self.body)
        if isinstance(value, dict):
            return value
        raise self.unusable(FailureKind.NOT_JSON if value is _NOT_JSON else FailureKind.SHAPE)

    def unusable(self, kind: FailureKind) -> TransientError:
        """Return the error of an answer that cannot be used."""
        return TransientError(replace(self.failure, kind=kind))


class Transport:
    """A session of kept-alive connections. Certificates are verified against `REQUESTS_CA_BUNDLE` or certifi.

    Thread-safe. `observe(endpoint, outcome, seconds)` is told of each request; `timeouts` are those to connect and
    between two reads (s).
    """

    CONNECT_TIMEOUT_S = 10.0
    READ_TIMEOUT_S = 30.0

    def __init__(self, tenant_clock: TenantClock, version: str, observe: Observer = lambda *_: None) -> None:
        self.tenant_clock = tenant_clock
        self._observe = observe
        self.timeouts = (self.CONNECT_TIMEOUT_S, self.READ_TIMEOUT_S)
        # How integrations identify themselves to CyberArk's services.
        telemetry = f"in={INTEGRATION}&it=SIEM&iv={version}&vn={VENDOR}"
        self.session = requests.Session()
        self.session.mount("https://", HTTPAdapter(pool_maxsize=POOL_SIZE))
        self.session.headers.update(
            {
                "User-Agent": f"sekoiaio-connector/cyberark-{version}",
                "Accept": "application/json",
                "x-cybr-telemetry": b64encode(telemetry.encode()).decode(),
            }
        )

    def post(
        self, service: Service, url: str, endpoint: str, auth: AuthBase, body: bytes, content_type: str
    ) -> Answer:
        """Post that body and return the answer.

        Raises Throttled (429), TransientError (5xx, 408, 413, anything on the network), ClientError (other statuses).
        A redirect is a ClientError: it is never followed, so that no credential reaches another host.
        """
        failure = Failure(service, FailureKind.STATUS, urlsplit(url).netloc, endpoint)
        started, outcome = time.monotonic(), "error"
        try:
            response = self.session.post(
                url,
                data=body,
                headers={"Content-Type": content_type},
                auth=auth,
                timeout=self.timeouts,
                allow_redirects=False,
                stream=True,
            )
            if response.status_code == 200:
                # Before the body, which may take long. An error may come from a gateway with a clock of its own.
                self.tenant_clock.observe(response.headers.get("Date"), service is Service.AUDIT)
            # At once: the library's own way, ten kilobytes at a time, takes three times as long.
            content = b"".join(response.iter_content(None))
            outcome = str(response.status_code)
        except OSError as error:  # requests' own errors, and a file of authorities that it cannot read
            failure = replace(failure, kind=kind_of(error))
        finally:
            self._observe(endpoint, outcome, time.monotonic() - started)
        if failure.kind is not FailureKind.STATUS:
            # Outside of the handler: the library's error holds the request, credentials included, and `from None`
            # only hides it from tracebacks.
            raise TransientError(failure)
        return _judge(response.status_code, response.headers, content, failure)


def _judge(status: int, headers: Mapping[str, str], body: bytes, failure: Failure) -> Answer:
    failure = replace(failure, status=status)
    if status in (200, 204):
        return Answer(body, failure)
    pause = retry_after(headers.get("Retry-After"), headers.get("Date"))
    if status == 429:
        raise Throttled(failure, pause)
    if status >= 500 or status in (408, 413):
        raise TransientError(failure, pause)
    if status < 400:
        raise ClientError(replace(failure, kind=FailureKind.REDIRECT if status >= 300 else FailureKind.SHAPE))
    raise ClientError(_with_reason(failure, body))


def _with_reason(failure: Failure, body: bytes) -> Failure:
    """Add the OAuth2 error fields, which name a mistake and hold no credential; the rest of a body is not kept."""
    fields = _parsed(body)
    if fields is _NOT_JSON:
        return replace(failure, kind=FailureKind.NOT_JSON)
    if not isinstance(fields, dict):
        return failure
    error, description, message = (str(fields.get(name)) for name in ("error", "error_description", "message"))
    if re.fullmatch("[a-z_]{1,60}", error):
        words = " ".join(description[:200].split()) if "error_description" in fields else ""
        return replace(failure, error=error, description=words)
    return replace(failure, error=next((words for words in UNKNOWN_CALL if message.startswith(words)), ""))


def _parsed(body: bytes) -> Any:
    # Nothing is raised from here: a JSON error holds the text that it is about, an access token for one.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def kind_of(error: Exception) -> FailureKind:
    """Return what an error of the HTTP library means."""
    if isinstance(error, requests.exceptions.SSLError):
        return _kind_of_tls(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return FailureKind.PROXY
    if isinstance(error, requests.exceptions.Timeout):
        return FailureKind.TIMEOUT
    cause: Any = error.args[0] if error.args else None
    if isinstance(getattr(cause, "reason", None), NameResolutionError):
        return FailureKind.NAME
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return FailureKind.TRUST_STORE
    return FailureKind.CONNECTION


def _kind_of_tls(error: BaseException) -> FailureKind:
    """Look for OpenSSL's own error among those that wrap one another."""
    cause: object = error
    while isinstance(cause, BaseException):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATE_KINDS.get(cause.verify_code, FailureKind.CERTIFICATE_AUTHORITY)
        if isinstance(cause, ssl.SSLError) and cause.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
            return FailureKind.TRUST_STORE
        cause = cause.reason if isinstance(cause, MaxRetryError) else next(iter(cause.args), None)
    return FailureKind.TLS


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, given as such or as a date (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date` where there is one: this machine's clock may be wrong.
    """
    if not value:
        return None
    until, now = http_date(value), http_date(date)
    if until is not None and now is not None:
        return max(0.0, until - now)
    try:
        return float(Retry().parse_retry_after(value))
    except (InvalidHeader, ValueError, OverflowError):
        return None
