"""A page that has arrived, and which of its events the intake has accepted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..audit_api.events import Event, Page
from ..checkpoint.stream import Stream
from .reading import Read


@dataclass(frozen=True, slots=True)
class Arrival:
    """A page that has arrived: its stream, those of its events that were never delivered, and what it leads to."""

    stream: Stream
    page: Page
    fresh: tuple[Event, ...]
    read: Read
    asked_ms: int


class Confirmation:
    """Which of the pushed events are done; a key is remembered once all events that share it are."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self._open = {id(event): (event, arrival.stream) for arrival in arrivals for event in arrival.fresh}
        self._waiting: list[tuple[Event, Stream]] = []

    @property
    def is_complete(self) -> bool:
        """Whether every event is done."""
        return not self._open

    def done(self, events: Iterable[Event]) -> Iterator[tuple[Stream, list[Event]]]:
        """Note what is done; yield the events to remember now, by stream."""
        self._waiting += [self._open.pop(id(event)) for event in events]
        open_keys = {event.key for event, _ in self._open.values()}
        known = [(event, stream) for event, stream in self._waiting if event.key not in open_keys]
        self._waiting = [(event, stream) for event, stream in self._waiting if event.key in open_keys]
        for stream in {stream.number: stream for _, stream in known}.values():
            yield stream, [event for event, other in known if other.number == stream.number]
