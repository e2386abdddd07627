"""A platform on loopback that takes log lines and has no secrets. A test module that imports the fixtures has them."""

import json
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from fakes.loopback import LoopbackServer


@pytest.fixture
def platform_logs() -> list[dict[str, str]]:
    """The lines that the platform has received."""
    return []


@pytest.fixture
def platform_status() -> list[int]:
    """The status that the platform answers with; a test changes it in place."""
    return [200]


@pytest.fixture
def platform_url(platform_logs: list[dict[str, str]], platform_status: list[int]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if platform_status[0] == 200:
                platform_logs.extend(body["logs"])
            self.send_response(platform_status[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            content = b'{"value": {}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with LoopbackServer(Handler) as server:
        yield server.url


@pytest.fixture
def signals() -> Iterator[None]:
    """The handlers of signals, which every connector of the SDK replaces, are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in handlers.items():
        signal.signal(number, handler)
