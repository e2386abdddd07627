"""How far collection has come: what a page settles, when a query is over, where the head is taken up."""

from datetime import timedelta

import pytest

from cyberark_modules.audit_api.events import Event, Page
from cyberark_modules.progress import Head, Mark, Progress

OVERLAP = timedelta(minutes=5)
OVERLAP_MS = 300_000
NOW = 1_800_000_000_000


def event(time_ms: int | None, name: str = "") -> Event:
    key = f"{time_ms}{name}"
    return Event(key, key.encode(), time_ms, key)


def page(*times: int | None, cursor: str | None = "next") -> Page:
    return Page(tuple(event(time) for time in times), cursor)


def sweeping(since_ms: int, opened_ms: int = NOW, position_ms: int = 0) -> Progress:
    return Progress(since_ms, position_ms).opened("first", since_ms, opened_ms, opened_ms)


def test_a_backlog_is_settled_as_far_as_it_was_read() -> None:
    progress = sweeping(NOW - 10_000_000).after("first", page(*[NOW - 9_000_000] * 16), NOW, OVERLAP)
    assert progress.settled_ms == NOW - 9_000_000
    assert progress.sweep is not None
    assert progress.sweep.cursor == "next"
    assert progress.since_ms(NOW) == NOW - 9_000_000


def test_what_is_within_the_overlap_of_the_query_is_never_settled() -> None:
    progress = sweeping(NOW - 400_000).after("first", page(*[NOW - 10] * 16), NOW, OVERLAP)
    assert progress.settled_ms == NOW - OVERLAP_MS


def test_reading_on_long_after_the_query_was_opened_settles_no_more() -> None:
    later = NOW + 1_000_000
    progress = sweeping(NOW - 400_000).after("first", page(*[NOW + 900_000] * 3), later, OVERLAP)
    assert progress.settled_ms == NOW - OVERLAP_MS


def test_an_empty_page_settles_nothing_for_it_may_be_a_mistake() -> None:
    progress = sweeping(NOW - 10_000_000).after("first", page(), NOW, OVERLAP)
    assert progress.settled_ms == NOW - 10_000_000
    assert progress.sweep is None


@pytest.mark.parametrize(
    ("times", "cursor", "over"),
    [
        ([], "next", True),
        ([NOW - 50_000], "next", False),
        ([NOW - 50_000] * 500, "next", False),
        ([NOW + 1, NOW + 2, NOW + 3], "next", True),
        ([NOW - 50_000], None, True),
        ([NOW - 50_000], "first", True),
        ([None], "next", False),
    ],
    ids=["empty", "short", "full", "read past its opening", "no cursor", "same cursor", "undated"],
)
def test_when_a_query_is_over(times: list[int | None], cursor: str | None, over: bool) -> None:
    progress = sweeping(NOW - 400_000).after("first", page(*times, cursor=cursor), NOW + 1000, OVERLAP)
    assert (progress.sweep is None) is over
    assert (progress.head is not None) is over


def test_an_event_dated_too_late_that_a_small_page_begins_with_settles_nothing() -> None:
    progress = sweeping(NOW - 10_000_000).after("first", page(NOW - 400_000), NOW, OVERLAP)
    assert progress.settled_ms == NOW - 10_000_000


def test_one_event_dated_too_late_does_not_settle_what_was_not_read() -> None:
    backlog = [NOW - 9_000_000, NOW - 8_999_000, NOW - 8_998_000, NOW - 400_000]
    progress = sweeping(NOW - 10_000_000).after("first", page(*backlog), NOW, OVERLAP)
    assert progress.settled_ms < NOW - 8_990_000


def test_events_dated_too_late_do_not_settle_what_was_not_read_even_on_pages_of_one() -> None:
    progress = sweeping(NOW - 10_000_000)
    for number, time in enumerate([NOW - 9_000_000] * 12 + [NOW - 400_000] * 3):
        assert progress.sweep is not None
        progress = progress.after(progress.sweep.cursor, page(time, cursor=f"c{number}"), NOW, OVERLAP)
        assert progress.settled_ms <= NOW - 9_000_000


