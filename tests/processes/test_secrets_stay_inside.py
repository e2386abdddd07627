"""Each service repeats each credential in its errors: nothing that leaves the process holds one."""

import gzip
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from processes.scene import Scene


@contextmanager
def sentry() -> Iterator[tuple[str, list[str]]]:
    """A server that Sentry's client reports to: its DSN, and what it has received."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            received.append((gzip.decompress(body) if is_packed else body).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://public@127.0.0.1:{server.server_port}/1", received
        server.shutdown()


def forms_of_secrets(scene: Scene) -> set[str]:
    """Return all credentials, as they are and as they travel."""
    settings = scene.world.settings
    basic = f"{settings.identity.login_name}:{settings.identity.password}"
    sekoia = settings.sekoia
    plain = {settings.identity.password, basic, settings.audit.api_key, sekoia.intake_key, sekoia.token}
    # The header of a token is the same in all of them; its claims begin alike too.
    plain |= {token[80:120] for token in scene.world.identity.issued_tokens()}
    encoded = {b64encode(secret.encode()).decode().rstrip("=") for secret in plain}
    return plain | encoded | {quote(secret, safe="") for secret in plain}


def everything_that_leaves(scene: Scene, is_masked: bool) -> dict[str, str]:
    """Run a connector through errors of every service; return what left the process, by where it went."""
    scene.world.add_backlog(1500, 600)
    scene.world.produce(20)
    scene.world.settings.network.echoes_secrets = True
    faults = scene.world.faults
    with sentry() as (dsn, reported):
        for call in ("secrets", "token", "logs"):
            faults.add(f"{call}-5xx", 1.0, duration=2.0)
        variables = {"SENTRY_DSN": dsn, "DEFECT": "1"} | ({} if is_masked else {"UNMASKED": "1"})
        scene.start(is_quick=True, variables=variables)
        scene.until_said("RuntimeError: a defect, after")
        for call in ("results", "push"):
            failing = faults.add(f"{call}-5xx", 1.0)
            scene.until(lambda failing=failing: failing.count > 3, f"{call} fails")  # type: ignore[misc]
            failing.turn_off()
        scene.world.settings.audit.api_key, right = "another-api-key", scene.world.settings.audit.api_key
        scene.until_said("CRITICAL", "[audit-key]")
        scene.world.settings.audit.api_key = right
        faults.clear()
        scene.until(lambda: any("audit-key" in text for text in reported), "Sentry is told")
        scene.until(lambda: scene.platform_lines("critical"), "the platform is told")
        metrics = scene.metrics()
        scene.stop()
    lines = scene.platform_lines("debug", "info", "warning", "error", "critical")
    return {
        "output": "\n".join(scene.connector.lines),
        "platform": "\n".join(lines),
        "Sentry": "\n".join(reported),
        # The SDK labels its own metrics with the intake key: docs/operations.md says so.
        "metrics": metrics.replace(f'intake_key="{scene.world.settings.sekoia.intake_key}"', ""),
    }


def found(scene: Scene, left: dict[str, str]) -> set[tuple[str, str]]:
    return {(where, secret) for where, text in left.items() for secret in forms_of_secrets(scene) if secret in text}


@pytest.mark.parametrize("is_masked", [True, False], ids=["masked", "without the filter"])
def test_no_credential_leaves_the_process_unless_the_filter_is_removed(scene: Scene, is_masked: bool) -> None:
    left = everything_that_leaves(scene, is_masked)
    assert all(left.values())
    assert bool(found(scene, left)) == (not is_masked), found(scene, left)
