"""The errors of this module, named for what the caller does with them, and the failure that each of them reports."""

import random
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
    SHAPE = "the answer has an unexpected structure"
    REDIRECT = "the service redirected the request"
    NAME = "the host name cannot be resolved"
    CERTIFICATE_AUTHORITY = "the certificate is issued by an authority that is not trusted here"
    CERTIFICATE_HOST = "the certificate is issued for another host"
    CERTIFICATE_DATE = "the certificate has expired or is not valid yet"
    TRUST_STORE = "the file of trusted certificates cannot be read"
    TLS = "the TLS handshake failed"
    PROXY = "the proxy rejected the connection or did not answer"
    CONNECTION = "the connection was rejected or broken off"
    TIMEOUT = "no complete answer in time"
    NEW_TOKEN = "the service does not accept a new token yet"  # noqa: S105
    NO_PASSWORD = "no password is configured"  # noqa: S105


@dataclass(frozen=True)
class Failure:
    """What was seen of a failed call: the input of a diagnosis. Holds no secret and no body.

    `status` is the HTTP status. `error` comes from the OAuth2 fields of an error answer (RFC 6749, 5.2), as far as
    `http.py` knows its words: a service may repeat a credential in them. `missing` names what a token should hold and
    does not (`jwt`, `scope`, `aud`, `tenant_id`), or the `suffix` that a login name usually has.
    """

    service: Service
    kind: FailureKind
    host: str = ""
    endpoint: str = ""
    status: int | None = None
    error: str = ""
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        status = "" if self.status is None else f"HTTP {self.status}"
        kind = "" if status and self.kind is FailureKind.STATUS else self.kind
        parts = [
            f"{self.service} ({self.host}{self.endpoint})" if self.host else self.service,
            ", ".join(filter(None, [status, kind])),
            self.error,
            f"without {', '.join(self.missing)}" if self.missing else "",
        ]
        return ": ".join(filter(None, parts))


class CyberArkError(Exception):
    """Base of every error that this module raises about a service."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.status = failure.status


class TransientError(CyberArkError):
    """Make the same call again after a pause. `retry_after` is the pause that the service requested (s)."""

    def __init__(self, failure: Failure, retry_after: float | None = None) -> None:
        super().__init__(failure)
        self.retry_after = retry_after


class Throttled(TransientError):
    """HTTP 429: make the same call again after a pause, and space the following ones further apart."""


class CursorExpired(CyberArkError):
    """The cursor is expired or rejected: open a new query."""


class ConfigurationError(CyberArkError):
    """Only a person can resolve it (a credential, a permission, an address): try again, at long intervals."""


class ClientError(ConfigurationError):
    """An error status other than the transient ones; the caller knows what its endpoint means by `status`."""


class StorageFailed(Exception):
    """The stored checkpoint cannot be read now, which is no first run; or it could not be written: try again."""


class StateTaken(Exception):
    """Another, newer instance of the connector writes this checkpoint: stop."""


@dataclass(frozen=True)
class Backoff:
    """How long to wait before a failed call to CyberArk or the storage is made again. Times are seconds."""

    first: float = 1.0
    longest: float = 60.0
    # For a ConfigurationError, so that no service user is locked out for a wrong password.
    first_slow: float = 60.0
    longest_slow: float = 600.0

    def pause(self, error: Exception, failures: int) -> float:
        """Return the pause after that many failures in a row: it doubles, and up to a quarter of it is random."""
        slow = isinstance(error, ConfigurationError)
        first, longest = (self.first_slow, self.longest_slow) if slow else (self.first, self.longest)
        pause = min(longest, first * 2.0 ** min(failures - 1, 30)) * random.uniform(0.75, 1.0)  # noqa: S311
        return max(pause, (isinstance(error, TransientError) and error.retry_after) or 0.0)
