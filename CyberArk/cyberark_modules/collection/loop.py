"""The loop: fetch pages, drop what was delivered, push, confirm, commit; in that order, here.

`run` waits, opens a query, asks for pages, and collects those that have arrived. What arrives together is pushed and
committed together; the next page of a reader is fetched meanwhile.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from ..checkpoint.value import Checkpoint, Reader, Window
from ..context import LONGEST_WAIT_S, Context, Stopping
from ..events import Event
from .delivery import Delivery
from .failures import Failures
from .pages import InFlight, Pages
from .queries import QUERY_MAY_TAKE_MS, Queries
from .rate import RateLimiter
from .reading import after_page, ended, is_end
from .saved import SavedCheckpoint
from .scheduler import plan

KEYS_BETWEEN_PRUNINGS = 20_000


@dataclass(frozen=True)
class Arrival:
    """A page that was read: its reader after it, whether it is the last one for now, and its new events."""

    asked: InFlight
    reader: Reader
    is_end: bool
    returned: int
    new: Sequence[Event]


@dataclass(frozen=True)
class Loop:
    """Collects until the connector is to stop. The parts that it is given do the work, each in its own file."""

    context: Context
    saved: SavedCheckpoint
    queries: Queries
    pages: Pages
    limiter: RateLimiter
    failures: Failures
    delivery: Delivery

    def run(self) -> None:
        """Collect. Raises Stopping when the connector is to stop, and StateTaken when another instance runs."""
        while not self.context.is_stopping():
            self._wait()
            self._open_query()
            self.pages.ask(self.saved.value)
            self._collect()
            self.delivery.resend()
            self.saved.save()
            self.failures.reporter.update(self.saved.value, max(self.limiter.interval_s, self.limiter.wait_s()))
        raise Stopping

    def _wait(self) -> None:
        opening, futures = self.queries.opening, list[Future[Any]](each.page for each in self.pages.in_flight.values())
        due = [LONGEST_WAIT_S, self.pages.wait_s(self.saved.value), self.delivery.wait_s, self._query_wait_s()]
        self.context.wait_for([*futures, opening.cursor] if opening else futures, max(0.0, min(due)))

    def _query_wait_s(self) -> float:
        if self.queries.opening is not None or not self.pages.may_open_query(self.saved.value):
            return LONGEST_WAIT_S
        return max(self.queries.wait_s, self.limiter.wait_s())

    def _open_query(self) -> None:
        """Use the query of the minute, if it is free and there is anything to read."""
        if self.queries.opening is not None:
            if self.queries.opening.cursor.done():
                self._query_answered(self.queries.opening.window)
            return
        if self._query_wait_s() > 0:
            return
        checkpoint = self.failures.maintained(self.saved.value)
        checkpoint, window = plan(checkpoint, self.failures.moment(checkpoint))
        if window is None:
            self.saved.commit(checkpoint, write=checkpoint != self.saved.value)
            self.queries.nothing_to_read()
            return
        self.pages.query_called()
        # Saved before it is sent: a restart keeps the interval to the moment at which it is counted at the latest.
        checkpoint = replace(checkpoint, queried_ms=self.context.later_ms() + QUERY_MAY_TAKE_MS)
        self.saved.commit(checkpoint, backup=True)
        self.saved.commit(self.queries.open(checkpoint, window), write=False)

    def _query_answered(self, window: Window) -> None:
        checkpoint = replace(self.saved.value, queried_ms=self.context.later_ms())
        try:
            reader = self.queries.answered()
        except Exception as error:  # a defect of ours too costs a query, never the collection
            self.saved.commit(self.failures.query_failed(checkpoint, window, error))
            return
        self.failures.query_opened()
        self.saved.commit(checkpoint.with_reader(reader), backup=True)

    def _collect(self) -> None:
        """Fetch, drop what was delivered, push, confirm, commit."""
        arrivals = list(self._arrivals())
        if not arrivals:
            return
        new = tuple({event.key: event for arrival in arrivals for event in arrival.new}.values())
        if new:
            self.delivery.push(new, partial(self._confirm, len(new)))
        checkpoint = reduce(self._advanced, arrivals, self.saved.value)
        if checkpoint.keys.added >= KEYS_BETWEEN_PRUNINGS:
            checkpoint = checkpoint.pruned(self.context.earlier_ms())
        is_worth_a_write = bool(new) or checkpoint.windows != self.saved.value.windows
        self.saved.commit(checkpoint, write=is_worth_a_write)

    def _arrivals(self) -> Iterator[Arrival]:
        """Read the pages that have arrived, and ask for those that follow them. What fails there is a failed page."""
        for asked, reader in self.pages.arrived(self.saved.value):
            try:
                page = asked.page.result(0)
                new = self.saved.value.keys.unseen(page.events, reader.window.end_ms, reader.window.again)
                following = after_page(reader, page, len(new))
                last = is_end(reader, following, page, asked.asked_ms)
            except Exception as error:  # a defect of ours too costs a page, never the collection
                self.saved.commit(self.failures.page_failed(self.saved.value, asked, reader, error), write=False)
                continue
            self.pages.served(asked, page)
            self.failures.page_served()
            self.pages.ask_meanwhile(*([] if last else [following]))
            yield Arrival(asked, following, last, len(page.events), new)

    def _confirm(self, pushed: int, events: Sequence[Event]) -> None:
        """Note what is done; save it at once if that is a part, since a stop may precede the rest."""
        checkpoint = self.saved.value.with_delivered(events, self.context.later_ms())
        self.saved.commit(checkpoint, write=len(events) < pushed)

    def _advanced(self, checkpoint: Checkpoint, arrival: Arrival) -> Checkpoint:
        """Return the checkpoint once all events of that page are done."""
        reader = arrival.reader
        self.failures.reporter.page(arrival.returned, len(arrival.new))
        checkpoint = checkpoint.with_reader(reader)
        if not arrival.is_end:
            return checkpoint
        if reader.is_live:
            self.pages.paused(reader)
            self.failures.reporter.live_read_to(arrival.asked.asked_ms, caught_up=not reader.caught_up)
        return ended(checkpoint, reader)
