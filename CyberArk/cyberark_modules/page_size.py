"""How many events a page is asked to hold: as many as configured, or fewer while pages keep failing.

A page may be too large for something on the way, which only smaller ones can pass; or the API is down, and asking for
smaller ones is no help and slow afterwards. Nobody can tell which, so pages become smaller until one is read, and
larger again once some were.
"""

# Failures in a row after which a page may fail for ever: another query finds its events by another cursor.
GIVEN_UP_AFTER = 12
LARGER = 8
LARGER_AFTER = 10


class PageSize:
    """The number of events of a page (`pageSize` of a query), between one and what is configured."""

    def __init__(self, most: int) -> None:
        self._most = self.asked = most
        # The largest that could be read, 0 while none could, and how many of them were.
        self._readable = self._pages = 0
        self._larger_after = LARGER_AFTER

    @property
    def given_up_after(self) -> int:
        """How many failures in a row end a cursor: one, where smaller pages are known to be read."""
        return 1 if 0 < self._readable < self.asked else GIVEN_UP_AFTER

    @property
    def may_grow(self) -> bool:
        """Whether a query of larger pages is worth a try."""
        return self.asked < self._most and self._pages >= self._larger_after

    @property
    def next(self) -> int:
        """The size to ask for in the next query."""
        return min(self._most, LARGER * self.asked) if self.may_grow else self.asked

    def opened(self, size: int) -> None:
        """Note that a query of pages of that size is being read from now on."""
        self.asked, self._pages = size, 0

    def page_read(self) -> None:
        """Note a page of the query."""
        self._readable = self.asked
        self._pages += 1

    def query_read(self) -> None:
        """Note that the query was read to its end: the next one reads other pages."""
        self.asked, self._larger_after = self._most, LARGER_AFTER

    def failed(self) -> None:
        """Ask for smaller pages."""
        if 0 < self._readable < self.asked:
            self.asked, self._larger_after = self._readable, 2 * self._larger_after
        else:
            self.asked, self._readable = max(1, self.asked // 2), 0
        self._pages = 0
