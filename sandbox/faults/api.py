"""Faults of the Audit API."""

import json
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from sandbox.faults.fault import Build, Changed, Fault, FaultType, Instead, Mixed, Refusing, Spoilt, Stage, ended
from sandbox.http import HTML_HEADERS, Request, Response, html_response, json_response
from sandbox.tenant.settings import PageFailure

_AUDIT = {"query", "results"}


def _too_many(form: str) -> Build:
    def build(stage: Stage, share: float) -> Fault:
        def answer() -> Response:
            seconds = stage.rng.randint(1, 5)
            headers = {"date": formatdate(stage.now() + seconds, usegmt=True), "seconds": str(seconds)}
            said = {"Retry-After": headers[form]} if form in headers else {}
            return json_response({"message": "Too Many Requests"}, 429, said)

        return Instead(stage, _AUDIT, share, answer)

    return build


def _errors(stage: Stage, share: float) -> Fault:
    def answer() -> Response:
        status = stage.rng.choice((500, 502, 503))
        return html_response("Bad Gateway", 502) if status == 502 else json_response({"message": "failure"}, status)

    return Instead(stage, _AUDIT, share, answer)


def _html(stage: Stage, share: float) -> Fault:
    page = html_response("We will be back soon", 200).body
    return Spoilt(stage, _AUDIT, share, lambda request, response: Response(200, HTML_HEADERS, page))


def _error_body(stage: Stage, share: float) -> Fault:
    """What a gateway says with status 200 when the function behind it timed out."""
    content = {"errorMessage": "2026-01-31T10:00:00.000Z 5b1c Task timed out after 30.03 seconds"}
    return Spoilt(stage, _AUDIT, share, lambda request, response: replace(response, body=json.dumps(content).encode()))


def _cut(stage: Stage, share: float) -> Fault:
    return Spoilt(stage, _AUDIT, share, lambda request, response: ended(response, "cut"))


