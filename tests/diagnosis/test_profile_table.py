"""What else `./dev check --profile` says: figures, what it could not see, and nothing of the tenant's."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from profile_scene import profile
from test_profile import OLD, ORDER, PAGES, QUERIES, SHOWN, SIZE, usual

from cyberark_modules.errors import ClientError
from sandbox.check.profile.report import as_json, lines
from sandbox.environment import Environment
from sandbox.faults.fault import Fault
from sandbox.http import Request, Response, json_response


class WithoutArrivals(Fault):
    """A tenant that does not serve `arrival_timestamp`, and ignores that it is asked for or refuses the query."""

    def __init__(self, refuses: bool) -> None:
        self._refuses = refuses

    def before(self, endpoint: str, request: Request) -> Response | None:
        if self._refuses and b"selectedFields" in request.body:
            return json_response({"message": "Bad Request"}, 400)
        return None

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        return replace(response, body=re.sub(rb',"arrival_timestamp":[0-9]+', b"", response.body))


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("shown-at-once", "within seconds"),
        ("shown-60s", "a varying time after it happened"),
        ("shown-12min", "in batches"),
    ],
)
def test_without_arrivals_late_events_are_measured_by_watching(name: str, shown: str, refuses: bool) -> None:
    seen = profile(name, change=lambda environment: environment.faults.hold(WithoutArrivals(refuses)))
    assert seen.reading(SHOWN) == shown
    assert seen.reading(ORDER) in (None, "by event time or by arrival: these events do not distinguish them")
    assert seen.findings["dateFrom is compared with"].reason


def test_a_tenant_that_allows_more_is_seen_to() -> None:
    def allow(environment: Environment) -> None:
        environment.tenant.settings.page_limit = 1000
        environment.tenant.settings.query_spacing = 0.0

    seen = profile(change=allow)
    assert seen.reading(SIZE) == "is accepted"
    assert seen.reading(QUERIES) == "no limit of one a minute was seen"


def test_a_busy_tenant_never_shows_an_end() -> None:
    seen = profile("order-arrival", live=100.0, seconds=90.0)
    assert seen.reading("a drained cursor answers") == "always new events: this tenant is busy"


def test_a_refused_key_ends_it_at_once() -> None:
    def refuse(environment: Environment) -> None:
        environment.faults.hold(Refusing())

    with pytest.raises(ClientError) as refused:
        profile(change=refuse)
    assert refused.value.status == 403


class Refusing(Fault):
    """An Audit API that knows the key no longer."""

    def before(self, endpoint: str, request: Request) -> Response | None:
        return json_response({"message": "Forbidden"}, 403) if endpoint == "query" else None


def test_the_usual_tenant_leaves_no_row_open() -> None:
    assert [finding for finding in usual().findings.values() if finding.reading is None] == []
    assert usual().record.seconds < 620


def test_a_limit_is_named_with_its_figures() -> None:
    two, fifteen = (profile(name).findings[PAGES].figures for name in ("limit-pages-2s", "limit-pages-15s"))
    assert two["refused_after_s"] < 2 <= two["accepted_after_s"] < 4
    assert fifteen["refused_after_s"] < 15 <= fifteen["accepted_after_s"] < 30
    figures = profile("cursor-410").findings[OLD].figures
    assert (figures["status"], figures["accepted_after_s"] <= 600 < figures["refused_after_s"]) == (410, True)


def test_a_short_profile_says_what_it_had_no_time_for() -> None:
    seen = profile(seconds=90.0)
    assert seen.record.seconds < 100
    assert seen.findings[SIZE].reason == "no such query was opened"
    assert seen.reading(QUERIES) == "one a minute"


def test_the_tenant_is_asked_for_no_more_than_a_query_a_minute_and_the_time_left_is_told() -> None:
    opened = usual().environment.ledger.query_times
    assert min(after - before for before, after in pairwise(opened)) >= 60
    left = [left_s for _, left_s in usual().told]
    assert left == sorted(left, reverse=True)
    assert (left[0] > 600, left[-1] == 0) == (True, True)


def test_table_and_json_hold_nothing_of_the_tenant() -> None:
    seen = usual()
    printed = "\n".join(
        [*lines(list(seen.findings.values())), as_json(list(seen.findings.values()), seen.record, "1.0")]
    )
    index, identity = seen.environment.ledger.index, seen.environment.tenant.identity_settings
    first = index.text(0).decode()
    fields = [first[9:45], "siem", "simulation", "IDP", "PAM", "ITDR", seen.environment.tenant.id]
    fields += [identity.application_id, identity.login_name, seen.environment.tenant.settings.api_key]
    assert [field for field in fields if field in printed] == []
