"""Sending log lines to the platform from a thread of its own.

The SDK sends an `error` or `critical` line at once, from the thread that logs, and raises after ten attempts when the
endpoint is down; its timer for the others ends for good at the first failure.
"""

import threading
from collections.abc import Callable

RETRIED_AFTER_S = 10.0


class LogSender:
    """Calls `send` in a thread of its own whenever there is something to send, and again when that failed.

    `send` makes one attempt and raises what went wrong; `failed` is told so that it can bound what is kept.
    """

    def __init__(self, send: Callable[[], None], failed: Callable[[], None], stop_event: threading.Event) -> None:
        self._send = send
        self._failed = failed
        self._stop_event = stop_event
        self._lock = threading.Lock()
        self._waiting = threading.Event()
        self._sent = threading.Event()
        self._thread: threading.Thread | None = None

    def send_soon(self) -> None:
        """Have the pending lines sent, without waiting for that."""
        self._sent.clear()
        self._waiting.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_sending, name="logs", daemon=True)
                self._thread.start()

    def flush(self, seconds: float) -> bool:
        """Wait up to so long until what there is has been sent; return whether it was."""
        return self._sent.wait(seconds)

    def _keep_sending(self) -> None:
        failed = False
        # After the stop, one failure ends it: the process does not last longer than that.
        while not (failed and self._stop_event.is_set()):
            self._waiting.wait()
            self._waiting.clear()
            try:
                self._send()
                failed = False
                self._sent.set()
            except Exception:  # the endpoint is down: the SDK has kept the lines
                failed = True
                self._failed()
                self._stop_event.wait(RETRIED_AFTER_S)
                self._waiting.set()
