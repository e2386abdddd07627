"""Calls made in another thread, so that the connector can be stopped while it waits for an answer."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting
from typing import TypeVar

T = TypeVar("T")


def in_background(call: Callable[[], T]) -> Future[T]:
    """Start the call in a thread of its own, and return its future.

    The thread is a daemon: unlike those of an executor, it does not keep a stopped process waiting for a timeout.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # handed to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def within(seconds: float, call: Callable[[], T], late: Exception) -> T:
    """Return what the call returns, or raise what it raises; raise `late` when it takes longer than that.

    For what no timeout of a connection bounds: a name that is being resolved, an answer that comes in drops.
    """
    try:
        return in_background(call).result(seconds)
    except StillWaiting:
        raise late from None
