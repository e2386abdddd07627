"""How many events a page is asked to hold: as many as configured, or fewer while pages keep failing.

A page may be too large for something on the way, which only smaller ones can pass; or the API is down, and asking for
smaller ones is no help and slow afterwards. Nobody can tell which, so pages become smaller until they are read, and
larger again after a while; after twice as long each time that this was too early.
"""

from collections.abc import Callable

# Failures in a row after which a page may fail for ever: another query finds its events by another cursor.
GIVEN_UP_AFTER = 12
SMALLER_GIVEN_UP_AFTER = 3
LARGER = 8
LARGER_AFTER_S = 30.0
LARGER_AFTER_LONGEST_S = 3600.0


class PageSize:
    """The number of events of a page (`pageSize` of a query), between one and what is configured."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._most = self.asked = most
        self._least = 1
        # What to go back to if the size that was tried is too large; 0 if none was tried.
        self._before = 0
        self._larger_after = LARGER_AFTER_S
        self._read_since: float | None = None

    @property
    def given_up_after(self) -> int:
        """How many failures in a row end the cursor of a query."""
        is_first, is_last = self.asked == self._most and not self._before, self.asked == self._least
        return GIVEN_UP_AFTER if is_first or is_last else SMALLER_GIVEN_UP_AFTER

    @property
    def may_grow(self) -> bool:
        """Whether a query of larger pages is worth a try."""
        is_due = self._read_since is not None and self._monotonic() - self._read_since >= self._larger_after
        return self.asked < self._most and is_due

    @property
    def next(self) -> int:
        """The size to ask for in the next query."""
        return min(self._most, LARGER * self.asked) if self.may_grow else self.asked

    def opened(self, size: int) -> None:
        """Note that a query of pages of that size is being read from now on."""
        if size > self.asked:
            self._before = self.asked
        self.asked, self._read_since = size, None

    def refused(self) -> None:
        """Note that a query was refused for what it asked for: for so small pages, if they are smaller than usual."""
        if self.asked < self._most:
            self._least = self.asked = min(self._most, 2 * self.asked)

    def page_read(self) -> None:
        """Note a page of the query."""
        if self._read_since is None:
            self._read_since = self._monotonic()

    def query_read(self) -> None:
        """Note that the query was read to its end: the next one reads other pages."""
        self.asked, self._before, self._larger_after = self._most, 0, LARGER_AFTER_S

    def failed(self) -> None:
        """Ask for smaller pages."""
        if self._before:
            self.asked, self._before = self._before, 0
            self._larger_after = min(LARGER_AFTER_LONGEST_S, 2 * self._larger_after)
        else:
            self.asked = max(self._least, self.asked // 2)
        self._read_since = None
