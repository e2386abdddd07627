"""What a page makes of its reader; no end is believed before a second query confirms it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.values import at, checkpoint, event, reader, window
from cyberark_modules.checkpoint.value import DAY_MS, OVERLAP_MS, Checkpoint, Reader, Window
from cyberark_modules.collection.reading import after_page, ended, is_end, is_far_behind
from cyberark_modules.events import Page

NOW_S = 10_000
OVERLAP_S = OVERLAP_MS // 1000
IN_ORDER = tuple(range(100, 116))


def page(*times_s: float | None, cursor: str | None = "next") -> Page:
    return Page(tuple(event(seconds, number) for number, seconds in enumerate(times_s)), cursor)


def test_a_page_moves_its_reader() -> None:
    before = reader(1, 0, 500, times_s=IN_ORDER[:15], events=20, new=4, idle_pages=2, short_pages=1)
    after = after_page(before, page(120, None, 118.5), new=2)
    times = (*before.times[1:], at(120), at(118.5))
    counted: dict[str, Any] = {"span_ms": 1500, "events": 22, "new": 6, "idle_pages": 0, "short_pages": 2}
    assert after == replace(before, cursor="next", times=times, newest_ms=at(120), **counted)
    empty = after_page(after, page(cursor=None), new=0)
    assert empty == replace(after, idle_pages=1, short_pages=0)
    assert after_page(empty, page(*range(121, 171)), new=50).short_pages == 0
    assert after_page(empty, page(*range(121, 170)), new=49).short_pages == 1
    following = replace(after, caught_up=True)  # it never moves the watermark, and looks again in seconds
    assert after_page(following, page(cursor=None), new=0).short_pages == 2


@pytest.mark.parametrize(
    ("known_s", "times_s", "is_disordered"),
    [
        (range(1000, 1016), [1000 - OVERLAP_S], False),
        (range(1000, 1016), [1000 - OVERLAP_S - 1], True),
        ([9000, *range(1000, 1015)], [1000 - OVERLAP_S], False),  # one with a wrong clock
        ((), [*range(1000, 1016), 1000 - OVERLAP_S - 1], True),
    ],
)
def test_an_event_from_before_the_overlap_shows_that_there_is_no_order(
    known_s: Any, times_s: list[int], is_disordered: bool
) -> None:
    before = reader(1, 0, times_s=known_s, marks=(("c", ()),))
    after = after_page(before, page(*times_s), 1)
    assert after.is_disordered is is_disordered
    assert after_page(replace(after, is_disordered=True), page(9999), 1).is_disordered


FULL, CONFIRM = tuple(range(200, 700)), window(0, 800, to_confirm=1)
ENDS: dict[str, tuple[dict[str, Any], Page, int, bool]] = {
    # What the reader is, the page, how many of its events are new, and whether it is the last one.
    "a full page": ({"end_s": 800}, page(*FULL), 500, False),
    "a page without a cursor": ({"end_s": 800}, page(200, cursor=None), 1, True),
    "an empty page with the same cursor": ({"end_s": 800}, page(cursor="c"), 0, True),
    "the first empty page with a new cursor": ({"end_s": 800}, page(), 0, False),
    "the second empty page": ({"end_s": 800, "idle_pages": 1}, page(), 0, True),
    "the 19th empty page where an end is confirmed": ({"window": CONFIRM, "idle_pages": 18}, page(), 0, False),
    "the 20th empty page there": ({"window": CONFIRM, "idle_pages": 19}, page(), 0, True),
    "the same page and cursor again": ({"end_s": 800, "times_s": [200]}, page(200, cursor="c"), 0, True),
    "the same cursor with new events": ({"end_s": 800}, page(200, cursor="c"), 1, False),
    "an older event after idle pages": ({"end_s": 800, "times_s": IN_ORDER, "idle_pages": 19}, page(100.5), 0, False),
    "known events behind a new cursor": ({"end_s": 800, "times_s": [200]}, page(200), 0, False),
    "the 20th page that brings nothing": ({"end_s": 800, "times_s": [200], "idle_pages": 19}, page(200), 0, True),
    "a full page past the window": ({"end_s": 680}, page(*FULL), 500, True),
    "a full page not quite that far": ({"end_s": 685}, page(*FULL), 500, False),
    "past the window after few events": ({"end_s": 210}, page(*range(200, 263)), 63, False),
    "past the window after enough": ({"end_s": 210}, page(*range(200, 264)), 64, True),
    "past the window without order": ({"end_s": 210, "is_disordered": True}, page(*range(200, 264)), 64, False),
    "a short live page": ({}, page(200), 1, False),
    "the second short live page": ({"short_pages": 1}, page(200), 1, True),
    "the second short page of a window": ({"end_s": 800, "short_pages": 1}, page(200), 1, False),
    "a short live page near the present": ({}, page(NOW_S - 3), 1, True),
    "a short live page not quite so near": ({}, page(NOW_S - 3.001), 1, False),
    "a full live page near the present": ({}, page(*range(NOW_S - 499, NOW_S + 1)), 500, False),
    "a small full live page near the present": ({"size": 2}, page(NOW_S - 1, NOW_S), 2, False),
    "a short page of a window near the present": ({"end_s": 20_000}, page(NOW_S), 1, False),
}


@pytest.mark.parametrize(("fields", "one", "new", "expected"), ENDS.values(), ids=ENDS)
def test_the_last_page_for_now(fields: dict[str, Any], one: Page, new: int, expected: bool) -> None:
    before = reader(1, 0, marks=(("c", ()),), **fields)
    assert is_end(before, after_page(before, one, new), one, at(NOW_S)) is expected


@pytest.mark.parametrize(
    ("fields", "of_window", "left"),
    [
        ({"times_s": IN_ORDER, "new": 9}, {}, [window(100, 300, to_confirm=1)]),
        ({"times_s": IN_ORDER[1:]}, {}, [window(0, 300, to_confirm=1)]),
        ({"times_s": range(400, 416)}, {}, [window(299, 300, to_confirm=1)]),
        ({"times_s": range(400, 416), "events": 64}, {}, []),
        ({"times_s": IN_ORDER, "new": 1}, {"to_confirm": 1}, [window(100, 300, to_confirm=1)]),
        ({"times_s": IN_ORDER, "new": 0}, {"to_confirm": 1}, []),
        ({}, {"to_confirm": 1}, [window(0, 300, to_confirm=2)]),  # not even the event from which it was read
        ({}, {"to_confirm": 2}, []),
        ({"times_s": IN_ORDER, "new": 1}, {"again": True}, []),
    ],
)
def test_a_window_is_complete_when_a_second_query_from_its_end_brings_nothing_new(
    fields: dict[str, Any], of_window: dict[str, bool], left: list[Window]
) -> None:
    one = window(0, 300, **of_window)
    some = reader(1, window=one, **fields)
    found = ended(checkpoint(one, live_s=500, readers=(some, reader(2))), some)
    assert found == checkpoint(*left, live_s=500, readers=(reader(2),))


def caught_up(*former: Reader, **fields: Any) -> Checkpoint:
    """The live edge from second 0 on, once a query that was opened at second 3600 has read all that there is."""
    fields = {"times_s": range(3000, 3016), "new": 1, "idle_pages": 1, "short_pages": 1, **fields}
    some = reader(7, fields.pop("start_s", 0), marks=(("back", (at(2990),)), ("far", ())), **fields)
    return ended(checkpoint(live_s=0, readers=(*former, some)), some)


def test_a_live_reader_that_has_read_everything_replaces_the_older_ones_and_goes_on_from_a_few_seconds_back() -> None:
    assert [one.number for one in caught_up(reader(3), reader(4, 0, 10), reader(9)).readers] == [4, 7, 9]
    assert [one.number for one in caught_up(reader(3), start_s=1).live] == [3, 7]
    followed = caught_up().live[0]
    assert (followed.cursor, followed.times, followed.newest_ms) == ("back", (at(2990),), at(2990))
    assert (followed.caught_up, followed.idle_pages, followed.short_pages) == (True, 0, 0)
    assert not followed.window.to_confirm
    assert followed.marks == (("back", (at(2990),)), ("far", ()))


@pytest.mark.parametrize(
    ("former", "fields", "watermark_s"),
    [
        ((), {}, 3015 - OVERLAP_S),
        ((), {"times_s": range(9000, 9016)}, 3600 - OVERLAP_S),  # of events ahead of the opening
        ((), {"times_s": [10]}, 0),
        ((), {"caught_up": True}, 0),  # only the query of the minute moves it, not a look at its end
        ((), {"start_s": 1}, 0),  # a query from behind the watermark
        ((), {"new": 0, "times_s": [], "opened_ms": at(DAY_MS // 1000 + 60)}, 0),
        ((reader(3, caught_up=True),), {"new": 1, "times_s": [10], "opened_ms": at(DAY_MS // 1000 + 60)}, 0),
        ((), {"new": 1, "times_s": []}, 0),
        ((reader(3),), {"new": 1, "times_s": []}, 3600 - OVERLAP_S),  # a tenant without timestamps
        ((reader(3, caught_up=True),), {"new": 0, "times_s": [], "opened_ms": at(DAY_MS // 1000 + 60)}, 60),
        ((reader(3, caught_up=True),), {"new": 0, "opened_ms": at(DAY_MS // 1000 + 60)}, 3015 - OVERLAP_S),
    ],
)
def test_the_watermark_follows_the_events_and_on_a_quiet_tenant_the_day(
    former: tuple[Reader, ...], fields: dict[str, Any], watermark_s: int
) -> None:
    assert caught_up(*former, **fields).watermark_ms == at(watermark_s)


@pytest.mark.parametrize(
    ("fields", "watermark_s", "expected"),
    [
        ({"times_s": range(3299, 3315)}, 0, True),
        ({"times_s": range(3300, 3316)}, 0, False),
        ({"times_s": range(3299, 3315), "opened_ms": at(100)}, 0, True),
        ({"times_s": IN_ORDER, "start_s": 60}, 59, False),
        ({"times_s": IN_ORDER}, 3300, False),
    ],
)
def test_a_live_reader_is_far_behind_more_than_an_overlap_before_its_opening_or_two_before_now(
    fields: dict[str, Any], watermark_s: int, expected: bool
) -> None:
    assert is_far_behind(checkpoint(live_s=watermark_s), reader(**fields), at(3900)) is expected


@given(st.lists(st.lists(st.integers(0, 40), max_size=20), min_size=1, max_size=30))
def test_the_live_edge_can_be_read_again_from_ten_seconds_back(steps: list[list[int]]) -> None:
    one, now, known = reader(1, marks=(("c", ()),)), 0, {"c": 0}
    for number, further in enumerate(steps):
        times = sorted(now + step for step in further)
        now = max([now, *times])
        one = after_page(one, page(*times, cursor=str(number)), 1)
        known[str(number)] = one.position_ms
        assert 0 < len(one.marks) <= 32
        first, *others = [known[cursor] for cursor, _ in one.marks]
        assert first <= one.position_ms - 10_000 or first == 0 or len(one.marks) == 32 or not one.times
        assert all(place > one.position_ms - 10_000 for place in others[1:])
