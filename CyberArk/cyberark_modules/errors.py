"""The errors of this module, named for what the caller does with them."""

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """The party that a request was addressed to."""

    IDENTITY = "CyberArk Identity"
    AUDIT = "CyberArk Audit"
    INTAKE = "Sekoia intake"


class Sign(StrEnum):
    """What was seen when a request failed, or when its answer could not be used."""

    STATUS = "the service answered with an error status"
    NOT_JSON = "the answer is not JSON"
    SHAPE = "the answer is JSON of an unexpected shape"
    REDIRECT = "the service redirected the request"
    NAME = "the host name cannot be resolved"
    CERTIFICATE_AUTHORITY = "the certificate comes from an authority that is not trusted here"
    CERTIFICATE_HOST = "the certificate is made out to another host"
    CERTIFICATE_DATE = "the certificate has expired or is not valid yet"
    TRUST_STORE = "the file of trusted certificates cannot be read"
    TLS = "no TLS connection can be made"
    PROXY = "the proxy refused or did not answer"
    CONNECTION = "the connection was refused or broken"
    TIMEOUT = "no answer in time"
    TOKEN = "the token does not hold what it should"  # noqa: S105
    CLOCK = "this machine's clock differs from the service's"
    NO_PASSWORD = "no password is configured"  # noqa: S105
    NOT_INTAKE = "the answer is not that of a Sekoia intake"


@dataclass(frozen=True)
class Evidence:
    """What a diagnosis is made from. Carries no secret and no body.

    `status` is the HTTP status; `error` and `description` are the OAuth2 fields of an error answer (RFC 6749, 5.2);
    `missing` names what a token should hold and does not: `jwt`, `scope`, `aud` or `tenant_id`, or the `suffix` that
    the login name should have; `clock_skew` is how many seconds this machine's clock is ahead of the service's.
    """

    service: Service
    sign: Sign
    host: str = ""
    endpoint: str = ""
    status: int | None = None
    error: str = ""
    description: str = ""
    missing: tuple[str, ...] = ()
    clock_skew: float = 0.0

    @property
    def kind(self) -> Sign:
        """Return what was seen."""
        return self.sign

    def __str__(self) -> str:
        status = "" if self.status is None else f"HTTP {self.status}"
        seen = status if status and self.sign is Sign.STATUS else ", ".join(filter(None, [status, self.sign]))
        words = " ".join(part for part in (self.error, self.description) if part)
        details = [words, f"without {', '.join(self.missing)}" if self.missing else ""]
        if minutes := round(abs(self.clock_skew) / 60):
            details.append(f"clock {minutes} min {'ahead' if self.clock_skew > 0 else 'behind'}")
        where = f" ({self.host}{self.endpoint})" if self.host else ""
        return ": ".join([f"{self.service}{where}", seen, *filter(None, details)])


class CyberArkError(Exception):
    """Base of every error that this module raises on purpose."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(str(evidence))
        self.evidence = evidence

    @property
    def failure(self) -> Evidence:
        """Return what was seen."""
        return self.evidence


class TryLater(CyberArkError):
    """Time mends it: the same call is made again after a pause. `retry_after` is what the service asked for (s)."""

    def __init__(self, evidence: Evidence, retry_after: float | None = None) -> None:
        super().__init__(evidence)
        self.retry_after = retry_after


class Throttled(TryLater):
    """HTTP 429: the call came too early, and the next ones have to be further apart."""


class QueryLost(CyberArkError):
    """The cursor is refused or expired (HTTP 400): a new query has to be opened."""


class PersonNeeded(CyberArkError):
    """Only a person can mend it: a credential, a permission, an address. It is tried again, slowly."""


class StateUnreadable(Exception):
    """The stored checkpoint is there and cannot be read now (storage down, permissions): never a first run."""


class StateUnwritable(Exception):
    """The checkpoint could not be written: what has been delivered since the last write would come twice."""


class StateTaken(Exception):
    """Another, newer instance writes this state: send nothing more, and stop."""


# The names of the second edition.
FailureKind = Sign
Failure = Evidence
TransientError = TryLater
CursorExpired = QueryLost
ConfigurationError = PersonNeeded
