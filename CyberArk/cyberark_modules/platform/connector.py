"""The one class that inherits from the SDK's connector: it hands the SDK's calls to the parts beside it."""

import threading
from typing import Any

from sekoia_automation.connector import Connector
from sekoia_automation.module import LogLevelStr
from sekoia_automation.trigger import Trigger

from ..clock import Clock
from ..intake import Channel, Intake
from .background import Background, DaemonExecutor
from .logs import LogSender
from .start import can_log, configuration_faults
from .stop import LAST_LINE_WITHIN_S, STOP_WITHIN_S, Stop

REQUESTS_AT_ONCE = 4  # as many as the SDK's executor
LOGS_KEPT = 1000
LOGS_FLUSHED_WITHIN_S = 0.5


class PlatformConnector(Connector):
    """A connector whose logging never blocks it, that ends when asked to, and knows what the intake accepted."""

    clock = Clock()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        # The SDK's event: it has no public name, and everything that waits has to wait on it.
        self.stopping = Stop(self._stop_event, self.clock.monotonic)
        self.background = Background(self._stop_event, self.clock)
        self._executor = DaemonExecutor(REQUESTS_AT_ONCE)  # type: ignore[assignment]
        # The SDK's session, whose User-Agent the intake knows; it has no public name either.
        self.channel = Channel(
            self.push_events_to_intakes, lambda: self._http_session, lambda: self.configuration.intake_key
        )
        self.intake = Intake(self.channel, lambda: self.stopping.is_asked, self.clock.monotonic)
        # Reentrant: the handler of a signal logs too, in the thread that it has interrupted.
        self._log_lock = threading.RLock()
        self._log_sender = LogSender(self._send_logs_once, self._forget_old_logs, self._stop_event)
        self._beat_at = self.clock.monotonic()

    def start_monitoring(self) -> None:
        """Start as the SDK does, but first say everything that is wrong in the configuration. Raises SystemExit."""
        faults = configuration_faults(self.module, type(self))
        if faults and not can_log(self.module):
            raise SystemExit(faults)
        if faults:
            self.log(faults, level="critical")
            self._log_sender.flush(STOP_WITHIN_S)
            raise SystemExit(1)
        super().start_monitoring()  # type: ignore[no-untyped-call]

    def execute(self) -> None:
        """Run as the SDK does, then give the last log lines a moment."""
        super().execute()
        self._log_sender.flush(min(LOGS_FLUSHED_WITHIN_S, self.stopping.remaining_s(LAST_LINE_WITHIN_S)))

    def stop_monitoring(self) -> None:
        """Close the two monitoring servers; each would take half a second, which the process does not wait for."""
        closer = threading.Thread(target=super().stop_monitoring, daemon=True)
        closer.start()
        closer.join(0.1)

    def stop(self, *args: Any, **kwargs: Any) -> None:
        """Ask the connector to end; called as a signal handler, it also ends the process if that takes too long.

        The SDK's own would wait here for the executor, and touches locks that the interrupted thread may hold: it is
        left out, and what is before it in the SDK runs in a thread.
        """
        self.stopping.begin()
        if args:
            self.stopping.exit_in_time()
        stopper = threading.Thread(target=Trigger.stop, args=(self,), daemon=True)
        stopper.start()
        stopper.join(0.2)

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until the connector is to stop, and show that it is alive."""
        end = self.clock.monotonic() + seconds
        while self.running and (remaining := end - self.clock.monotonic()) > 0:
            self.clock.wait(self._stop_event, min(remaining, 30.0))
            self.heartbeat()

    def log(self, message: str, level: LogLevelStr = "info", *args: Any, **kwargs: Any) -> None:
        """Log a message; see the SDK. Raises nothing, and waits for nothing."""
        with self._log_lock:
            try:
                super().log(message, level, *args, **kwargs)
            except Exception:  # nothing that reports may break delivery
                self._logger.exception("A log line could not be handled")

    def count_forwarded(self, intake_key: str, accepted: int, too_large: int, seconds: float) -> None:
        """Count in the SDK's own metrics; `seconds` is how long it took."""
        self.put_forwarded_events(intake_key, accepted)
        self.put_discarded_events(intake_key, too_large)
        self.put_forward_events_duration(intake_key, seconds)

    def allow_critical_again(self) -> None:
        """Let the next critical line be critical: what a person had to fix is fixed. The SDK allows one only."""
        self._critical_log_sent = False

    def heartbeat(self) -> None:
        """Show that it is alive; by a clock that does not jump, unlike the SDK's."""
        super().heartbeat()  # type: ignore[no-untyped-call]
        self._beat_at = self.clock.monotonic()

    def _heartbeat_alive(self) -> bool:
        silent = self.clock.monotonic() - self._beat_at
        if silent < self.last_heartbeat_threshold:
            return True
        self.log(f"The connector has made no progress for {silent:.0f} s; the platform restarts it", level="error")
        return False

    def _send_chunk(
        self, batch_api: str, chunk_index: int, chunk: list[Any], collect_ids: dict[int, list[str]]
    ) -> None:
        self.channel.send_chunk(batch_api, chunk_index, chunk, collect_ids)

    def _send_logs_to_api(self) -> None:  # type: ignore[override]
        """Have the log lines sent soon. The SDK calls it."""
        with self._log_lock:
            if not self._logs:
                return
        self._log_sender.send_soon()

    def _send_logs_once(self) -> None:
        Trigger._send_logs_to_api.__wrapped__(self)  # without the SDK's ten attempts

    def _forget_old_logs(self) -> None:
        with self._log_lock:
            self._logs.sort(key=lambda line: str(line["date"]))
            del self._logs[:-LOGS_KEPT]
