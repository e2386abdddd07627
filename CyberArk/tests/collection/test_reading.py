"""What a page makes of its stream: where it goes on, and whether it has ended."""

import random
from dataclasses import replace

import pytest

from collection.values import HOUR_MS, MINUTE_MS, NOW, OVERLAP_MS, event, page, read_to, stream
from cyberark_modules.audit_api.events import Event, Page
from cyberark_modules.checkpoint.stream import DATES_KEPT, Position, Stream, Use
from cyberark_modules.collection.reading import (
    AHEAD_TOLERANCE_MS,
    EMPTY_PAGES_NEW_CURSOR,
    EMPTY_PAGES_NEW_CURSOR_SELDOM,
    ORDER_KNOWN_EVENTS,
    SURELY_SHORT,
    TRAIL_KEPT,
    End,
    Known,
    Read,
    after_page,
    is_past,
    rewound,
    tail_of,
    until_tail,
)

LOOKBACK = stream(Use.LOOKBACK, NOW - HOUR_MS, NOW)
BACKFILL = stream(Use.BACKFILL, NOW - 10 * HOUR_MS, NOW - 9 * HOUR_MS)
EMPTY = page()


def after(
    reading: Stream, shown: Page, previous: Page | None = None, brought_new: bool = True, holes: int = 0
) -> Read:
    texts = {hash(each.text) for each in previous.events} if previous else set()
    return after_page(reading, shown, texts, brought_new, Known(NOW, OVERLAP_MS, holes))


def following(reading: Stream, *pages: Page, brought_new: bool = True) -> Read:
    """The stream after several pages."""
    previous, read = None, Read(reading, End.NOT_YET)
    for each in pages:
        read = after(read.stream, each, previous, brought_new)
        previous = each if each.events else previous
    return read


def test_a_stream_goes_on_at_the_cursor_of_its_page() -> None:
    read = after(LOOKBACK, page(NOW - HOUR_MS, cursor="second"))
    assert (read.stream.cursor, read.end) == ("second", End.NOT_YET)
    assert read.stream.longest_page == 1
    assert after(LOOKBACK, page(NOW - HOUR_MS, cursor=None)).stream.cursor == "first"


def test_a_few_events_dated_too_late_do_not_tell_how_far_it_has_read() -> None:
    times = [NOW - 50 * MINUTE_MS + number for number in range(20)] + [NOW - 1] * (DATES_KEPT - 1)
    assert after(LOOKBACK, page(*times)).stream.read_to_ms < NOW - 49 * MINUTE_MS
    assert after(LOOKBACK, page(*times, NOW)).stream.read_to_ms == NOW - 1


def test_events_dated_ahead_do_not_tell_how_far_it_has_read() -> None:
    ahead = [NOW + AHEAD_TOLERANCE_MS + 1] * 20
    assert after(LOOKBACK, page(*ahead)).stream.read_to_ms == LOOKBACK.start_ms
    assert after(LOOKBACK, page(*ahead)).stream.latest_ms == 0
    assert after(LOOKBACK, page(*ahead)).stream.trail == ()
    assert after(LOOKBACK, page(*[NOW + AHEAD_TOLERANCE_MS] * 20)).stream.latest_ms == NOW + AHEAD_TOLERANCE_MS


def test_events_without_a_timestamp_tell_nothing() -> None:
    read = after(LOOKBACK, Page((event(None, 1), event(None, 2)), "second"))
    assert (read.stream.dates, read.stream.latest_ms, read.end) == ((), 0, End.NOT_YET)


@pytest.mark.parametrize(
    ("reading", "enough"),
    [
        (LOOKBACK, EMPTY_PAGES_NEW_CURSOR),
        (BACKFILL, EMPTY_PAGES_NEW_CURSOR_SELDOM),
        (stream(Use.RECONCILIATION, NOW - HOUR_MS, NOW), EMPTY_PAGES_NEW_CURSOR_SELDOM),
    ],
)
def test_the_cursor_of_an_empty_page_is_followed_for_a_while(reading: Stream, enough: int) -> None:
    for number in range(enough - 1):
        read = after(reading, page(cursor=f"empty {number}"))
        assert read.end is End.NOT_YET
        reading = read.stream
        assert reading.cursor == f"empty {number}"
    assert after(reading, page(cursor="last")).end is End.PROVEN


def test_where_events_have_followed_many_empty_pages_more_are_followed() -> None:
    reading = replace(LOOKBACK, empty_pages=6)
    assert after(reading, page(cursor="new"), holes=3).end is End.NOT_YET
    assert after(replace(reading, empty_pages=7), page(cursor="new"), holes=3).end is End.PROVEN


@pytest.mark.parametrize("cursor", ["first", None])
@pytest.mark.parametrize("reading", [LOOKBACK, BACKFILL])
def test_two_empty_pages_that_lead_nowhere_are_an_end(cursor: str | None, reading: Stream) -> None:
    assert following(reading, page(cursor=cursor)).end is End.NOT_YET
    assert following(reading, page(cursor=cursor), page(cursor=cursor)).end is End.PROVEN


