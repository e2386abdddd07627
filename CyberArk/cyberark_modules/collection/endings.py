"""What this API was seen to do at the end of a stream, and in the middle of one: how a page is read depends on it."""

from collections.abc import Iterable

from ..audit_api.events import Page
from ..checkpoint.stream import Stream, Use
from .reading import HOLE_AT_MOST, End, Known, Read, after_page

# Events of one second that a stream may show again and again, in whatever pages.
SHOWN_AT_MOST = 5_000
# An end in doubt counts once it was found at the same place so often.
DOUBTS_END = 3


class Endings:
    """Reads pages, and remembers what tells an end from a hole, or from a page that comes again."""

    def __init__(self, overlap_ms: int) -> None:
        self._overlap_ms = overlap_ms
        # What each stream has shown since its latest date: one that only repeats itself is at its end.
        self._shown: dict[int, frozenset[int]] = {}
        self._holes = 0
        # The uses whose streams were seen to end with such a page: a query with a `dateTo` may end otherwise.
        self._marked: set[Use] = set()
        self._doubts: dict[tuple[Use, int], int] = {}

    def read(self, stream: Stream, page: Page, brought_new: bool, now_ms: int, is_far_apart: bool) -> Read:
        """Return the stream after that page: see `after_page` and `Known`."""
        if stream.empty_pages and stream.use is not Use.TAIL and self._follows_hole(stream, page):
            self._holes = max(self._holes, stream.empty_pages)
        shown = self._shown.get(stream.number, frozenset())
        known = Known(now_ms, self._overlap_ms, self._holes, self._kind(stream) in self._marked, is_far_apart)
        read = after_page(stream, page, shown, brought_new, known)
        if page.events:
            texts = frozenset(hash(event.text) for event in page.events)
            goes_on = read.stream.latest_ms <= stream.latest_ms and len(shown) < SHOWN_AT_MOST
            self._shown[stream.number] = shown | texts if goes_on else texts
        else:
            # Twice the same: one may be an answer that was damaged on the way.
            if page.cursor in (None, stream.cursor) and stream.empty_pages > 0:
                self._marked.add(self._kind(stream))
            if read.stream.empty_pages >= HOLE_AT_MOST:
                self._marked.discard(self._kind(stream))
        return read

    def _follows_hole(self, stream: Stream, page: Page) -> bool:
        """Whether the empty pages before that one were in the middle of the stream.

        At the live edge, they are followed by what has happened since, or by what arrived late: that is no hole.
        """
        old_ms = stream.opened_ms - self._overlap_ms
        dates = [event.time_ms for event in page.events if event.time_ms is not None]
        return any(stream.read_to_ms <= date < old_ms for date in dates)

    def _kind(self, stream: Stream) -> Use:
        """Return the use that a stream's query was opened for: a lookback may have become a backfill."""
        is_lookback = stream.use is Use.BACKFILL and stream.end_ms == stream.opened_ms - self._overlap_ms
        return Use.LOOKBACK if is_lookback else stream.use

    def noted_end(self, read: Read) -> bool:
        """Note an end; return whether it is proven: a doubtful one is, once it recurs at one place."""
        place = read.stream.use, read.stream.start_ms
        if read.end is End.PROVEN:
            self._doubts.pop(place, None)
            return True
        self._doubts[place] = self._doubts.get(place, 0) + 1
        return self._doubts[place] >= DOUBTS_END

    def forget_closed(self, streams: Iterable[Stream]) -> None:
        """Forget what streams other than those have shown."""
        numbers = {stream.number for stream in streams}
        self._shown = {number: texts for number, texts in self._shown.items() if number in numbers}
