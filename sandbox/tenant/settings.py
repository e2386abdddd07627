"""How a tenant behaves: every difference between the readings of its documentation."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SCOPE = "isp.audit.events:read"
AUDIENCE = "cyberark.isp.audit"

RetryAfter: TypeAlias = Literal["seconds", "date", "absent"]
Drained: TypeAlias = Literal["empty", "null-data", "no-paging", "null-cursor", "same-cursor", "last-second"]


@dataclass
class IdentitySettings:
    """The web app and the service user, as their administrator set them up. Case counts in `application_id`."""

    application_id: str = "sekoia-siem"
    login_name: str = "siem-svc@cyberark.cloud.1234"
    password: str = "correct horse/battery+staple"
    token_lifetime: float = 18000
    scope_declared: bool = True
    client_credentials_ticked: bool = True
    confidential_client: bool = True
    permission: bool = True
    token_type: Literal["jwtRS256", "opaque"] = "jwtRS256"
    claims: set[str] = field(default_factory=lambda: {"scope", "aud", "tenant_id"})


@dataclass
class AuditSettings:
    """The Audit API. Times are in seconds; a spacing of zero is none."""

    api_key: str = "9c1f0b7a-sandbox-api-key"
    page_limit: int = 500
    page_latency: float = 0.0
    query_spacing: float = 60.0
    results_spacing: float = 0.0
    call_spacing: float = 0.0
    retry_after: RetryAfter = "seconds"
    cursor_ceiling: bool = False
    cursor_lifetime: float | None = None
    drained: Drained = "empty"