def test_events_after_an_empty_page_start_the_count_again() -> None:
    read = following(LOOKBACK, EMPTY, page(NOW - HOUR_MS), EMPTY)
    assert (read.stream.empty_pages, read.end) == (1, End.NOT_YET)


def test_a_short_page_shown_again_and_again_is_the_end() -> None:
    full, last = page(NOW - 30, NOW - 20, NOW - 10), page(NOW - 5, NOW - 4)
    assert following(LOOKBACK, full, last, last).end is End.NOT_YET
    assert following(LOOKBACK, full, last, last, last).end is End.PROVEN


def test_other_events_under_the_uuids_of_those_before_are_no_page_that_comes_again() -> None:
    first = page(NOW - 5, NOW - 4)
    others = replace(
        first, events=tuple(Event(f"other {each.text}", each.key, each.time_ms, None) for each in first.events)
    )
    read = following(LOOKBACK, page(NOW - 30, NOW - 20, NOW - 10), first, others, first, others)
    assert (read.stream.repeated_pages, read.end) == (0, End.NOT_YET)


def test_a_full_page_shown_again_and_again_proves_nothing() -> None:
    """The cursor may have been lost on the way: what follows was not read."""
    full = page(*[NOW - 100 + number for number in range(SURELY_SHORT)])
    assert following(LOOKBACK, full, full, full).end is End.DOUBTFUL


def test_the_events_of_the_last_second_in_rotation_are_the_end() -> None:
    full, last = page(NOW - 30, NOW - 20, NOW - 10), page(NOW - 5, NOW - 4)
    rotated = Page(last.events[::-1], "rotated")
    assert following(LOOKBACK, full, last, rotated, last).end is End.PROVEN


def test_a_page_with_something_new_is_no_repetition() -> None:
    first, second = page(NOW - 30, NOW - 20), page(NOW - 20, NOW - 10)
    assert following(LOOKBACK, first, second, first, second).end is End.NOT_YET


def test_a_lookback_ends_when_it_has_read_up_to_its_opening() -> None:
    assert is_past(read_to(LOOKBACK, NOW), OVERLAP_MS)
    assert not is_past(read_to(LOOKBACK, NOW - 1), OVERLAP_MS)
    assert after(LOOKBACK, page(*[NOW + number for number in range(ORDER_KNOWN_EVENTS)])).end is End.PROVEN


@pytest.mark.parametrize(
    ("ahead_s", "read_on_s", "goes_on"),
    [(9, 0, False), (11, 0, True), (300, 0, True), (40, 60, False), (20, 60, True)],
)
def test_a_long_lookback_reads_on_until_it_meets_the_tail_unless_it_gains_too_little(
    ahead_s: int, read_on_s: int, goes_on: bool
) -> None:
    end_ms = NOW + read_on_s * 1000
    lookback = stream(Use.LOOKBACK, NOW - HOUR_MS, end_ms, events=500, dates=(end_ms,) * DATES_KEPT, latest_ms=end_ms)
    tail = stream(Use.TAIL, NOW - HOUR_MS, None, latest_ms=end_ms + ahead_s * 1000)
    read = until_tail(Read(lookback, End.PROVEN), tail, OVERLAP_MS)
    assert (read.end is End.NOT_YET) is goes_on
    assert read.stream.end_ms == (tail.latest_ms if goes_on else end_ms)
    assert until_tail(Read(lookback, End.PROVEN), None, OVERLAP_MS).end is End.PROVEN


def test_a_backfill_reads_an_overlap_past_its_window() -> None:
    """Where pages come by arrival, a late event of the window follows it."""
    assert BACKFILL.end_ms
    assert is_past(read_to(BACKFILL, BACKFILL.end_ms + OVERLAP_MS), OVERLAP_MS)
    assert not is_past(read_to(BACKFILL, BACKFILL.end_ms + OVERLAP_MS - 1), OVERLAP_MS)


def test_a_stream_without_order_is_never_past_its_window() -> None:
    unordered = replace(read_to(BACKFILL, NOW), disorder_ms=OVERLAP_MS + 1)
    assert not is_past(unordered, OVERLAP_MS)
    assert is_past(replace(unordered, disorder_ms=OVERLAP_MS), OVERLAP_MS)
    assert not is_past(read_to(stream(Use.TAIL, NOW - HOUR_MS), NOW), OVERLAP_MS)


def test_disorder_is_how_far_an_event_is_dated_before_what_was_shown_earlier() -> None:
    in_order = [NOW - HOUR_MS + number * 1000 for number in range(40)]
    assert after(LOOKBACK, page(*in_order)).stream.disorder_ms == 0
    read = after(read_to(LOOKBACK, NOW - MINUTE_MS), page(NOW - 10 * MINUTE_MS))
    assert read.stream.disorder_ms == 9 * MINUTE_MS
    # Within a page too, once enough was read before it.
    times = [NOW - MINUTE_MS] * DATES_KEPT + [NOW - 30 * MINUTE_MS]
    assert after(LOOKBACK, page(*times)).stream.disorder_ms == 29 * MINUTE_MS


