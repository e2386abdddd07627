"""The loop: fetch pages, drop what was delivered, push, confirm, commit; in that order, here.

`run` waits, opens a query, asks for pages, and collects those that have arrived. What arrives together is delivered
and committed together.
"""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from ..checkpoint.value import Checkpoint
from ..errors import CyberArkError
from ..platform.stop import Stopping
from .delivery import Delivered, Delivery
from .failures import Failures
from .pages import Pages
from .queries import Opening, Queries, about_to_open
from .scheduler import plan
from .state import State
from .streams import Confirmation, Streams
from .surroundings import LONGEST_WAIT_S, Surroundings
from .survey import Survey

# The keys are pruned again once so many have been added.
KEYS_BETWEEN_PRUNINGS = 20_000


@dataclass(frozen=True, slots=True)
class Loop:
    """Collects until the connector is to stop. The parts that it is given do the work, each in its own file."""

    around: Surroundings
    state: State
    queries: Queries
    pages: Pages
    streams: Streams
    delivery: Delivery
    failures: Failures
    survey: Survey

    def run(self) -> None:
        """Collect. Raises Stopping when the connector is to stop, and StateTaken when another instance runs."""
        while not self.around.is_stopping():
            self._wait()
            self._open_query()
            self.pages.ask(self._checkpoint)
            self._collect()
            self._retry_held()
            self.state.retry()
            self.survey.update(self._checkpoint)
        raise Stopping

    def _wait(self) -> None:
        checkpoint, opening = self._checkpoint, self.queries.opening
        due = [LONGEST_WAIT_S, self.pages.wait_s(checkpoint), self.delivery.held_wait_s(checkpoint)]
        if opening is None and self.pages.may_open_query(checkpoint):
            due.append(max(self.queries.wait_s, self.pages.all_wait_s()))
        futures: list[Future[Any]] = [*self.pages.futures, *self.state.futures]
        futures.extend([opening.cursor] if opening else [])
        self.around.wait_for(futures, max(0.0, min(due)))

    def _open_query(self) -> None:
        """Use the query of the minute, if it is free and anything is to be read by it."""
        if (opening := self.queries.opening) is not None:
            if opening.cursor.done():
                self._query_answered(opening)
            return
        if self.queries.wait_s or self.pages.all_wait_s() or not self.pages.may_open_query(self._checkpoint):
            return
        now_ms, overlap_ms = self.around.now_ms(), self.around.overlap_ms
        self.failures.expire(now_ms)
        turn = self.queries.turn(now_ms, overlap_ms, self.pages.is_slow)
        planned = plan(self._checkpoint, turn)
        if planned.query is None:
            self.state.commit(planned.checkpoint, write=planned.checkpoint != self._checkpoint)
            self.queries.nothing_wanted()
            return
        self.state.commit(about_to_open(planned.checkpoint, self.around.latest_ms()), backup=True)
        self.pages.query_called()
        self.queries.open(planned.query, self.around.opened_ms())

    def _query_answered(self, opening: Opening) -> None:
        try:
            stream = self.queries.opened()
        except CyberArkError as error:
            self.failures.query_failed(error, opening.query)
            return
        self.failures.query_opened(stream)
        checkpoint = self._checkpoint.with_stream(replace(stream, longest_page=self.survey.longest_page(stream)))
        checkpoint = replace(checkpoint, queried_ms=self.around.latest_ms())
        self.state.commit(self.streams.pruned(checkpoint), backup=True)

    def _collect(self) -> None:
        """Fetch, drop what was delivered, push, confirm, commit."""
        arrivals = list(self.streams.arrived())
        if not arrivals:
            return
        before, now_ms = self._checkpoint, self.around.now_ms()
        new = tuple(event for arrival in arrivals for event in arrival.new)
        if new:
            self.state.check()
        confirmation = Confirmation(arrivals)
        self.delivery.push(new, before.held, now_ms, lambda delivered: self._confirm(confirmation, delivered, now_ms))
        checkpoint = self._checkpoint
        for arrival in arrivals:
            self.survey.page(before, arrival.stream, arrival.page, arrival.new)
            checkpoint = self.streams.advanced(checkpoint, arrival, self.queries.page_size)
        checkpoint = self.streams.pruned(checkpoint, KEYS_BETWEEN_PRUNINGS)
        is_worth_a_write = bool(new) or checkpoint.coverage.gaps != self._checkpoint.coverage.gaps
        self.state.commit(checkpoint, write=is_worth_a_write, delivered=bool(new))

    def _confirm(self, confirmation: Confirmation, delivered: Delivered, now_ms: int) -> None:
        """Remember at once what the intake has accepted, so that it is not sent again if a stop precedes the rest."""
        checkpoint = self._checkpoint
        for stream, events in confirmation.done(delivered.done):
            checkpoint = checkpoint.delivered(events, stream, now_ms)
        checkpoint = replace(checkpoint, held=(*checkpoint.held, *delivered.held))
        self.state.commit(checkpoint, write=not confirmation.is_complete, delivered=True)

    def _retry_held(self) -> None:
        checkpoint = self.delivery.retry_held(self._checkpoint, self.around.now_ms())
        # One more attempt is not worth a write: a restart would only make it again.
        is_fewer = len(checkpoint.held) < len(self._checkpoint.held)
        self.state.commit(checkpoint, write=is_fewer, delivered=True)

    @property
    def _checkpoint(self) -> Checkpoint:
        return self.state.checkpoint
