"""How the world behaves: what administrators chose, and every variant of the API that the documentation allows."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sandbox.world.index import Order

SCOPE = "isp.audit.events:read"
AUDIENCE = "cyberark.isp.audit"

End: TypeAlias = Literal[
    "empty", "same-cursor", "null-cursor", "no-paging", "null-data", "204", "last-page", "rotation"
]
PageFailure: TypeAlias = Literal["500", "503", "403", "429", "reset", "hang"]
Rejection: TypeAlias = Literal["400", "403", "413", "500", "block-page", "drop"]


@dataclass
class IdentitySettings:
    """The web app and the service user, as an administrator set them up.

    Case counts in `application_id`. `clock_ahead_s` moves the Date of the answers. The Audit API rejects a token that
    lacks a claim.
    """

    application_id: str = "sekoia-siem"
    login_name: str = "siem-svc@cyberark.cloud.1234"
    password: str = "correct horse/battery+staple"
    password_expired: bool = False
    token_lifetime_s: float = 18000
    client_credentials_ticked: bool = True
    claims: frozenset[str] = frozenset({"scope", "aud", "tenant_id"})
    clock_ahead_s: float = 0.0


@dataclass
class AuditSettings:
    """The Audit API. A spacing of zero is none.

    Queries: `order` "roughly" is by event time, up to `jitter_s` wrong. `date_field`: what dateFrom and dateTo are
    compared with. `date_to`: what becomes of the events of its second. More than `page_limit` events a page get
    400. `refuses_sort`, `refuses_week`: a sortModel, a dateFrom of seven days get 400.

    Pages: at most `page_cap` events. `empty_pages`: up to N empty pages in a row stand before one event in
    `empty_every`. `repeats`: one event in N appears twice in its page. `end`: how a query without further events ends.

    Cursors: with `ceiling_s`, one returns only what arrived at most that long after its query was opened. They are
    rejected with `cursor_refusal` when their query is older than `cursor_lifetime_s`.

    Limits: `pages_at_once` in flight; `rival_s`: another integration opens a query whenever its last is so old.

    Tokens: younger ones than `token_known_after_s` get 401; of `nodes`, one answers 401 to all.

    `clock_ahead_s` and `clock_behind_s` move the Date of the answers, `sends_date` leaves it out.
    """

    api_key: str = "9c1f0b7a-sandbox-api-key"
    query_latency_s: float = 0.0
    page_latency_s: float = 0.0
    query_spacing_s: float = 60.0
    results_spacing_s: float = 0.0
    call_spacing_s: float = 0.0
    pages_at_once: int | None = None
    rival_s: float | None = None
    retry_after: Literal["seconds", "date", "absent"] = "seconds"
    order: Order = "event-time"
    jitter_s: float = 20.0
    date_field: Literal["event", "arrival"] = "event"
    date_to: Literal["in", "out", "ignored"] = "in"
    page_limit: int = 500
    refuses_sort: bool = False
    refuses_week: bool = False
    page_cap: int | None = None
    empty_pages: int = 0
    empty_every: int = 50
    repeats: int = 0
    end: End = "empty"
    ceiling_s: float | None = None
    cursor_lifetime_s: float | None = None
    cursor_refusal: int = 400
    token_known_after_s: float = 0.0
    nodes: int = 1
    clock_ahead_s: float = 0.0
    clock_behind_s: float = 0.0
    sends_date: bool = True


@dataclass
class ArrivalSettings:
    """How long after its time an event arrives (s), between `least` and `most`.

    A `late_share` of them comes up to `late_bound` late. `batch` is the time between two arrivals, each of everything
    that waits. Events of `late_application` come `late_application_by` later. `ahead`: events carry a later time.
    """

    least: float = 0.1
    most: float = 1.5
    late_share: float = 0.0
    late_bound: float = 0.0
    batch: float = 0.0
    late_application: str = ""
    late_application_by: float = 0.0
    ahead: float = 0.0


@dataclass
class SekoiaSettings:
    """The platform and the intake.

    `counts_bytes`: the limit of an event is in bytes, not in characters. A request with an event that has one of
    `rejected_texts` in it is answered by `rejection`. A request of more than `request_limit` bytes is reset, or
    answered with 413 (`request_limit_by`). `relay_spacing_s`: sooner after the last accepted request, a relay
    answers 503.
    """

    token: str = "sandbox-platform-token"
    intake_key: str = "sandbox-intake-key"
    push_latency_s: float = 0.0
    counts_bytes: bool = False
    rejected_texts: tuple[str, ...] = ()
    rejection: Rejection = "400"
    request_limit: int | None = None
    request_limit_by: Literal["reset", "413"] = "reset"
    relay_spacing_s: float = 0.0


@dataclass
class NetworkSettings:
    """What lies between the connector and the services; played by the TLS server alone, except `echoes_secrets`.

    `forgets_after_s`: a firewall drops a connection that was idle that long: requests on it are never answered.
    `trickle_s`: the time between two bytes of an answer that trickles. `echoes_secrets`: errors repeat each
    credential of their request, as it is and in Base64.
    """

    forgets_after_s: float | None = None
    trickle_s: float = 5.0
    echoes_secrets: bool = False


@dataclass
class Settings:
    """All of them, by part."""

    identity: IdentitySettings = field(default_factory=IdentitySettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    arrival: ArrivalSettings = field(default_factory=ArrivalSettings)
    sekoia: SekoiaSettings = field(default_factory=SekoiaSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
