"""The connector as a simulated process: the real object, in a thread that runs only when it has the turn."""

import logging
import signal
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as StillWaiting
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests
from cachetools import TLRUCache

from cyberark_modules import CyberArkModule
from cyberark_modules.audit_api.transport import Transport
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.clock import TenantClock
from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.connector_audit_logs import CyberArkAuditLogsConnector
from cyberark_modules.intake.channel import Receipts
from cyberark_modules.platform.background import Background
from sandbox.simulation.network import Network
from sandbox.simulation.timeline import Killed, ProcessClock, Timeline

T = TypeVar("T")
Say = Callable[[str, str], None]
# What the connector says goes to the platform's log only: days of lines on the console would say nothing.
_SILENT = logging.getLogger("simulation")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())


class _Later(Future[T]):
    """The result of a call that was made aside: known from `ready` on."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.ready = timeline.now
        self._timeline = timeline

    def done(self) -> bool:
        return self._timeline.now >= self.ready

    def result(self, timeout: float | None = None) -> T:
        end = self.ready if timeout is None else min(self.ready, self._timeline.now + timeout)
        self._timeline.advance_to(end)
        if not self.done():
            raise StillWaiting
        return super().result(0)


class _Aside(Executor):
    """Every call is made at once, and takes its time aside."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.idle_at = timeline.now

    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: _Later[T] = _Later(self._timeline)
        with self._timeline.aside():
            try:
                future.set_result(call(*args, **kwargs))
            except Exception as error:  # handed to whoever asks for the result
                future.set_exception(error)
            future.ready = self._timeline.now
        self.idle_at = max(self.idle_at, future.ready)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """There is no thread to end."""


class _VirtualBackground(Background):
    """Calls are made aside; waiting lets virtual time pass."""

    def __init__(self, stop_event: threading.Event, clock: ProcessClock, timeline: Timeline) -> None:
        super().__init__(stop_event, clock)
        self._aside = _Aside(timeline)
        self._timeline = timeline

    def submit(self, call: Callable[[], T]) -> Future[T]:
        return self._aside.submit(call)

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> bool:
        # No wait is shorter: a time that rounding leaves a hair before its end still passes.
        end = min([self._timeline.now + max(0.001, seconds), *(f.ready for f in futures if isinstance(f, _Later))])
        self._timeline.advance_to(end, self._stop_event.is_set)
        return any(future.done() for future in futures)


class SimulatedConnector(CyberArkAuditLogsConnector):
    """The connector, with virtual time in the place of threads, and the sandbox in the place of the network."""

    def __init__(
        self,
        data_path: Path,
        account: CyberArkModuleConfiguration,
        configuration: CyberArkAuditLogsConfiguration,
        timeline: Timeline,
        network: Network,
        clock: ProcessClock,
        say: Say,
        events_per_request: int,
    ) -> None:
        module = CyberArkModule()
        module.configuration = account
        self.clock = clock  # first: what is made there goes by it
        super().__init__(module, data_path)
        self.configuration = configuration
        self._timeline = timeline
        self._network = network
        self._say = say
        self._events_per_request = events_per_request
        self._executor = self._pushes = _Aside(timeline)  # type: ignore[assignment]
        self.background = _VirtualBackground(self._stop_event, clock, timeline)
        send = self.channel.send
        self.channel.send = lambda texts, is_probe=False: self._sent(send(texts, is_probe))  # type: ignore[method-assign]
        self._attach(self._http_session)
        self._logger = _SILENT
        # Real time would hide from the platform's log what is said twice within a real minute.
        self._rate_limited_logs = TLRUCache(4096, self.log_ttl, timer=clock.monotonic)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What it goes on from and has committed, stored or not; None before it is loaded."""
        state = self.state
        return state.checkpoint if state is not None and state.is_loaded else None

    def make_transport(self, tenant_clock: TenantClock) -> Transport:
        transport = super().make_transport(tenant_clock)
        self._attach(transport.session)
        return transport

    def _sent(self, receipts: Receipts) -> Receipts:
        """The SDK waits for the requests of a push: they are over when the last one is."""
        self._timeline.advance_to(self._pushes.idle_at)
        return receipts

    def _attach(self, session: requests.Session) -> None:
        session.mount("https://", self._network)
        session.trust_env = False  # there is no proxy to be looked for at each request

    def _send_logs_to_api(self) -> None:  # type: ignore[override]
        for line in self._logs:
            self._say(line["level"], line["message"])
        self._logs.clear()

    def log(self, message: str, level: Any = "info", *args: Any, **kwargs: Any) -> None:
        super().log(message, level, *args, **kwargs)
        self._send_logs_to_api()

    def _chunk_events(self, events: Any) -> Generator[list[Any], None, None]:
        for chunk in super()._chunk_events(events):
            for start in range(0, len(chunk), self._events_per_request):
                yield chunk[start : start + self._events_per_request]


class Process:
    """Runs a connector, from horizon to horizon of the timeline."""

    def __init__(self, make: Callable[[], SimulatedConnector], timeline: Timeline) -> None:
        with _signals_kept():
            self.connector = make()
        self.running = True
        self._timeline = timeline
        self._is_to_die = False
        self._error: BaseException | None = None
        self._turn = threading.Semaphore(0)
        self._turn_given_back = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="simulated", daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Let it run until it waits beyond the horizon, or ends. Raises what it ended with, if it should not have."""
        self._timeline.give_turn = self._give_turn
        self._turn.release()
        self._turn_given_back.acquire()
        if self._error is not None:
            raise self._error

    def kill(self) -> None:
        self._is_to_die = True
        self.resume()

    def _give_turn(self) -> None:
        self._turn_given_back.release()
        self._turn.acquire()
        if self._is_to_die:
            raise Killed

    def _run(self) -> None:
        self._turn.acquire()
        try:
            if not self._is_to_die:
                self.connector.run()
        except Killed:
            pass
        except BaseException as error:  # raised again where the turn is given back
            self._error = error
        finally:
            self.running = False
            self._turn_given_back.release()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """The SDK takes the signals of the process that makes a connector; they stay with whoever simulates."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
