"""What the pages that have arrived bring: the events that were never delivered, and how their streams go on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..audit_api.events import Event, Page
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint
from ..errors import CyberArkError
from .closing import closed
from .endings import Endings
from .failures import Failures
from .narrowing import widened
from .pages import InFlight, Pages
from .reading import End, Read, beyond_window, is_at_live_edge, tail_of, until_tail
from .state import State
from .surroundings import Surroundings
from .survey import Survey


@dataclass(frozen=True, slots=True)
class Arrival:
    """A page that has arrived: its stream, those of its events that were never delivered, and what it leads to.

    `asked_ms` is when it was requested (epoch ms by the tenant's clock).
    """

    stream: Stream
    page: Page
    new: tuple[Event, ...]
    read: Read
    asked_ms: int


class Confirmation:
    """Which of the pushed events are done; a key is remembered once all events that share it are."""

    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self._streams = {number: arrival.stream for number, arrival in enumerate(arrivals)}
        self._open = {id(event): (event, number) for number, each in enumerate(arrivals) for event in each.new}
        self._waiting: list[tuple[Event, int]] = []

    @property
    def is_complete(self) -> bool:
        """Whether every event is done."""
        return not self._open

    def done(self, events: Iterable[Event]) -> Iterator[tuple[Stream, list[Event]]]:
        """Note what is done; yield the events to remember now, by stream."""
        done = [*self._waiting, *(self._open.pop(id(event)) for event in events)]
        open_keys = {event.key for event, _ in self._open.values()}
        self._waiting = [(event, number) for event, number in done if event.key in open_keys]
        known: dict[int, list[Event]] = {}
        for event, number in done:
            if event.key not in open_keys:
                known.setdefault(number, []).append(event)
        for number, remembered in known.items():
            yield self._streams[number], remembered


class Streams:
    """Reads pages: drops what was delivered, asks for the next ones, and moves the checkpoint past each page."""

    def __init__(self, around: Surroundings, state: State, pages: Pages, failures: Failures, survey: Survey) -> None:
        self._around = around
        self._state = state
        self._pages = pages
        self._failures = failures
        self._survey = survey
        self._endings = Endings(around.overlap_ms)
        self._pruned_size = 0

    def arrived(self) -> Iterator[Arrival]:
        """Yield the pages that have arrived, without what was delivered; the next ones are asked for meanwhile."""
        shown: set[bytes] = set()
        likely = self._state.checkpoint
        self._pages.forget_closed(likely.streams)
        for each in self._pages.arrived():
            stream = next((one for one in self._state.checkpoint.streams if one.number == each.number), None)
            try:
                page = each.page.result(0)
            except CyberArkError as error:
                if stream is not None:
                    self._failures.page_failed(stream, error)
                    likely = likely.without_stream(stream)
                continue
            if stream is None or stream.cursor != each.cursor:
                continue  # closed, or replaced, while the page was on its way
            self._failures.page_served(stream)
            arrival = self._read(stream, page, shown, each)
            shown.update(event.key for event in arrival.new)
            likely = self._prefetch(likely, arrival)
            yield arrival

    def _read(self, stream: Stream, page: Page, shown: set[bytes], request: InFlight) -> Arrival:
        checkpoint = self._state.checkpoint
        seen, given_up = checkpoint.seen, checkpoint.given_up(stream)
        # Two contents under one uuid in one page are two events; shown again later, they are one that was delivered.
        unseen = {
            (event.key, event.text): event
            for event in page.events
            if event not in seen and event.key not in shown and not given_up.holds(event.time_ms)
        }
        read = self._endings.read(stream, page, bool(unseen), self._around.now_ms(), self._pages.is_far_apart)
        read = until_tail(read, checkpoint.stream(Use.TAIL), self._around.overlap_ms)
        for event in beyond_window(read.stream, page, self._around.overlap_ms):
            unseen.pop((event.key, event.text), None)
        return Arrival(stream, page, tuple(unseen.values()), read, request.asked_ms)

    def _prefetch(self, likely: Checkpoint, arrival: Arrival) -> Checkpoint:
        """Ask ahead for what follows this page; return the checkpoint as it will be once the page is delivered."""
        stream = arrival.read.stream
        if arrival.read.end is not End.NOT_YET:
            return likely.without_stream(stream)
        if stream.use is not Use.TAIL and is_at_live_edge(stream, arrival.page, self._around.now_ms()):
            self._pages.pause_at_live_edge(stream)
        likely = likely.with_stream(stream)
        self._pages.ask(likely)
        return likely

    def advanced(self, checkpoint: Checkpoint, arrival: Arrival, page_size: int) -> Checkpoint:
        """Return the checkpoint after a page, all of whose events are delivered. `page_size` is the configured one."""
        stream, read, overlap_ms = arrival.stream, arrival.read, self._around.overlap_ms
        if stream.use is Use.TAIL:
            if read.end is not End.NOT_YET:
                self._pages.tail_paused()
                self._survey.read_up_to(read.stream, arrival.asked_ms)
            return checkpoint.with_stream(read.stream)
        if read.end is End.NOT_YET:
            return widened(checkpoint.with_stream(read.stream), read.stream, page_size, overlap_ms)
        is_proven = self._endings.noted_end(read)
        if stream.use is Use.RECONCILIATION and is_proven:
            checkpoint = replace(checkpoint, reconciled_ms=stream.opened_ms)
        checkpoint = closed(checkpoint, read.stream, overlap_ms, is_proven=is_proven)
        if is_proven:
            self._survey.stream_ended(read.stream)
        if stream.use is Use.LOOKBACK:
            if is_proven:
                self._survey.read_up_to(read.stream, stream.opened_ms)
            checkpoint = checkpoint.with_stream(tail_of(read.stream))
        return checkpoint

    def pruned(self, checkpoint: Checkpoint, new_keys: int = 0) -> Checkpoint:
        """Return the checkpoint without the keys that nothing can show any more.

        With `new_keys`, only if more keys than that have come since it was done last; otherwise always.
        """
        if new_keys and checkpoint.seen.size <= self._pruned_size + new_keys:
            return checkpoint
        checkpoint = checkpoint.pruned(self._around.overlap_ms, self._around.now_ms())
        self._pruned_size = checkpoint.seen.size
        self._endings.forget_closed(checkpoint.streams)
        return checkpoint
