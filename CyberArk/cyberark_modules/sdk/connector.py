"""The one class that inherits from the SDK's connector. Files and lines are those of the SDK 1.27.0."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from threading import RLock, Semaphore
from typing import Any

from sekoia_automation.connector import Connector
from sekoia_automation.module import LogLevelStr
from sekoia_automation.trigger import LivenessHandler, Trigger

from ..clock import Clock
from ..context import LAST_LINE_WITHIN_S, Context
from ..http import Http, in_daemon_thread
from ..intake import Intake
from ..masking import masked
from ..telemetry.metrics import observe_request
from .forms import can_log, faults_of_forms
from .process import exit_in_time, install_filters

LOGS_KEPT = 1000
# A call that sends log lines is left alone after this long (s): its own time-out is one between two reads.
LOGS_GIVEN_UP_S = 60.0
LOGS_FLUSHED_WITHIN_S = 0.5
SECRETS_WITHIN_S, SECRETS_AGAIN_AFTER_S = 30.0, 5.0


class DaemonExecutor(Executor):
    """In the place of the SDK's executor (connector/__init__.py:91), whose threads the interpreter waits for."""

    def __init__(self) -> None:
        self._room = Semaphore(2)  # the SDK has 4: each request holds a copy of its events

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a call once there is room for it, and return its future."""

        def made() -> Any:
            with self._room:
                return call(*args, **kwargs)

        return in_daemon_thread(made)


class SdkConnector(Connector):
    """A connector whose logging never blocks it, that ends when asked to, and knows what the intake accepted."""

    intake: Intake

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        install_filters()
        self._executor = DaemonExecutor()  # type: ignore[assignment]
        self.context = self.make_context()
        self.http = Http(str(self.module.manifest.get("version", "")), observe_request, self.context.clock)
        # Reentrant: the handler of a signal logs too, in the thread that it has interrupted.
        self._log_lock = RLock()
        self._sending: Future[None] | None = None
        self._is_log_accepted = True

    def make_context(self) -> Context:
        """Return the clocks and waits; a simulation gives others."""
        # The SDK's event: it has no public name, and everything that waits has to wait on it.
        return Context(Clock(), self._stop_event, self.beat)

    def beat(self) -> None:
        """Show that the connector is alive."""
        self.heartbeat()  # type: ignore[no-untyped-call]

    def make_intake(self) -> Intake:
        """Return a new intake; the SDK's requests are sent through it from now on."""
        report = partial(self.log, level="error")
        self.intake = Intake(self.push_events_to_intakes, self.http, self._target, self.data_path, report)
        return self.intake

    def start_monitoring(self) -> None:
        """Start as the SDK does (trigger.py:388), but say everything that is wrong first. Raises SystemExit."""
        self._waker = exit_in_time()
        LivenessHandler.log_message = lambda *_: None  # type: ignore[method-assign]  # a line for each probe
        faults = faults_of_forms(self.module, type(self))
        try:
            if not faults:
                super().start_monitoring()  # type: ignore[no-untyped-call]
                return
        except OSError as error:
            faults = (
                "The connector cannot start: the port for liveness (LIVENESS_PORT, by default 8000) or for metrics "
                f"(METRICS_PORT, by default 8020) cannot be opened: {error.strerror}."
            )
        if not can_log(self.module):
            raise SystemExit(faults)
        self.log(faults, level="critical")
        self._logs_timer.start()
        self._stop_event.wait(self._STOP_EVENT_WAIT)  # for the platform, as trigger.py:232 does after a critical line
        self.stop()
        raise SystemExit(1)

    def execute(self) -> None:
        """Run as the SDK does, then give the last log lines a moment."""
        super().execute()
        end = time.monotonic() + min(LOGS_FLUSHED_WITHIN_S, self.context.remaining_s(LAST_LINE_WITHIN_S))
        while time.monotonic() < end and (self._logs or self._is_sending()):
            self._send_logs_to_api()
            time.sleep(0.01)

    def stop(self, *args: Any, **kwargs: Any) -> None:
        """Ask the connector to end, also as a signal handler: in a thread, since the SDK takes locks on its way."""
        with suppress(Exception):
            in_daemon_thread(super().stop).result(0.2)

    def log(self, message: str, level: LogLevelStr = "info", *args: Any, **kwargs: Any) -> None:
        """Log a message without the secrets that are known. Raises nothing, and waits for nothing (trigger.py:324)."""
        with self._log_lock:
            try:
                super().log(masked(message), level, *args, **kwargs)
            except Exception:  # nothing that reports may break delivery
                self._logger.exception("A log line could not be handled")

    def allow_critical_again(self) -> None:
        """Let the next critical line be critical: what a person had to fix is fixed. The SDK sends one (:325)."""
        self._critical_log_sent = False

    def count_forwarded(self, intake_key: str, accepted: int, too_large: int, seconds: float) -> None:
        """Count in the SDK's own metrics; `seconds` is how long it took."""
        self.put_forwarded_events(intake_key, accepted)
        self.put_discarded_events(intake_key, too_large)
        self.put_forward_events_duration(intake_key, seconds)

    def _get_secrets_from_server(self) -> tuple[dict[str, Any], dict[str, Any]]:  # type: ignore[override]
        # trigger.py:98 has no time-out for the whole answer, says nothing, and cannot be stopped.
        while True:
            future = in_daemon_thread(lambda: Trigger._get_secrets_from_server.__wrapped__(self))
            with suppress(Exception):
                if self.context.wait_for((future,), SECRETS_WITHIN_S):
                    return future.result()
            if self.context.is_stopping():
                return {}, {}
            self.log("The platform is not providing the secrets; the connector waits for them", level="error")
            self.context.wait_for((), SECRETS_AGAIN_AFTER_S)

    def _target(self) -> tuple[str, str]:
        # As connector/__init__.py:183 has it.
        server = self.configuration.intake_server or self.intake_url
        return f"{server.rstrip('/')}/batch", self.configuration.intake_key

    def _send_chunk(self, _url: str, _index: int, chunk: list[Any], _ids: dict[int, list[str]]) -> None:
        # connector/__init__.py:128 retries for an hour, then drops the events; those of a 200 without JSON at once.
        self.intake.send_chunk(chunk)

    def _send_logs_to_api(self) -> None:  # type: ignore[override]
        # trigger.py:352 sends in the thread that logs, and raises after ten attempts: the timer that calls this every
        # five seconds dies of it (timer.py:16). Here one attempt is made in a thread, and the timer retries.
        with self._log_lock:
            if self._logs and not self._is_sending():
                self._sending = in_daemon_thread(self._send_logs)

    def _is_sending(self) -> bool:
        return self._sending is not None and not self._sending.done()

    def _send_logs(self) -> None:
        try:
            while self._logs:
                in_daemon_thread(lambda: Trigger._send_logs_to_api.__wrapped__(self)).result(LOGS_GIVEN_UP_S)
                self._is_log_accepted = True
        except Exception as error:
            if self._is_log_accepted:  # only the process's own log can say it
                self._logger.warning("The platform accepts no log lines (%s); they are kept", type(error).__name__)
            self._is_log_accepted = False
        finally:
            with self._log_lock:
                self._logs.sort(key=lambda line: str(line["date"]))
                del self._logs[:-LOGS_KEPT]
