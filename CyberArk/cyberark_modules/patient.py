"""Waiting for nothing but what matters, and never for longer than the connector is to run.

The SDK sends an `error` or `critical` log at once, from the thread that logs, and raises after ten attempts when the
endpoint is down; its timer for the others stops for good at the first failure. `PatientConnector` sends logs from a
thread of its own instead: a log line can neither delay, nor break, nor repeat a delivery. Its waits end when it is
told to stop, and so do its calls.
"""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting
from typing import Any, TypeVar

from sekoia_automation.exceptions import ModuleConfigurationError, TriggerConfigurationError
from sekoia_automation.module import LogLevelStr
from sekoia_automation.trigger import Trigger

from .background import in_background
from .clock import Clock
from .delivery import AcknowledgedConnector
from .preflight import missing_configuration

T = TypeVar("T")


class Stopping(Exception):
    """The connector was told to stop: what the intake has not accepted is not committed."""


class PatientConnector(AcknowledgedConnector):
    """A connector whose logging costs it nothing, and that ends when it is told to."""

    clock = Clock()

    # How long a request in flight may take to end after a signal; the platform kills what takes longer.
    STOP_WITHIN_S = 8.0
    LOGS_KEPT = 1000
    LOGS_FLUSHED_WITHIN_S = 0.5
    LOGS_RETRIED_AFTER_S = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._log_lock = threading.RLock()
        self._logs_waiting = threading.Event()
        self._logs_sent = threading.Event()
        self._log_sender: threading.Thread | None = None
        self._beat_at = self.clock.monotonic()

    def start_monitoring(self) -> None:
        """Start as the SDK does, but first say what configuration is missing. Raises SystemExit."""
        if missing := missing_configuration(self.module):
            raise SystemExit(missing)
        super().start_monitoring()  # type: ignore[no-untyped-call]

    def stop_monitoring(self) -> None:
        """Close the two monitoring servers; each would take half a second, which the process does not wait for."""
        closer = threading.Thread(target=super().stop_monitoring, daemon=True)
        closer.start()
        closer.join(0.1)

    def execute(self) -> None:
        """Run as the SDK does, but first say what is wrong in the configuration. Raises SystemExit."""
        try:
            _ = self.module.configuration, self.configuration
        except (ModuleConfigurationError, TriggerConfigurationError) as error:
            self.log(f"The configuration cannot be used: {error}", level="critical")
            self._logs_sent.wait(self.STOP_WITHIN_S)
            raise SystemExit(1) from None
        super().execute()

    def log(self, message: str, level: LogLevelStr = "info", *args: Any, **kwargs: Any) -> None:
        """Log a message; see the SDK. Raises nothing."""
        with self._log_lock:
            try:
                super().log(message, level, *args, **kwargs)
            except Exception:  # nothing that reports may break delivery
                self._logger.exception("A log line could not be handled")

    def _send_logs_to_api(self) -> None:  # type: ignore[override]
        """Have the logs sent soon; while stopping, give that a moment."""
        with self._log_lock:
            if not self._logs:
                return
            if self._log_sender is None:
                self._log_sender = threading.Thread(target=self._keep_sending_logs, name="logs", daemon=True)
                self._log_sender.start()
        self._logs_sent.clear()
        self._logs_waiting.set()
        if not self.running:
            self._logs_sent.wait(self.LOGS_FLUSHED_WITHIN_S)

    def _keep_sending_logs(self) -> None:
        send_once = Trigger._send_logs_to_api.__wrapped__  # without its ten attempts
        failed = False
        while self.running or not failed:
            self._logs_waiting.wait()
            self._logs_waiting.clear()
            try:
                send_once(self)
                failed = False
                self._logs_sent.set()
            except Exception:  # the endpoint is down: the SDK has kept the lines
                failed = True
                with self._log_lock:
                    self._logs.sort(key=lambda line: str(line["date"]))
                    del self._logs[: -self.LOGS_KEPT]
                self._stop_event.wait(self.LOGS_RETRIED_AFTER_S)
                self._logs_waiting.set()

    def stop(self, *args: Any, **kwargs: Any) -> None:
        """Ask the connector to end; called as a signal handler, it also ends the process if that takes too long.

        The SDK waits in the handler for the executor, and touches locks that the interrupted thread may hold: a
        thread does it here.
        """
        if args:
            signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
            signal.setitimer(signal.ITIMER_REAL, self.STOP_WITHIN_S)
        stopper = threading.Thread(target=Trigger.stop, args=(self,), daemon=True)
        stopper.start()
        stopper.join(0.2)

    def heartbeat(self) -> None:
        """Show that it is alive; by a clock that does not jump, unlike the SDK's."""
        super().heartbeat()  # type: ignore[no-untyped-call]
        self._beat_at = self.clock.monotonic()

    def _heartbeat_alive(self) -> bool:
        silent = self.clock.monotonic() - self._beat_at
        if silent < self.last_heartbeat_threshold:
            return True
        self.log(f"The connector has stood still for {silent:.0f} s, it will be restarted", level="error")
        return False

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until the connector is to stop, and show that it is alive."""
        end = self.clock.monotonic() + seconds
        while self.running and (remaining := end - self.clock.monotonic()) > 0:
            self.clock.wait(self._stop_event, min(remaining, 30.0))
            self.heartbeat()

    def in_background(self, call: Callable[[], T]) -> Future[T]:
        """Start a call in another thread."""
        return in_background(call)

    def call(self, call: Callable[[], T]) -> T:
        """Make a call, but do not wait for it once the connector is to stop. Raises Stopping, and what it raises."""
        return self.result(self.in_background(call))

    def result(self, future: Future[T]) -> T:
        """Wait for the result of a call as `call` does."""
        while self.running:
            try:
                return future.result(timeout=0.25)
            except StillWaiting:
                if future.done():
                    return future.result()
        raise Stopping
