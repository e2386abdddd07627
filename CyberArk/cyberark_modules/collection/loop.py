"""The loop: fetch pages, drop what was delivered, push, confirm, commit; in that order, here.

`run` waits, opens a query, asks for pages, and collects those that have arrived. What arrives together is delivered
and committed together.
"""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from ..audit_api.events import Page
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint
from ..errors import CyberArkError
from .arrival import Arrival, Confirmation
from .delivery import Delivered, Delivery, Stopping
from .endings import Endings
from .failures import Failures
from .narrowing import widened
from .outcome import ended
from .pages import Pages
from .queries import Queries, about_to_open
from .reading import End, beyond_window, is_at_live_edge, tail_of
from .scheduler import Turn, plan
from .state import State
from .surroundings import LONGEST_WAIT_S, Surroundings
from .survey import Survey


class Loop:
    """Collects until the connector is to stop. The parts that it is given do the work, each in its own file."""

    def __init__(
        self,
        around: Surroundings,
        state: State,
        queries: Queries,
        pages: Pages,
        delivery: Delivery,
        failures: Failures,
        survey: Survey,
    ) -> None:
        self._around = around
        self._state = state
        self._queries = queries
        self._pages = pages
        self._delivery = delivery
        self._failures = failures
        self._survey = survey
        self._endings = Endings(around.overlap_ms)
        self._started_ms = around.now_ms()
        self._pruned_size = 0

    def run(self) -> None:
        """Collect. Raises Stopping when the connector is to stop, and StateTaken when another instance runs."""
        while not self._around.is_stopping():
            self._wait()
            self._open_query()
            self._pages.ask(self._checkpoint)
            self._collect()
            self._retry_held()
            self._state.retry()
            self._survey.take(self._checkpoint)
        raise Stopping

    def _wait(self) -> None:
        checkpoint, opening = self._checkpoint, self._queries.opening
        due = [LONGEST_WAIT_S, self._pages.wait_s(checkpoint), self._delivery.held_wait_s(checkpoint)]
        if opening is None and self._pages.may_open_query(checkpoint):
            due.append(max(self._queries.wait_s, self._pages.held_for_s()))
        futures: list[Future[Any]] = [*self._pages.futures, *self._state.futures]
        futures.extend([opening.cursor] if opening else [])
        self._around.wait_for(futures, max(0.0, min(due)))

    def _open_query(self) -> None:
        """Use the query of the minute, if it is free and anything is to be read by it."""
        now_ms = self._around.now_ms()
        if (opening := self._queries.opening) is not None:
            if not opening.cursor.done():
                return
            try:
                stream = self._queries.opened()
            except CyberArkError as error:
                self._failures.query_failed(error, opening.query)
                return
            self._failures.query_opened(stream)
            checkpoint = self._checkpoint.with_stream(replace(stream, longest_page=self._survey.longest_page(stream)))
            checkpoint = replace(checkpoint, queried_ms=self._around.latest_ms())
            self._state.commit(self._pruned(checkpoint, now_ms), backup=True)
            return
        if self._queries.wait_s or self._pages.held_for_s() or not self._pages.may_open_query(self._checkpoint):
            return
        self._failures.expire(now_ms)
        planned = plan(self._checkpoint, self._turn(now_ms))
        if planned.query is None:
            self._state.commit(planned.checkpoint, write=planned.checkpoint != self._checkpoint)
            self._queries.nothing_wanted()
            return
        self._state.commit(about_to_open(planned.checkpoint, self._around.latest_ms()), backup=True)
        self._pages.query_called()
        self._queries.open(planned.query, self._around.opened_ms())

    def _collect(self) -> None:
        """Fetch, drop what was delivered, push, confirm, commit."""
        arrivals = list(self._arrivals())
        if not arrivals:
            return
        before, now_ms = self._checkpoint, self._around.now_ms()
        fresh = tuple(event for arrival in arrivals for event in arrival.fresh)
        if fresh:
            self._state.check()
        confirm = Confirmation(arrivals)
        self._delivery.push(
            fresh, self._checkpoint.held, now_ms, lambda delivered: self._confirm(confirm, delivered, now_ms)
        )
        checkpoint = self._checkpoint
        for arrival in arrivals:
            self._survey.page(before, arrival.stream, arrival.page, arrival.fresh)
            checkpoint = self._advanced(checkpoint, arrival)
        if checkpoint.seen.size > self._pruned_size + 20_000:
            checkpoint = self._pruned(checkpoint, now_ms)
        is_new = bool(fresh) or checkpoint.coverage.gaps != self._checkpoint.coverage.gaps
        self._state.commit(checkpoint, write=is_new, delivered=bool(fresh))

    def _arrivals(self) -> Iterable[Arrival]:
        """Fetch: the pages that have arrived, without what was delivered; the next one is asked for meanwhile."""
        shown: set[bytes] = set()
        likely = self._checkpoint
        for each in self._pages.arrived():
            stream = next((one for one in self._checkpoint.streams if one.number == each.number), None)
            try:
                page = each.page.result(0)
            except CyberArkError as error:
                if stream is not None:
                    self._failures.page_failed(stream, error)
                continue
            if stream is None or stream.cursor != each.cursor:
                continue  # closed, or replaced, while the page was on its way
            self._failures.page_served(stream)
            arrival = self._read(stream, page, shown, each.asked_ms)
            shown.update(event.key for event in arrival.fresh)
            likely = self._prefetch(likely, arrival)
            yield arrival

    def _prefetch(self, likely: Checkpoint, arrival: Arrival) -> Checkpoint:
        """Ask for what is next once this page is delivered; return the checkpoint as it will be then."""
        stream = arrival.read.stream
        if arrival.read.end is not End.NOT_YET:
            return likely.without_stream(stream)
        if stream.use is not Use.TAIL and is_at_live_edge(stream, arrival.page, self._around.now_ms()):
            self._pages.pause(stream)
        likely = likely.with_stream(stream)
        self._pages.ask(likely)
        return likely

    def _read(self, stream: Stream, page: Page, shown: set[bytes], asked_ms: int) -> Arrival:
        seen = self._checkpoint.seen
        # Two contents under one uuid in one page are two events; shown again later, they are one that was delivered.
        unseen = {
            (event.key, event.text): event for event in page.events if event not in seen and event.key not in shown
        }
        read = self._endings.read(stream, page, bool(unseen), self._around.now_ms(), self._pages.is_slow)
        for event in beyond_window(read.stream, page, self._around.overlap_ms):
            unseen.pop((event.key, event.text), None)
        return Arrival(stream, page, tuple(unseen.values()), read, asked_ms)

    def _confirm(self, confirmation: Confirmation, delivered: Delivered, now_ms: int) -> None:
        """Remember what the intake has accepted, at once: a stop before the rest is must not send it again."""
        checkpoint = self._checkpoint
        for stream, events in confirmation.done(delivered.done):
            checkpoint = checkpoint.delivered(events, stream, self._around.overlap_ms, now_ms)
        checkpoint = replace(checkpoint, held=(*checkpoint.held, *delivered.held))
        self._state.commit(checkpoint, write=not confirmation.is_complete, delivered=True)

    def _advanced(self, checkpoint: Checkpoint, arrival: Arrival) -> Checkpoint:
        """Return the checkpoint after a page, all of whose events are delivered."""
        stream, read, overlap_ms = arrival.stream, arrival.read, self._around.overlap_ms
        if stream.use is Use.TAIL:
            if read.end is not End.NOT_YET:
                self._pages.tail_paused()
                self._survey.fresh(read.stream, arrival.asked_ms)
            return checkpoint.with_stream(read.stream)
        if read.end is End.NOT_YET:
            return widened(checkpoint.with_stream(read.stream), read.stream, self._queries.page_size, overlap_ms)
        is_proven = self._endings.is_proven(read)
        if stream.use is Use.RECONCILIATION and is_proven:
            checkpoint = replace(checkpoint, reconciled_ms=stream.opened_ms)
        checkpoint = ended(checkpoint, read.stream, overlap_ms, is_proven=is_proven)
        if is_proven:
            self._survey.stream_ended(read.stream)
        if stream.use is Use.LOOKBACK:
            if is_proven:
                self._survey.fresh(read.stream, arrival.asked_ms)
            checkpoint = checkpoint.with_stream(tail_of(read.stream))
        return checkpoint

    def _retry_held(self) -> None:
        checkpoint = self._delivery.retry_held(self._checkpoint, self._around.now_ms())
        # One more attempt is not worth a write: a restart would only make it again.
        is_fewer = len(checkpoint.held) < len(self._checkpoint.held)
        self._state.commit(checkpoint, write=is_fewer, delivered=True)

    def _pruned(self, checkpoint: Checkpoint, now_ms: int) -> Checkpoint:
        checkpoint = checkpoint.pruned(self._around.overlap_ms, now_ms)
        self._pruned_size = checkpoint.seen.size
        self._endings.forget_closed(checkpoint.streams)
        return checkpoint

    def _turn(self, now_ms: int) -> Turn:
        return Turn(
            now_ms=now_ms,
            overlap_ms=self._around.overlap_ms,
            page_size=self._queries.page_size,
            lookback_is_due=self._queries.lookback_is_due,
            filled_last=self._queries.filled_last,
            live_in_row=self._queries.live_in_row,
            started_ms=self._started_ms,
            is_slow=self._pages.is_slow,
        )

    @property
    def _checkpoint(self) -> Checkpoint:
        return self._state.checkpoint
