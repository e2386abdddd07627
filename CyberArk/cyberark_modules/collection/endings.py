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
        self._shown: dict[int, frozenset[bytes]] = {}
        self._holes = 0
        self._end_is_marked = False
        self._doubts: dict[tuple[Use, int], int] = {}

    def read(self, stream: Stream, page: Page, brought_new: bool, now_ms: int, is_slow: bool) -> Read:
        """Return the stream after that page: see `after_page` and `Known`."""
        # At the live edge, an empty page is followed by what has happened since: that is no hole.
        old_ms = stream.opened_ms - self._overlap_ms
        is_hole = stream.empty_pages and stream.use is not Use.TAIL
        if is_hole and any(event.time_ms is not None and event.time_ms < old_ms for event in page.events):
            self._holes = max(self._holes, stream.empty_pages)
        shown = self._shown.get(stream.number, frozenset())
        known = Known(now_ms, self._overlap_ms, self._holes, self._end_is_marked, is_slow)
        read = after_page(stream, page, shown, brought_new, known)
        if page.events:
            keys = frozenset(event.key for event in page.events)
            goes_on = read.stream.latest_ms <= stream.latest_ms and len(shown) < SHOWN_AT_MOST
            self._shown[stream.number] = shown | keys if goes_on else keys
        else:
            # Twice the same: one may be an answer that was damaged on the way.
            is_marked = page.cursor in (None, stream.cursor) and stream.empty_pages > 0
            self._end_is_marked = (self._end_is_marked or is_marked) and read.stream.empty_pages < HOLE_AT_MOST
        return read

    def is_proven(self, read: Read) -> bool:
        """Return whether that end counts: one in doubt does when it is found at the same place again and again."""
        place = read.stream.use, read.stream.start_ms
        if read.end is End.PROVEN:
            self._doubts.pop(place, None)
            return True
        self._doubts[place] = self._doubts.get(place, 0) + 1
        return self._doubts[place] >= DOUBTS_END

    def forget_closed(self, streams: Iterable[Stream]) -> None:
        """Forget what streams other than those have shown."""
        numbers = {stream.number for stream in streams}
        self._shown = {number: keys for number, keys in self._shown.items() if number in numbers}