def _cut_json(stage: Stage, share: float) -> Fault:
    """Complete as far as HTTP can tell, but not as JSON."""
    return Spoilt(
        stage,
        _AUDIT,
        share,
        lambda request, response: replace(response, body=response.body[: -len(response.body) // 3]),
    )


def _types(stage: Stage, share: float) -> Fault:
    def other(request: Request, response: Response) -> Response:
        content: Any = stage.rng.choice(([], "", 12, {"data": {}}, {"data": "x"}, {"cursorRef": 12}, {"data": 1}))
        return replace(response, body=json.dumps(content).encode())

    return Spoilt(stage, _AUDIT, share, other)


def _extra(stage: Stage, share: float) -> Fault:
    def wider(request: Request, response: Response) -> Response:
        body = b'{"took":12,' + response.body[1:-1].rstrip() + b',"hints":{"data":[null],"next":{}}}'
        return replace(response, body=body)

    return Spoilt(stage, _AUDIT, share, wider)


def _resets(stage: Stage, share: float) -> Fault:
    return Instead(stage, _AUDIT, share, lambda: Response(ending="reset"))


def _hang(stage: Stage, share: float) -> Fault:
    return Instead(stage, _AUDIT, share, lambda: Response(ending="hang"))


def _api(stage: Stage, share: float) -> Fault:
    parts = (_too_many("seconds"), _too_many("date"), _too_many("absent"), _errors, _html, _cut, _cut_json, _types)
    each = share / (len(parts) + 1)
    return Mixed(*(build(stage, each) for build in (*parts, _resets)), _extra(stage, share))


def _minute_used(stage: Stage, _: float) -> Fault:
    return Refusing(stage, 30, stage.tenant.use_up_the_minute, 429)


def _rival(insists: bool) -> Build:
    return lambda stage, seconds: Changed(
        stage.tenant.settings, rival_period=seconds, rival_insists=insists, status=429
    )


def _page_fails(how: PageFailure) -> Build:
    return lambda stage, seconds: _FailingPage(stage, seconds, how)


class _FailingPage(Fault):
    """Every page with some event of the tenant fails, for so long."""

    def __init__(self, stage: Stage, seconds: float, how: PageFailure) -> None:
        self._stage = stage
        self._seconds = seconds
        self._how = how

    def begin(self) -> None:
        count = len(self._stage.ledger.index)
        # Among the newer half, which a connector reads; the next one to happen where there is none.
        sequence = self._stage.rng.randrange(count // 2, count) if count else 0
        self._stage.tenant.fail_page_of(sequence, self._how, self._seconds)

    def end(self) -> None:
        self._stage.tenant.heal_pages()

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        self._acted += endpoint == "results" and (response.status != 200 or response.ending != "complete")
        return response


def _throttle_results(stage: Stage, seconds: float) -> Fault:
    return Changed(stage.tenant.settings, results_spacing=seconds, status=429)


def _throttle(stage: Stage, seconds: float) -> Fault:
    return Changed(stage.tenant.settings, call_spacing=seconds, status=429)


API_FAULTS = (
    FaultType(
        "api",
        "the Audit API answers 429, 5xx, HTML or damaged bodies, or resets connections",
        0.15,
        "share of calls",
        _api,
    ),
    FaultType("api-429-seconds", "429 with Retry-After in seconds", 0.3, "share of calls", _too_many("seconds")),
    FaultType("api-429-date", "429 with Retry-After as a date", 0.3, "share of calls", _too_many("date")),
    FaultType("api-429-absent", "429 without Retry-After", 0.3, "share of calls", _too_many("absent")),
    FaultType("api-5xx", "500, 502 and 503 at random", 0.3, "share of calls", _errors),
    FaultType("api-html", "HTML with status 200, from a gateway", 0.2, "share of calls", _html),
    FaultType("api-cut", "the connection closes in the middle of the body", 0.2, "share of calls", _cut),
    FaultType("api-cut-json", "the JSON is truncated", 0.2, "share of calls", _cut_json),
    FaultType("api-types", "values have other types than documented", 0.2, "share of calls", _types),
    FaultType("api-extra", "unknown fields beside the known ones", 1, "share of calls", _extra),
    FaultType("api-resets", "connections to the Audit API are reset", 0.3, "share of calls", _resets),
    FaultType("api-hang", "no answer until the client gives up", 0.05, "share of calls", _hang),
    FaultType(
        "minute-used",
        "another integration opens every query of the tenant",
        1,
        "on",
        _minute_used,
        counted="refused queries",
    ),
    FaultType(
        "throttle-results",
        "pages that are requested too often are refused",
        15,
        "seconds between",
        _throttle_results,
        counted="refused calls",
    ),
    FaultType(
        "rival-first",
        "another integration uses the query of each minute first",
        60,
        "seconds between",
        _rival(True),
        counted="refused queries",
    ),
    FaultType(
        "rival-regular",
        "another integration opens a query at regular intervals",
        60,
        "seconds between",
        _rival(False),
        counted="refused queries",
    ),
    FaultType(
        "page-500",
        "every page with one event answers 500",
        3600,
        "seconds",
        _page_fails("500"),
        counted="failed pages",
    ),
    FaultType(
        "page-403",
        "every page with one event answers 403",
        3600,
        "seconds",
        _page_fails("403"),
        counted="failed pages",
    ),
    FaultType(
        "page-429",
        "every page with one event answers 429",
        3600,
        "seconds",
        _page_fails("429"),
        counted="failed pages",
    ),
    FaultType(
        "page-reset",
        "every page with one event is reset",
        3600,
        "seconds",
        _page_fails("reset"),
        counted="failed pages",
    ),
    FaultType("api-error-body", "an error with status 200", 0.2, "share of calls", _error_body),
    FaultType(
        "throttle",
        "only one call of any kind is accepted in each interval",
        60,
        "seconds between",
        _throttle,
        counted="refused calls",
    ),
)
