"""What is set up once for the process: the filters of secrets, and an end in time after a signal, whatever hangs.

The SDK hands both configurations to Sentry (module.py:183), and Sentry adds the local variables of every frame.
"""

import gc
import logging
import os
import signal
import socket
import time
from typing import Any

import sentry_sdk

from ..context import EXIT_WITHIN_S
from ..http import in_daemon_thread
from ..masking import masked


def install_filters() -> None:
    """Mask what goes to Sentry, and what the handlers of the root logger write."""
    sentry_sdk.get_global_scope().add_event_processor(lambda event, _hint: _without_secrets(event))
    for handler in logging.getLogger().handlers:
        handler.addFilter(_mask_record)  # once, however often


def exit_in_time() -> socket.socket:
    """End the process in time after SIGTERM or SIGINT; keep what is returned. Call it once, in the main thread.

    By a thread that the interpreter's handler in C wakes: the main thread may be in a call that lets no handler in
    Python run, while a host name is resolved for one.
    """
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    in_daemon_thread(lambda: _exit_after_signal(woken))
    gc.freeze()  # the interpreter's last collection would take up to half a second, for nothing
    return waker


def _mask_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = masked(record.getMessage()), ()
    if record.exc_info and not record.exc_text:
        record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
    return True


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_secrets(name): _without_secrets(item) for name, item in value.items() if name != "vars"}
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return masked(value) if isinstance(value, str) else value


def _exit_after_signal(woken: socket.socket) -> None:
    while woken.recv(1)[0] not in (signal.SIGTERM, signal.SIGINT):
        pass
    time.sleep(EXIT_WITHIN_S)
    # Nothing that takes a lock: whoever hangs may hold it.
    os.write(2, f"Shutdown took longer than {EXIT_WITHIN_S:g} s; exiting now.\n".encode())
    os._exit(0)
