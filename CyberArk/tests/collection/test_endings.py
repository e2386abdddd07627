"""What is learned of the ends and the holes of this API's streams."""

from collection.values import HOUR_MS, MINUTE_MS, NOW, OVERLAP_MS, page, stream
from cyberark_modules.checkpoint.stream import Stream, Use
from cyberark_modules.collection.endings import Endings
from cyberark_modules.collection.reading import (
    EMPTY_PAGES_NEW_CURSOR,
    EMPTY_PAGES_NEW_CURSOR_SELDOM,
    HOLE_AT_MOST,
    End,
)

BACKFILL = stream(Use.BACKFILL, NOW - 5 * HOUR_MS, NOW - 4 * HOUR_MS)
LOOKBACK = stream(Use.LOOKBACK, NOW - HOUR_MS, NOW)


def pages_until_the_end(endings: Endings, reading: Stream, cursors: list[str | None]) -> int:
    """Show that stream empty pages with those cursors, then others with a new one each, until it ends."""
    for number in range(1000):
        cursor = cursors[number] if number < len(cursors) else f"new {number}"
        read = endings.read(reading, page(cursor=cursor), False, NOW, False)
        if read.end is not End.NOT_YET:
            return number + 1
        reading = read.stream
    return 0


def test_how_one_kind_of_query_ends_says_nothing_of_another() -> None:
    """A query with a `dateTo` may end with a null cursor, an open one with ever new cursors."""
    endings = Endings(OVERLAP_MS)
    assert pages_until_the_end(endings, BACKFILL, [None, None]) == 2
    assert pages_until_the_end(endings, BACKFILL, []) > EMPTY_PAGES_NEW_CURSOR
    assert pages_until_the_end(endings, LOOKBACK, []) == EMPTY_PAGES_NEW_CURSOR


def test_where_the_api_begins_to_end_otherwise_that_is_learned_at_the_cost_of_one_long_row() -> None:
    endings = Endings(OVERLAP_MS)
    assert pages_until_the_end(endings, BACKFILL, [None, None]) == 2
    assert pages_until_the_end(endings, BACKFILL, []) == HOLE_AT_MOST
    assert pages_until_the_end(endings, BACKFILL, []) == EMPTY_PAGES_NEW_CURSOR_SELDOM


def test_a_lookback_that_became_a_backfill_says_nothing_of_backfills() -> None:
    """Its query is open: at the live edge, it ends as a lookback does."""
    endings = Endings(OVERLAP_MS)
    became = stream(Use.BACKFILL, NOW - HOUR_MS, NOW - OVERLAP_MS)
    assert pages_until_the_end(endings, became, [None, None]) == 2
    assert pages_until_the_end(endings, BACKFILL, []) == EMPTY_PAGES_NEW_CURSOR_SELDOM


def test_an_event_that_is_dated_later_than_others_hides_no_hole() -> None:
    endings, reading = Endings(OVERLAP_MS), LOOKBACK
    times = [NOW - 50 * MINUTE_MS + number for number in range(20)]
    reading = endings.read(reading, page(*times, NOW - MINUTE_MS), True, NOW, False).stream
    for number in range(EMPTY_PAGES_NEW_CURSOR - 1):
        reading = endings.read(reading, page(cursor=f"new {number}"), False, NOW, False).stream
    endings.read(reading, page(NOW - 40 * MINUTE_MS), True, NOW, False)
    assert pages_until_the_end(endings, LOOKBACK, []) == 2 * EMPTY_PAGES_NEW_CURSOR


def test_what_arrives_very_late_after_empty_pages_is_no_hole() -> None:
    endings, reading = Endings(OVERLAP_MS), LOOKBACK
    reading = endings.read(reading, page(NOW - MINUTE_MS), True, NOW, False).stream
    for number in range(EMPTY_PAGES_NEW_CURSOR - 1):
        reading = endings.read(reading, page(cursor=f"new {number}"), False, NOW, False).stream
    endings.read(reading, page(NOW - 5 * HOUR_MS), True, NOW, False)
    assert pages_until_the_end(endings, LOOKBACK, []) == EMPTY_PAGES_NEW_CURSOR


def test_events_after_empty_pages_in_the_middle_make_longer_rows_be_followed() -> None:
    endings, reading = Endings(OVERLAP_MS), LOOKBACK
    reading = endings.read(reading, page(NOW - 50 * MINUTE_MS), True, NOW, False).stream
    for number in range(EMPTY_PAGES_NEW_CURSOR - 1):
        reading = endings.read(reading, page(cursor=f"new {number}"), False, NOW, False).stream
    endings.read(reading, page(NOW - 40 * MINUTE_MS), True, NOW, False)
    assert pages_until_the_end(endings, LOOKBACK, []) == 2 * EMPTY_PAGES_NEW_CURSOR