def test_the_position_is_never_in_the_future() -> None:
    progress = sweeping(NOW - 400_000).after("first", page(NOW - 5, NOW + 1500, NOW + 7_200_000), NOW, OVERLAP)
    assert progress.position_ms == NOW


def test_the_head_is_never_taken_up_behind_an_event_dated_ahead() -> None:
    progress = sweeping(NOW - 400_000)
    progress = progress.after("first", page(NOW - 50_000, cursor="second"), NOW, OVERLAP)
    progress = progress.after("second", page(NOW - 40_000, NOW + 3_600_000, cursor="third"), NOW, OVERLAP)
    progress = progress.after("third", page(), NOW, OVERLAP)
    assert progress.head is not None
    assert {progress.head.cursor, progress.head.following.cursor} <= {"first", "second"}


def test_the_head_is_read_one_reading_behind() -> None:
    head = Head("c1", Mark("c1", 1), Mark("c2", 2), Mark("c2", 2), NOW - 10_000)
    progress = Progress(0, NOW, head=head).after("c1", page(NOW - 100, cursor="c3"), NOW, OVERLAP)
    assert progress.head is not None
    assert progress.head.cursor == "c2"
    progress = progress.after("c2", page(NOW, cursor="c4"), NOW, OVERLAP)
    assert progress.head is not None
    assert progress.head.cursor == "c3"


def test_a_head_that_is_behind_is_read_on_at_once() -> None:
    head = Head("c1", Mark("c1", 1), Mark("c2", 2), Mark("c2", 2), NOW - 60_000)
    progress = Progress(0, NOW, head=head).after("c1", page(NOW - 30_000, cursor="c3"), NOW, OVERLAP)
    assert progress.head is not None
    assert progress.head.cursor == "c3"


def test_what_a_kept_cursor_can_show_again_is_remembered() -> None:
    head = Head("c", Mark("c", NOW - 5_000_000), Mark("c", NOW), Mark("c", NOW), NOW)
    assert Progress(NOW - 300_000, NOW, head=head).shown_from_ms == NOW - 5_000_000
    assert sweeping(NOW - 700_000).shown_from_ms == NOW - 700_000


def test_a_head_far_behind_is_dropped_for_the_sweep_that_reads_the_same() -> None:
    head = Head("c", Mark("c", 0), Mark("c", 0), Mark("c", 0), NOW - 3_600_000)
    assert Progress(0, NOW, head=head).opened("first", 0, NOW, NOW).head is None
    fresh = Head("c", Mark("c", 0), Mark("c", 0), Mark("c", 0), NOW - 1000)
    assert Progress(0, NOW, head=fresh).opened("first", 0, NOW, NOW).head is fresh


def test_a_finished_sweep_does_not_replace_a_head_that_is_further() -> None:
    head = Head("h", Mark("h", 0), Mark("h", 0), Mark("h", 0), NOW + 50_000)
    progress = Progress(NOW - 400_000, 0, head=head).opened("first", NOW - 400_000, NOW, NOW)
    progress = progress.after("first", page(*[NOW + 1] * 3), NOW + 60_000, OVERLAP)
    assert progress.sweep is None
    assert progress.head == head


def test_a_refused_cursor_is_dropped_and_the_other_kept() -> None:
    head = Head("h", Mark("h", 0), Mark("h", 0), Mark("h", 0), NOW)
    progress = Progress(0, 0, head=head).opened("first", 0, NOW, NOW)
    assert progress.without("first").sweep is None
    assert progress.without("first").head == head
    assert progress.without("h").head is None


def test_no_query_asks_for_more_than_the_api_keeps() -> None:
    assert Progress(NOW - 9 * 86_400_000, 0).since_ms(NOW) == NOW - 7 * 86_400_000