def test_few_events_tell_that_a_stream_has_no_order() -> None:
    """Else it is taken for one that has read past its window, and what it has not shown yet is lost."""
    for _ in range(200):
        seed = random.SystemRandom().getrandbits(32)
        draw = random.Random(seed)
        times = [draw.randrange(NOW - 4 * HOUR_MS, NOW) for _ in range(ORDER_KNOWN_EVENTS)]
        small_pages = [page(*times[start : start + 7]) for start in range(0, len(times), 7)]
        assert following(LOOKBACK, *small_pages).stream.disorder_ms > OVERLAP_MS, f"seed {seed}"


def test_a_few_events_dated_too_late_are_no_disorder() -> None:
    times = [NOW - HOUR_MS + number for number in range(DATES_KEPT // 2)] + [NOW] * (DATES_KEPT // 2)
    read = following(LOOKBACK, page(*times), page(NOW - HOUR_MS + 20))
    assert read.stream.disorder_ms == 0


def test_the_trail_holds_the_positions_of_later_dates_only() -> None:
    reading = LOOKBACK
    for number in range(TRAIL_KEPT + 5):
        reading = after(reading, page(NOW - HOUR_MS + number * 1000, cursor=f"c{number}")).stream
    assert len(reading.trail) == TRAIL_KEPT
    assert reading.trail[-1] == Position(f"c{TRAIL_KEPT + 4}", NOW - HOUR_MS + (TRAIL_KEPT + 4) * 1000)
    again = after(reading, page(NOW - HOUR_MS, cursor="again")).stream
    assert again.trail[-1] == Position("again", reading.latest_ms)
    assert len(again.trail) == TRAIL_KEPT


TAIL = stream(
    Use.TAIL,
    NOW - HOUR_MS,
    cursor="old",
    frontier="front",
    latest_ms=NOW - 10_000,
    longest_page=3,
    trail=(Position("old", NOW - 15_000), Position("front", NOW - 10_000)),
)


def test_a_tail_reads_full_pages_on_and_pauses_at_the_first_that_is_not() -> None:
    full = page(NOW - 9000, NOW - 8000, NOW - 7000, cursor="second")
    read = after(TAIL, full)
    assert (read.stream.cursor, read.end) == ("second", End.NOT_YET)
    read = after(read.stream, page(NOW - 2000, cursor="third"))
    assert read.end is End.PROVEN


def test_the_next_reading_of_a_tail_begins_some_seconds_before_what_it_has_read() -> None:
    read = after(TAIL, page(NOW - 8000, cursor="second"))
    assert (read.stream.cursor, read.end) == ("old", End.PROVEN)
    read = after(TAIL, page(NOW - 6000, cursor="second"))
    assert (read.stream.cursor, read.stream.frontier) == ("front", "second")
    assert read.stream.trail[0] == Position("front", NOW - 10_000)


def test_a_tail_that_finds_nothing_new_looks_at_its_frontier() -> None:
    read = after(TAIL, page(NOW - 12_000, cursor="x"), brought_new=False)
    assert (read.stream.cursor, read.end) == ("front", End.NOT_YET)
    read = after(replace(read.stream, cursor="front"), page(cursor="further"), brought_new=False)
    assert read.end is End.PROVEN
    assert read.stream.frontier == "further"


def test_a_tail_follows_empty_pages_where_events_have_followed_them() -> None:
    at_frontier = replace(TAIL, cursor="front", latest_ms=NOW - 10_001)
    read = after(at_frontier, page(cursor="further"), brought_new=False, holes=2)
    assert (read.stream.cursor, read.end) == ("further", End.NOT_YET)
    read = after(replace(read.stream, empty_pages=2), page(cursor="furthest"), brought_new=False, holes=2)
    assert read.end is End.PROVEN


def test_where_a_tail_has_shown_what_is_recent_empty_pages_hide_nothing() -> None:
    at_frontier = replace(TAIL, cursor="front", latest_ms=NOW - 10_000)
    assert after(at_frontier, page(cursor="further"), brought_new=False, holes=2).end is End.PROVEN


def test_a_tail_that_has_read_nothing_begins_where_it_is() -> None:
    fresh = stream(Use.TAIL, NOW)
    assert rewound(fresh) == fresh
    near = replace(fresh, trail=(Position("a", NOW - 1000), Position("b", NOW)), latest_ms=NOW)
    assert rewound(near).cursor == "a"


def test_the_tail_follows_the_query_that_was_read_to_its_end() -> None:
    trail = (Position("a", NOW - 60_000), Position("b", NOW - 5000), Position("c", NOW))
    done = replace(LOOKBACK, cursor="end", trail=trail, latest_ms=NOW, empty_pages=2, repeated_pages=2)
    tail = tail_of(done)
    assert (tail.use, tail.end_ms, tail.cursor, tail.frontier) == (Use.TAIL, None, "b", "end")
    assert (tail.empty_pages, tail.repeated_pages, tail.number) == (0, 0, LOOKBACK.number)
