"""The connector as a simulated process."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from sandbox.simulation.tasks import Tasks
from sandbox.simulation.timeline import Group, Killed, Timeline


class Connector(Protocol):
    """What a process runs."""

    def run(self) -> None: ...


C = TypeVar("C", bound=Connector)


class Process(Generic[C]):
    """Runs a connector, whenever the timeline gives it the turn."""

    def __init__(self, make: Callable[[Tasks], C], timeline: Timeline) -> None:
        self._timeline = timeline
        self._group = Group()
        with _signals_kept():
            self.connector = make(Tasks(timeline, self._group))
        self._has_ended = False
        timeline.start(self._group, self._run)

    @property
    def running(self) -> bool:
        return not self._has_ended and not self._group.is_dying

    def kill(self) -> None:
        """End it where it is, with all that it does."""
        self._timeline.end(self._group)

    def _run(self) -> None:
        try:
            self.connector.run()
        except Killed:
            self._group.is_dying = True
        except BaseException as error:  # raised where the time is driven
            self._timeline.fail(error)
        finally:
            self._has_ended = True
            self._timeline.interrupt()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """The SDK takes the signals of the process that makes a connector; they stay with whoever simulates."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
