"""Who answers at an address: its name, its certificate, and the proxy in between."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cyberark_modules.audit_api.transport import Transport, kind_of
from cyberark_modules.errors import Failure, FailureKind, Service, TransientError


def meet(transport: Transport, service: Service, url: str) -> Iterator[str]:
    """Yield what is learnt of the host when it is connected to as the connector does it. Raises TransientError.

    No credential is sent, and what the host answers does not matter.
    """
    parts = urlsplit(url)
    failure = Failure(service, FailureKind.CONNECTION, parts.netloc)
    proxies = transport.session.merge_environment_settings(url, {}, None, None, None)["proxies"]
    proxy = urlsplit(proxies.get("https") or "").netloc.rpartition("@")[2]
    try:
        response = transport.session.head(
            url, stream=True, allow_redirects=False, auth=lambda request: request, timeout=transport.timeouts
        )
    except OSError as error:
        raise TransientError(replace(failure, kind=kind_of(error))) from None
    yield f"reached through the proxy {proxy}" if proxy else f"{parts.hostname} is {_addresses(parts.hostname or '')}"
    with response:
        connection = getattr(response.raw, "connection", None)
        certificate = connection.sock.getpeercert() if connection is not None and connection.sock else None
    if certificate:
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        yield f"its certificate, signed by {_issuer(certificate)}, is valid until {until:%Y-%m-%d}"


def _addresses(host: str) -> str:
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return ", ".join(sorted(found))


def _issuer(certificate: dict[str, Any]) -> str:
    names = {name: value for part in certificate["issuer"] for name, value in part}
    return str(names.get("organizationName") or names.get("commonName") or "an authority without a name")
