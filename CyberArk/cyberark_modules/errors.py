"""The errors of this module, named for what the caller does with them, and the failure that each of them reports."""

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """The party that a request was addressed to."""

    IDENTITY = "CyberArk Identity"
    AUDIT = "CyberArk Audit"
    INTAKE = "Sekoia intake"


class FailureKind(StrEnum):
    """What was seen when a request failed, or when its answer could not be used."""

    STATUS = "the service answered with an error status"
    NOT_JSON = "the answer is not JSON"
    SHAPE = "the answer is JSON with an unexpected structure"
    NOT_INTAKE = "the answer does not come from a Sekoia intake"
    REDIRECT = "the service redirected the request"
    NAME = "the host name cannot be resolved"
    CERTIFICATE_AUTHORITY = "the certificate is issued by an authority that is not trusted here"
    CERTIFICATE_HOST = "the certificate is issued for another host"
    CERTIFICATE_DATE = "the certificate has expired or is not valid yet"
    TRUST_STORE = "the file of trusted certificates cannot be read"
    TLS = "the TLS handshake failed"
    PROXY = "the proxy refused the connection or did not answer"
    CONNECTION = "the connection was refused or broken"
    TIMEOUT = "no answer in time"
    TOKEN = "the token lacks a claim"  # noqa: S105
    CLOCK = "this machine's clock differs from the service's"
    NO_PASSWORD = "no password is configured"  # noqa: S105


@dataclass(frozen=True)
class Failure:
    """What was seen of a failed call: the input of a diagnosis. Holds no secret and no body.

    `status` is the HTTP status. `error` and `description` are the OAuth2 fields of an error answer (RFC 6749, 5.2).
    `missing` names what a token should hold and does not (`jwt`, `scope`, `aud`, `tenant_id`), or the `suffix` that a
    login name usually has. `clock_skew` is how many seconds this machine's clock is ahead of the service's.
    """

    service: Service
    kind: FailureKind
    host: str = ""
    endpoint: str = ""
    status: int | None = None
    error: str = ""
    description: str = ""
    missing: tuple[str, ...] = ()
    clock_skew: float = 0.0

    def __str__(self) -> str:
        status = "" if self.status is None else f"HTTP {self.status}"
        seen = status if status and self.kind is FailureKind.STATUS else ", ".join(filter(None, [status, self.kind]))
        words = " ".join(part for part in (self.error, self.description) if part)
        details = [words, f"without {', '.join(self.missing)}" if self.missing else ""]
        if minutes := round(abs(self.clock_skew) / 60):
            details.append(f"clock {minutes} min {'ahead' if self.clock_skew > 0 else 'behind'}")
        where = f" ({self.host}{self.endpoint})" if self.host else ""
        return ": ".join([f"{self.service}{where}", seen, *filter(None, details)])


class CyberArkError(Exception):
    """Base of every error that this module raises about a service."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class TransientError(CyberArkError):
    """Make the same call again after a pause. `retry_after` is the pause that the service asked for (s)."""

    def __init__(self, failure: Failure, retry_after: float | None = None) -> None:
        super().__init__(failure)
        self.retry_after = retry_after


class Throttled(TransientError):
    """HTTP 429: make the same call again after a pause, and space the following ones further apart."""


class CursorExpired(CyberArkError):
    """The cursor is expired or refused: open a new query."""


class ConfigurationError(CyberArkError):
    """Only a person can resolve it (a credential, a permission, an address): try again, at long intervals."""


class ClientError(ConfigurationError):
    """An error status other than the transient ones; the caller knows what its endpoint means by `status`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.status = failure.status


class StateUnreadable(Exception):
    """The stored checkpoint exists and cannot be read now (storage down, permissions): this is not a first run."""


class StateUnwritable(Exception):
    """The checkpoint could not be written: a restart delivers again what was delivered since the last write."""


class StateTaken(Exception):
    """Another, newer instance of the connector writes this checkpoint: stop."""
