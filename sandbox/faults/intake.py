"""Faults of the intake and of the platform."""

import json
from collections.abc import Callable
from dataclasses import replace

from sandbox.faults.fault import Changed, Down, Fault, FaultType, Instead, Mixed, Spoilt, Stage, ended
from sandbox.http import JSON_HEADERS, Request, Response, html_response, json_response

_INTAKE = {"intake"}


def _down(stage: Stage, seconds: float) -> Fault:
    return Down(stage, _INTAKE, seconds, lambda: html_response("503 Service Unavailable", 503))


def _refusals(stage: Stage, share: float) -> Fault:
    return Instead(
        stage, _INTAKE, share, lambda: json_response({"message": "failure"}, stage.rng.choice((500, 502, 503, 504)))
    )


def _client_errors(stage: Stage, seconds: float) -> Fault:
    return Down(
        stage, _INTAKE, seconds, lambda: json_response({"message": "refused"}, stage.rng.choice((400, 403, 404, 429)))
    )


def _resets(stage: Stage, share: float) -> Fault:
    return Instead(stage, _INTAKE, share, lambda: Response(ending="reset"))


def _no_ids(stage: Stage, share: float) -> Fault:
    return Spoilt(stage, _INTAKE, share, lambda request, response: _body(response, {}))


def _fewer_ids(stage: Stage, share: float) -> Fault:
    def fewer(request: Request, response: Response) -> Response:
        identifiers = response.json().get("event_ids", [])
        return _body(response, {"event_ids": identifiers[: len(identifiers) // 2]})

    return Spoilt(stage, _INTAKE, share, fewer)


def _slow(stage: Stage, seconds: float) -> Fault:
    return Changed(stage.sekoia.settings, push_latency=seconds)


def _taken(stage: Stage, share: float) -> Fault:
    return Spoilt(
        stage, _INTAKE, share, lambda request, response: replace(json_response({"message": "late failure"}, 500))
    )


def _lost_answers(stage: Stage, share: float) -> Fault:
    return Spoilt(stage, _INTAKE, share, lambda request, response: ended(response, "reset"))


def _something_else(stage: Stage, seconds: float) -> Fault:
    contents = (b'{"status":"healthy"}', b"OK", b"", b'{"error":"upstream timed out"}')
    return Down(stage, _INTAKE, seconds, lambda: Response(200, JSON_HEADERS, stage.rng.choice(contents)))


class _RefusesOne(Fault):
    """The intake refuses one event by its text, whatever else is in the request."""

    def __init__(self, stage: Stage, status: float) -> None:
        self._stage = stage
        self._status = int(status)

    def begin(self) -> None:
        settings, index = self._stage.sekoia.settings, self._stage.ledger.index
        sequence = self._stage.rng.randrange(len(index)) if len(index) else 0
        settings.refused_texts = (index.factory.parts(sequence, 0)[0].decode().split('"')[3],)
        settings.refused_status = self._status

    def end(self) -> None:
        self._stage.sekoia.settings.refused_texts = ()

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        self._acted += endpoint == "intake" and response.status == self._status
        return response


def _small_requests(stage: Stage, limit: float) -> Fault:
    return Changed(stage.sekoia.settings, reset_above=int(limit))


def _counts_bytes(stage: Stage, _: float) -> Fault:
    return Changed(stage.sekoia.settings, counts_bytes=True)


def _mixed(stage: Stage, share: float) -> Fault:
    return Mixed(
        _down(stage, 60 * share),
        *(build(stage, share) for build in (_refusals, _resets, _no_ids, _fewer_ids)),
    )


def _unavailable(*endpoints: str) -> Callable[[Stage, float], Fault]:
    return lambda stage, share: Instead(
        stage, set(endpoints), share, lambda: html_response("503 Service Unavailable", 503)
    )


def _body(response: Response, content: object) -> Response:
    return replace(response, body=json.dumps(content).encode())


INTAKE_FAULTS = (
    FaultType("intake", "the intake is down at times, refuses, resets and omits ids", 0.15, "share", _mixed),
    FaultType("intake-down", "the intake answers 503 to everything", 30, "seconds of each minute", _down),
    FaultType("intake-refusals", "the intake answers 5xx at random", 0.3, "share of requests", _refusals),
    FaultType("intake-4xx", "the intake answers 4xx for a while", 20, "seconds of each minute", _client_errors),
    FaultType("intake-resets", "connections to the intake are reset", 0.3, "share of requests", _resets),
    FaultType("intake-no-ids", "the intake accepts events and returns no event_ids", 1, "share of requests", _no_ids),
    FaultType(
        "intake-fewer-ids",
        "the intake accepts all events and returns half of the ids",
        1,
        "share of requests",
        _fewer_ids,
    ),
    FaultType("intake-slow", "the intake answers slowly", 5, "seconds", _slow),
    FaultType("intake-taken", "the intake accepts events, then answers 500", 0.2, "share of requests", _taken),
    FaultType(
        "intake-unanswered",
        "the intake accepts events, then resets the connection",
        0.2,
        "share of requests",
        _lost_answers,
    ),
    FaultType(
        "intake-other",
        "200 from something that is not an intake: a health page, OK, nothing",
        20,
        "seconds of each minute",
        _something_else,
    ),
    FaultType(
        "intake-refuses-event", "the intake refuses one event because of its text", 400, "HTTP status", _RefusesOne
    ),
    FaultType("intake-small-requests", "the intake resets larger requests", 200_000, "bytes", _small_requests),
    FaultType("intake-bytes", "the intake measures an event in bytes", 1, "on", _counts_bytes),
    FaultType("logs", "the platform's log endpoint is down", 1, "share of requests", _unavailable("logs")),
    FaultType(
        "platform",
        "the callback, secrets and log endpoints fail at random",
        0.3,
        "share",
        _unavailable("callback", "secrets", "logs"),
    ),
)
