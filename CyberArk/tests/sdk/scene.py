"""A platform on loopback, and a connector that has only its SDK around it."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from sekoia_automation.connector import DefaultConnectorConfiguration
from sekoia_automation.module import Module

from cyberark_modules.sdk.connector import SdkConnector
from fakes.loopback import LoopbackServer

KEY = "s3cret-intake-key"


class Platform(LoopbackServer):
    """Takes log lines and events, and has no secrets. `status` is its answer; `release` ends what hangs."""

    def __init__(self) -> None:
        self.lines: list[dict[str, str]] = []
        self.texts: list[str] = []
        self.asked: list[str] = []
        self.status = 200
        self.hanging: set[str] = set()
        self.hangs_s = 60.0
        self.body = b'{"event_ids": ["1"]}'
        self.release = threading.Event()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(b'{"value": {}}')

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if platform.status == 200 and self.path not in platform.hanging:
                    platform.lines.extend(body.get("logs", []))
                    platform.texts.extend(body.get("jsons", []))
                self.answer(platform.body)

            def answer(self, body: bytes) -> None:
                platform.asked.append(self.path)
                if self.path in platform.hanging:
                    platform.release.wait(platform.hangs_s)
                self.send_response(platform.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)

    def variables(self) -> dict[str, str]:
        """What the platform gives a connector."""
        return {
            "MODULE_CONFIGURATION": "{}",
            "CONNECTOR_CONFIGURATION": json.dumps({"intake_key": KEY}),
            "TOKEN": "token",
            "URL_LOGS": f"{self.url}/logs",
            "URL_SECRETS": f"{self.url}/secrets",
            "INTAKE_URL": self.url,
            "LIVENESS_PORT": "0",
            "METRICS_PORT": "0",
        }


class PlainConnector(SdkConnector):
    """Its form has what the SDK needs; it runs what a test gives it."""

    configuration: DefaultConnectorConfiguration  # type: ignore[override]
    job: Any = None

    def run(self) -> None:
        if self.job:
            self.job()
        self.stop()


@contextmanager
def connector_of(platform: Platform, folder: Path) -> Iterator[PlainConnector]:
    """A connector of that platform; the handlers of signals are put back afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)  # without a manifest, which would require a configuration
        for name in list(os.environ):
            if name.startswith(("URL_", "TRIGGER_", "INTAKE_")):
                patched.delenv(name)
        for name, value in platform.variables().items():
            patched.setenv(name, value)
        connector = PlainConnector(Module(), folder)
        try:
            yield connector
        finally:
            platform.release.set()
            connector.stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
