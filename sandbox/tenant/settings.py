"""How a tenant behaves: every difference between the readings of its documentation."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sandbox.events.orders import Order

SCOPE = "isp.audit.events:read"
AUDIENCE = "cyberark.isp.audit"

RetryAfter: TypeAlias = Literal["seconds", "date", "absent"]
DateField: TypeAlias = Literal["event", "arrival"]
DateTo: TypeAlias = Literal["in", "out", "ignored"]
Drained: TypeAlias = Literal[
    "empty", "null-data", "no-paging", "null-cursor", "same-cursor", "204", "last-page", "last-second"
]
PageFailure: TypeAlias = Literal["500", "503", "403", "429", "reset", "hang"]


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
    """The Audit API. Times are in seconds; a spacing of zero is none.

    Queries:
      `order` of the pages of a query that sends a sortModel, `order_unasked` of one that does not; "roughly" is by
      event time, up to `order_jitter` wrong. `date_field`: what dateFrom and dateTo are compared with. `date_to`: what
      becomes of the events of its second. `refuses_old_dates`: a dateFrom of seven days or more is answered with 400.
      `refuses_large_pages`: so is a pageSize above `page_limit`, which otherwise is cut to it.

    Pages:
      `page_cap`: pages are no longer than this, whatever was asked for. `scan_page`: a page is made from so many
      stored events, most of which may be somebody else's: one event in `scan_hole_every` is preceded by as many
      others as make 1 to `scan_hole_pages` empty pages in a row. `repeats`: one event in so many stands twice in its
      page. `drained`: what the end of a query looks like.

    Cursors:
      `cursor_ceiling`: they show nothing that arrived after the query was opened. `cursor_lifetime`: they are refused
      when their query is older, with the status `cursor_refusal`.

    Limits:
      `pages_at_once`: further pages are refused with 429 while so many are in flight (`page_latency` is how long).
      `rival_period`: another integration of the tenant opens a query whenever its last one is so old; it takes the
      minute first if `rival_insists`, and otherwise waits another period when it is refused.
    """

    api_key: str = "9c1f0b7a-sandbox-api-key"
    page_limit: int = 500
    page_latency: float = 0.0
    query_spacing: float = 60.0
    results_spacing: float = 0.0
    call_spacing: float = 0.0
    retry_after: RetryAfter = "seconds"
    cursor_ceiling: bool = False
    cursor_lifetime: float | None = None
    cursor_refusal: int = 400
    drained: Drained = "empty"
    order: Order = "event-time"
    order_unasked: Order = "none"
    order_jitter: float = 20.0
    date_field: DateField = "event"
    date_to: DateTo = "in"
    refuses_old_dates: bool = False
    refuses_large_pages: bool = False
    page_cap: int | None = None
    scan_page: int | None = None
    scan_hole_every: int = 5
    scan_hole_pages: int = 1
    repeats: int = 0
    pages_at_once: int | None = None
    rival_period: float | None = None
    rival_insists: bool = True
