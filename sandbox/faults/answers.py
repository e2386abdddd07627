"""What a fault can do to one request, whatever the service: no answer, another one, or a damaged one."""

import json
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from sandbox.faults.fault import Answer, Change, Running
from sandbox.world.audit_api import too_many
from sandbox.world.messages import HTML_HEADERS, JSON_HEADERS, Ending, Request, Response, html_response, json_response

_PAGING = b'],"paging":'
_NO_INTAKE = (b'{"status":"healthy"}', b"OK", b"", b'{"error":"upstream timed out"}')
_OTHER_TYPES: tuple[Any, ...] = ([], "", 12, {"data": {}}, {"data": "x"}, {"cursorRef": 12}, {"data": 1})


def status(*codes: int) -> Answer:
    """Answer one of these statuses."""
    return lambda running, request: json_response({"message": "failure"}, running.rng.choice(codes))


def gateway(running: Running, request: Request) -> Response:
    """Answer as a gateway in front of a service that is down."""
    return html_response("503 Service Unavailable", 503)


def throttled(running: Running, request: Request) -> Response:
    """Answer 429, with Retry-After in the form that the settings name."""
    return too_many(running.rng.randint(1, 5), running.world.now(), running.world.settings.audit.retry_after)


def ending(how: Ending) -> Answer:
    """Do not answer, and the service never sees the request."""
    return lambda running, request: Response(ending=how)


def ended(how: Ending) -> Change:
    """Carry the service's answer badly."""
    return lambda running, request, response: replace(response, ending=how)


def with_bom(running: Running, request: Request, response: Response) -> Response:
    """Put a byte order mark before the body."""
    return replace(response, body=b"\xef\xbb\xbf" + response.body)


def false_gzip(running: Running, request: Request, response: Response) -> Response:
    """Say that the body is compressed."""
    return replace(response, headers={**response.headers, "Content-Encoding": "gzip"}, settle=None)


def html(running: Running, request: Request, response: Response) -> Response:
    """Return a page of a gateway with status 200."""
    return Response(200, HTML_HEADERS, html_response("We will be back soon", 200).body)


def error_body(running: Running, request: Request, response: Response) -> Response:
    """Return what a gateway says with status 200 when the function behind it timed out."""
    return json_response({"errorMessage": "2026-01-31T10:00:00.000Z 5b1c Task timed out after 30.03 seconds"})


def truncated(running: Running, request: Request, response: Response) -> Response:
    """Return a body that is complete as far as HTTP can tell, but not as JSON."""
    return replace(response, body=response.body[: -len(response.body) // 3], settle=None)


def other_types(running: Running, request: Request, response: Response) -> Response:
    """Return values of other types than documented."""
    return json_response(running.rng.choice(_OTHER_TYPES))


def unknown_fields(running: Running, request: Request, response: Response) -> Response:
    """Add fields that nobody knows."""
    return replace(response, body=b'{"took":12,' + response.body[1:-1] + b',"hints":{"data":[null]}}')


def date_once(running: Running, request: Request, response: Response) -> Response:
    """Move the Date of one answer by the value."""
    if running.count:
        return response
    date = formatdate(running.world.now() + running.value, usegmt=True)
    return replace(response, headers={**response.headers, "Date": date})


def false_end(running: Running, request: Request, response: Response) -> Response:
    """Return an empty page with the requested cursor, in the place of the next pages with events."""
    if running.count >= running.value or response.body.startswith((b'{"data": []', b'{"data":[]')):
        return response
    return json_response({"data": [], "paging": {"cursor": {"cursorRef": request.json()["cursorRef"]}}})


def null_cursor(running: Running, request: Request, response: Response) -> Response:
    """Return a page with events with a null cursor."""
    return _with_paging(response, b'],"paging":{"cursor":{"cursorRef":null}}}')


def no_paging(running: Running, request: Request, response: Response) -> Response:
    """Return a page with events without paging."""
    return _with_paging(response, b"]}")


def same_cursor(running: Running, request: Request, response: Response) -> Response:
    """Return a page with events with the requested cursor."""
    paging = json.dumps({"cursor": {"cursorRef": request.json()["cursorRef"]}}).encode()
    return _with_paging(response, _PAGING + paging + b"}")


def _with_paging(response: Response, paging: bytes) -> Response:
    data, mark, _ = response.body.rpartition(_PAGING)
    return replace(response, body=data + paging) if mark else response


def no_ids(running: Running, request: Request, response: Response) -> Response:
    """Accept the events without a word of their ids."""
    return replace(response, body=b"{}")


def fewer_ids(running: Running, request: Request, response: Response) -> Response:
    """Accept the events, and return half of their ids."""
    identifiers = response.json().get("event_ids", [])
    return replace(response, body=json.dumps({"event_ids": identifiers[: len(identifiers) // 2]}).encode())


def no_intake(running: Running, request: Request) -> Response:
    """Answer 200 as another server in the place of the intake."""
    return Response(200, JSON_HEADERS, running.rng.choice(_NO_INTAKE))


def refused_late(running: Running, request: Request, response: Response) -> Response:
    """Answer 500 after the events were taken."""
    return json_response({"message": "late failure"}, 500)
