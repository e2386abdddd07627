"""Faults of the events themselves: late, malformed, or very many at once."""

from sandbox.events.malformed import events_with_line_breaks, malformed_events
from sandbox.faults.fault import Changed, Fault, FaultType, Repeated, Stage
from sandbox.http import Request, Response

_LATE_SHARE = 0.2


def _late(stage: Stage, seconds: float) -> Fault:
    return _Late(stage, seconds)


class _Late(Changed):
    """Counts the late events."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        super().__init__(stage.tenant.delays, late_share=_LATE_SHARE, late_bound=seconds)
        self._delays = stage.tenant.delays
        self._index = stage.ledger.index
        self._next = len(self._index)

    def after(self, endpoint: str, request: Request, response: Response) -> Response:
        return response

    @property
    def count(self) -> int:
        most = self._delays.most
        for sequence in range(self._next, len(self._index)):
            self._acted += self._index.arrivals[sequence] - self._index.times_ms[sequence] / 1000 > most
        self._next = len(self._index)
        return self._acted


def _malformed(stage: Stage, seconds: float) -> Fault:
    def add() -> None:
        for text in malformed_events(stage.now(), stage.rng).values():
            stage.tenant.add(text)

    return Repeated(stage, seconds, add)


def _line_breaks(stage: Stage, seconds: float) -> Fault:
    def add() -> None:
        for text in events_with_line_breaks(stage.now(), stage.rng):
            stage.tenant.add(text)

    return Repeated(stage, seconds, add)


class _Burst(Fault):
    def __init__(self, stage: Stage, count: float) -> None:
        self._stage = stage
        self._count = int(count)

    def begin(self) -> None:
        now = self._stage.now()
        for number in range(self._count):
            self._stage.tenant.add(time=now + number / self._count)
        self._acted += self._count


CONTENT_FAULTS = (
    FaultType(
        "late", "a fifth of the live events arrive late", 60, "seconds late at most", _late, counted="late events"
    ),
    FaultType(
        "malformed", "malformed events among well-formed ones", 20, "seconds between", _malformed, counted="rounds"
    ),
    FaultType("line-breaks", "events that span several lines", 20, "seconds between", _line_breaks, counted="rounds"),
    FaultType("burst", "many events within one second", 5000, "events", _Burst, counted="events"),
)
