"""One request to the intake, and what its answer says.

A request is accepted if the answer is 200 with a JSON object that holds `event_ids`, or with an empty object. Any
other answer with 200 comes from something that is not an intake: a health page, a proxy, a web site.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from ..audit_api.transport import kind_of, retry_after
from ..errors import ConfigurationError, CyberArkError, Failure, FailureKind, Service, Throttled, TransientError

_TRANSIENT = (408, 425)


def send(
    session: requests.Session, url: str, intake_key: str, texts: Sequence[str], timeout: tuple[float, float]
) -> list[str] | CyberArkError:
    """Send those events in one request; return the ids that the intake gave, or why it did not accept them.

    `timeout` is for the connection and for the answer (s). Raises nothing.
    """
    host = urlsplit(url).netloc
    try:
        response = session.post(
            url,
            data=_encoded({"intake_key": intake_key, "jsons": texts}),
            headers={"Content-Type": "application/json"},
            timeout=timeout,
            allow_redirects=False,  # neither events nor the key go to another host
        )
        content, headers, status = response.content, response.headers, response.status_code
    except Exception as error:  # whatever went wrong, the events were not accepted
        kind = kind_of(error)
    else:
        return _judged(content, headers, Failure(Service.INTAKE, FailureKind.STATUS, host, "/batch", status))
    # Out of the handler: the library's error holds the request, and so the intake key; ours must not be chained to it.
    return TransientError(Failure(Service.INTAKE, kind, host, "/batch"))


def _judged(content: bytes, headers: Any, failure: Failure) -> list[str] | CyberArkError:
    status = failure.status or 0
    if status == 200:
        ids = _event_ids(content)
        return ids if ids is not None else TransientError(replace(failure, kind=FailureKind.NOT_INTAKE))
    pause = retry_after(headers.get("Retry-After"), headers.get("Date"))
    if status == 429:
        return Throttled(failure, pause)
    if 300 <= status < 400:
        return ConfigurationError(replace(failure, kind=FailureKind.REDIRECT))
    if 400 <= status < 500 and status not in _TRANSIENT:
        return ConfigurationError(failure)
    return TransientError(failure, pause)


def _event_ids(content: bytes) -> list[str] | None:
    """Return the ids in the answer, or None if it is not the answer of an intake."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict):
        return None
    ids = answer.get("event_ids", None if answer else [])
    return ids if isinstance(ids, list) else None


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)  # several times cheaper than the standard library
    except TypeError:
        return json.dumps(body).encode()  # takes lone surrogates
