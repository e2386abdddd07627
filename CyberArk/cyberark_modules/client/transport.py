"""One POST: verified TLS, no redirect, bounded time, and every way to fail turned into this module's errors."""

import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, NameResolutionError

from ..clock import TenantClock
from ..errors import Evidence, PersonNeeded, Service, Sign, Throttled, TryLater

INTEGRATION = "Sekoia CyberArk Audit"
VENDOR = "Sekoia.io"
# What an API gateway of AWS, where the Audit API lives, says of a call that it does not know; the second one goes on
# with the credential that it was sent.
NO_SUCH_CALL = ("Missing Authentication Token", "Invalid key=value pair")
# By OpenSSL's X509_V_ERR_*: not yet valid, expired; another host name, another address.
_CERTIFICATE_SIGNS = {
    9: Sign.CERTIFICATE_DATE,
    10: Sign.CERTIFICATE_DATE,
    62: Sign.CERTIFICATE_HOST,
    64: Sign.CERTIFICATE_HOST,
}
Observer = Callable[[str, str, float], None]


@dataclass(frozen=True)
class Answer:
    """A complete answer with status 200; `evidence` is what to report when its content cannot be used."""

    body: bytes = field(repr=False)
    evidence: Evidence

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises TryLater when it is something else."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise self.unusable(Sign.NOT_JSON) from None
        if not isinstance(value, dict):
            raise self.unusable(Sign.SHAPE)
        return value

    def unusable(self, sign: Sign) -> TryLater:
        """Return the error of an answer that cannot be used."""
        return TryLater(_signed(self.evidence, sign))


def _signed(evidence: Evidence, sign: Sign) -> Evidence:
    return Evidence(evidence.service, sign, evidence.host, evidence.endpoint, evidence.status)


class Refused(PersonNeeded):
    """An error status other than those that time mends; the caller knows what its endpoint means by it."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self.status = evidence.status


class Transport:
    """A session of kept-alive connections. Certificates are verified against `REQUESTS_CA_BUNDLE` or certifi.

    `observe(endpoint, outcome, seconds)` is told of each request.
    """

    CONNECT_TIMEOUT_S = 10.0
    READ_TIMEOUT_S = 30.0

    def __init__(self, tenant_clock: TenantClock, version: str, observe: Observer = lambda *_: None) -> None:
        self._tenant_clock = tenant_clock
        self._observe = observe
        self.timeouts = (self.CONNECT_TIMEOUT_S, self.READ_TIMEOUT_S)
        # How integrations identify themselves to CyberArk's services.
        telemetry = f"in={INTEGRATION}&it=SIEM&iv={version}&vn={VENDOR}"
        self.session = requests.Session()
        self.session.headers.update(
            {
                "User-Agent": f"sekoiaio-connector/cyberark-{version}",
                "Accept": "application/json",
                "x-cybr-telemetry": b64encode(telemetry.encode()).decode(),
            }
        )

    def post(
        self,
        service: Service,
        url: str,
        endpoint: str,
        auth: AuthBase,
        *,
        form: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Post a form or a JSON document and return the answer.

        Raises Throttled (429), TryLater (5xx, 408, 413, anything on the network), Refused (other statuses, redirects
        included: they are never followed, so that no credential travels to another host).
        """
        evidence = Evidence(service, Sign.STATUS, urlsplit(url).netloc, endpoint)
        started, outcome = time.monotonic(), "error"
        try:
            response = self.session.post(
                url,
                data=form if json is None else orjson.dumps(json),
                headers={"Content-Type": "application/x-www-form-urlencoded" if json is None else "application/json"},
                auth=auth,
                timeout=self.timeouts,
                allow_redirects=False,
                stream=True,
            )
            if response.status_code == 200:
                # Now: the body may take long. Only from the service itself: a gateway has a clock of its own.
                self._tenant_clock.observe(response.headers.get("Date"), service is Service.AUDIT)
            # At once: the library's own way, ten kilobytes at a time, takes three times as long.
            body = b"".join(response.iter_content(None))
            outcome = str(response.status_code)
        except OSError as error:  # requests' own errors, and a file of authorities that it cannot read
            # `from None`: the library's error holds the request, and so the credentials.
            raise TryLater(_signed(evidence, sign_of(error))) from None
        finally:
            self._observe(endpoint, outcome, time.monotonic() - started)
        return _judge(response, body, evidence)


def _judge(response: requests.Response, body: bytes, evidence: Evidence) -> Answer:
    status = response.status_code
    evidence = Evidence(evidence.service, Sign.STATUS, evidence.host, evidence.endpoint, status)
    if status == 200:
        return Answer(body, evidence)
    if status == 429:
        raise Throttled(evidence, retry_after(response.headers.get("Retry-After"), response.headers.get("Date")))
    if status >= 500 or status in (408, 413):
        raise TryLater(evidence, retry_after(response.headers.get("Retry-After"), response.headers.get("Date")))
    if status < 400:
        raise Refused(_signed(evidence, Sign.REDIRECT if status >= 300 else Sign.SHAPE))
    raise Refused(_with_reason(evidence, body))


def _with_reason(evidence: Evidence, body: bytes) -> Evidence:
    """Add the OAuth2 error fields, which name a mistake and hold no credential; the rest of a body is not kept."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _signed(evidence, Sign.NOT_JSON)
    if not isinstance(fields, dict):
        return evidence
    error, description, message = (str(fields.get(name)) for name in ("error", "error_description", "message"))
    if re.fullmatch("[a-z_]{1,60}", error):
        words = " ".join(description[:200].split()) if "error_description" in fields else ""
        return replace(evidence, error=error, description=words)
    return replace(evidence, error=next((words for words in NO_SUCH_CALL if message.startswith(words)), ""))


def sign_of(error: Exception) -> Sign:
    """Return what an error of the HTTP library means."""
    if isinstance(error, requests.exceptions.SSLError):
        return _sign_of_tls(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return Sign.PROXY
    if isinstance(error, requests.exceptions.Timeout):
        return Sign.TIMEOUT
    cause: Any = error.args[0] if error.args else None
    if isinstance(getattr(cause, "reason", None), NameResolutionError):
        return Sign.NAME
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return Sign.TRUST_STORE
    return Sign.CONNECTION


def _sign_of_tls(error: BaseException) -> Sign:
    """Look for OpenSSL's own words in the errors that wrap one another."""
    cause: object = error
    while isinstance(cause, BaseException):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATE_SIGNS.get(cause.verify_code, Sign.CERTIFICATE_AUTHORITY)
        if isinstance(cause, ssl.SSLError) and cause.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
            return Sign.TRUST_STORE
        cause = cause.reason if isinstance(cause, MaxRetryError) else next(iter(cause.args), None)
    return Sign.TLS


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, given as such or as a date (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date` where there is one: this machine's clock may be off.
    """
    if not value:
        return None
    try:
        return max(0.0, float(value)) if value.strip().replace(".", "", 1).isdigit() else _until(value, date)
    except (ValueError, TypeError, OverflowError):
        return None


def _until(value: str, date: str | None) -> float:
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
