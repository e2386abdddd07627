"""The end of a stream that never comes empty: its last page, shown again under one new cursor after another.

The vendor does not say how a drained cursor answers, and its dates are known by the second: the events of the last
second may be what it goes on to show. Followed without a pause, such a stream would be read for ever, and no other
query would look for what came late.
"""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import Raw

from .events import UnreadPage

# Events that have nothing of their own are equal: where pages hold one event, some may stand side by side.
SHOWN_AGAIN = 3


class Repetition:
    """Follows one stream, and tells when it only repeats itself."""

    def __init__(self) -> None:
        self._cursor: str | None = None
        self._texts: Sequence[Raw | str] = ()
        self._times = 0

    def ended(self, cursor: str, page: UnreadPage) -> UnreadPage:
        """Return that page, read at that cursor; without its events once it was shown again `SHOWN_AGAIN` times."""
        is_same = cursor == self._cursor and page.texts == self._texts
        self._times = self._times + 1 if is_same else 0
        self._cursor, self._texts = page.cursor, page.texts
        return replace(page, texts=()) if self._times >= SHOWN_AGAIN else page
