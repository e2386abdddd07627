"""The end of a stream that never comes empty: its last page, shown again under one new cursor after another.

The vendor does not say how a drained cursor answers, and its dates are known by the second: the events of the last
second, in any order, may be what it goes on to show. Followed without a pause, such a stream would be read for ever,
and no other query would look for what came late.
"""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import Raw

from .audit_api.events import RawPage

SHOWN_AGAIN = 3


class Repetition:
    """Follows one stream, and tells when it only repeats itself."""

    def __init__(self) -> None:
        self._cursor: str | None = None
        self._texts: Sequence[Raw | str] = ()
        self._times = 0

    def ended(self, cursor: str, page: RawPage) -> RawPage:
        """Return that page, read at that cursor; without its events once it was shown again `SHOWN_AGAIN` times."""
        is_again = cursor == self._cursor and _are_the_same(page.texts, self._texts)
        # Events that have no uuid may well be equal, and stand side by side.
        if is_again and (self._times or any(event.uuid for event in page.read().events)):
            self._times += 1
        else:
            self._times = 0
        self._cursor, self._texts = page.cursor, page.texts
        return replace(page, texts=()) if self._times >= SHOWN_AGAIN else page


def _are_the_same(texts: Sequence[Raw | str], others: Sequence[Raw | str]) -> bool:
    # All but a few pages are told apart by their first event.
    return len(texts) == len(others) and (not texts or texts[0] in others) and _set_of(texts) == _set_of(others)


def _set_of(texts: Sequence[Raw | str]) -> set[bytes | str]:
    return {text if isinstance(text, str) else bytes(text) for text in texts}
