"""Faults of cursors, and the shapes that the end of a stream may have."""

import json
from collections.abc import Callable
from dataclasses import replace

from sandbox.faults.fault import Build, Changed, Fault, FaultType, Mixed, Refusing, Spoilt, Stage
from sandbox.http import Request, Response
from sandbox.tenant.settings import Drained

_PAGING = b'],"paging":'


def _paging(ending: Callable[[Request], bytes]) -> Build:
    """Pages with events whose paging reads otherwise."""

    def spoil(request: Request, response: Response) -> Response:
        data, mark, _ = response.body.rpartition(_PAGING)
        return replace(response, body=data + ending(request)) if mark else response

    return lambda stage, share: Spoilt(stage, {"results"}, share, spoil)


def _same(request: Request) -> bytes:
    return _PAGING + json.dumps({"cursor": {"cursorRef": request.json()["cursorRef"]}}).encode() + b"}"


_null = _paging(lambda request: _PAGING + b'{"cursor":{"cursorRef":null}}}')
_missing = _paging(lambda request: _PAGING + b'{"cursor":{}}}')
_no_paging = _paging(lambda request: b"]}")
_unchanged = _paging(_same)


def _refused(stage: Stage, seconds: float) -> Fault:
    return Refusing(stage, seconds, stage.tenant.refuse_cursors, 400, at_once=False)


def _expiring(stage: Stage, seconds: float) -> Fault:
    return Changed(stage.tenant.settings, cursor_lifetime=seconds, status=400)


def _ceiling(stage: Stage, _: float) -> Fault:
    return Changed(stage.tenant.settings, cursor_ceiling=True)


def _end(shape: Drained) -> Build:
    return lambda stage, _: Changed(stage.tenant.settings, drained=shape)


def _cursor(stage: Stage, share: float) -> Fault:
    spoilt = (build(stage, share / 4) for build in (_null, _missing, _no_paging, _unchanged))
    return Mixed(_refused(stage, 25), _end("null-data")(stage, 0), *spoilt)


CURSOR_FAULTS = (
    FaultType("cursor", "cursors are refused, null, missing or unchanged", 0.1, "share of pages", _cursor),
    FaultType(
        "cursor-refused",
        "all cursors are repeatedly refused with 400",
        25,
        "seconds between",
        _refused,
        counted="refused cursors",
    ),
    FaultType(
        "cursor-expiring", "cursors expire early", 30, "seconds of lifetime", _expiring, counted="refused cursors"
    ),
    FaultType("cursor-null", "pages with events have a null cursor", 0.1, "share of pages", _null),
    FaultType("cursor-missing", "pages with events have no cursor", 0.1, "share of pages", _missing),
    FaultType(
        "cursor-unchanged", "pages with events return the requested cursor again", 0.1, "share of pages", _unchanged
    ),
    FaultType("paging-missing", "pages with events have no paging", 0.1, "share of pages", _no_paging),
    FaultType("ceiling", "a cursor shows nothing that arrived after its query was opened", 1, "on", _ceiling),
    FaultType("end-null-data", "the end of a query has null data", 1, "on", _end("null-data")),
    FaultType("end-no-paging", "the end of a query has no paging", 1, "on", _end("no-paging")),
    FaultType("end-null-cursor", "the end of a query has a null cursor", 1, "on", _end("null-cursor")),
    FaultType(
        "end-same-cursor", "the end of a query returns the requested cursor again", 1, "on", _end("same-cursor")
    ),
    FaultType("end-last-second", "the end of a query shows its last second again", 1, "on", _end("last-second")),
)
