"""Which query comes next: a table from the checkpoint and the moment to a window."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.values import at, checkpoint, reader, seconds_in, window, window_lists
from cyberark_modules.checkpoint.keys import Keys
from cyberark_modules.checkpoint.value import Checkpoint, Reader, Window
from cyberark_modules.collection.scheduler import Moment, plan, with_reread

LIVE_S = 10_000
LIVE = reader(1, LIVE_S, caught_up=True)
CATCHING_UP = reader(2, LIVE_S)
BEHIND = reader(3, LIVE_S, opened_ms=at(20_000))
A, B = window(100, 200), window(300, 400)
OF_A, OF_B = reader(4, 100, 200), reader(5, 300, 400)
FOUR = tuple(reader(number, number * 100, number * 100 + 50) for number in range(10, 14))
READ = tuple(one.window for one in FOUR)
IN_ORDER = tuple(range(100, 116))
OLD = reader(3, LIVE_S, times_s=range(10_050, 10_066), caught_up=True)
SMALL = reader(6, 0, 1000, times_s=IN_ORDER, size=10, events=1000)


def saved(*parts: Window | Reader) -> Checkpoint:
    windows = [part for part in parts if isinstance(part, Window)]
    return checkpoint(*windows, live_s=LIVE_S, readers=tuple(part for part in parts if isinstance(part, Reader)))


def moment(**fields: Any) -> Moment:
    return Moment(**{"now_ms": at(3720), **fields})


EDGE, SMALL_EDGE, CONFIRM_B = window(LIVE_S), window(LIVE_S, page_size=50), replace(B, to_confirm=1)
PART, PARTS = window(LIVE_S - 2, LIVE_S, page_size=1), [window(9, 10, page_size=1), window(10, 12, page_size=1)]
ROWS: dict[str, tuple[Checkpoint, dict[str, Any], Window | None]] = {
    "nobody follows the live edge": (saved(A), {}, EDGE),
    "near what has failed": (saved(PART), {"now_ms": at(LIVE_S + 119)}, SMALL_EDGE),
    "two minutes behind it": (saved(PART), {"now_ms": at(LIVE_S + 120)}, EDGE),
    "six for what a page has left": (saved(A, PART, LIVE), {"windows_in_row": 5}, A),
    "six, then the live edge": (saved(PARTS[0], LIVE), {"windows_in_row": 6}, EDGE),
    "of single events the latest": (saved(*PARTS, LIVE), {}, PARTS[1]),
    "two while a second waits": (saved(replace(A, page_size=1, failures=1), B, LIVE), {"windows_in_row": 2}, EDGE),
    "it is followed, and not due": (saved(LIVE), {"live_is_due": False}, None),
    "the live reader is still catching up": (saved(LIVE, CATCHING_UP), {}, None),
    "while it does, windows go on": (saved(A, LIVE, CATCHING_UP), {"windows_in_row": 2, "live_is_due": False}, A),
    "two windows, then the live edge (2)": (saved(A, B, LIVE), {"windows_in_row": 1}, A),
    "two windows, then the live edge (3)": (saved(A, B, LIVE), {"windows_in_row": 2}, EDGE),
    "a window that nobody reads": (saved(A, B, LIVE, OF_A), {}, B),
    "four windows are read": (saved(*READ, window(50, 60), LIVE, *FOUR), {}, EDGE),
    "calls are kept apart": (saved(A, B, LIVE, OF_A), {"is_slow": True}, EDGE),
    "a live page may yet fail": (saved(A, LIVE), {"in_doubt": True}, None),
    "all live pages fail": (saved(LIVE), {"failing": frozenset({1}), "probe_ms": at(LIVE_S)}, SMALL_EDGE),
    "one live page fails": (saved(LIVE, CATCHING_UP), {"failing": frozenset({1})}, None),
    "the page of a window fails": (saved(A, LIVE, OF_A), {"failing": frozenset({4})}, EDGE),
    "unread before to be confirmed": (saved(replace(A, to_confirm=1), B, LIVE), {}, B),
    "to be confirmed before again": (saved(replace(A, again=True), CONFIRM_B, LIVE), {}, CONFIRM_B),
    "what has not failed comes first": (saved(replace(A, failures=1), B, LIVE), {}, B),
    "a retry that is not due": (saved(replace(A, retry_at_ms=at(3721)), LIVE), {}, EDGE),
    "a retry that is due": (saved(replace(A, retry_at_ms=at(3720)), LIVE), {}, replace(A, retry_at_ms=at(3720))),
    "what a quiet tenant's reader has read": (saved(OLD), {"now_ms": at(20_000)}, EDGE),
    "it is held up by its page": (saved(LIVE, OLD), {"held_up": {3}, "failing": {3}, "now_ms": at(20_000)}, EDGE),
    "a thousand events in pages of ten": (saved(SMALL.window, LIVE, SMALL), {"windows_in_row": 6}, EDGE),
    "many of them in no order": (saved(SMALL.window, LIVE, replace(SMALL, events=2000, is_disordered=True)), {}, EDGE),
}  # fmt: skip


@pytest.mark.parametrize(("before", "fields", "expected"), ROWS.values(), ids=ROWS)
def test_the_next_query(before: Checkpoint, fields: dict[str, Any], expected: Window | None) -> None:
    assert plan(before, moment(**fields)) == (before, expected)


def test_where_all_live_pages_fail_the_first_reader_is_kept() -> None:
    found, _ = plan(saved(LIVE, CATCHING_UP), moment(failing=frozenset({1, 2}), probe_ms=at(9)))
    assert found == saved(LIVE)


@pytest.mark.parametrize(
    ("before", "fields", "left", "expected"),
    [
        # The query goes to the live edge, which starts an overlap before the opening of the one that is far behind.
        (saved(BEHIND), {}, [window(LIVE_S, 19_700)], window(19_700)),
        (saved(LIVE, BEHIND), {"live_is_due": False}, [window(LIVE_S, 19_700)], None),
        # After an outage, before the present. What was read before it may get late events. No other one catches up.
        (saved(OLD), {"held_up": {3}}, [window(LIVE_S, 10_050, to_confirm=1), window(10_050, 19_700)], window(19_700)),
        (
            saved(replace(OLD, times=(at(11_000),) * 16), reader(4, 19_000)),
            {"held_up": {3}},
            [window(LIVE_S, 10_600, to_confirm=1), window(10_600, 19_700)],
            window(19_700),
        ),
    ],
)
def test_a_live_reader_that_is_far_behind_becomes_a_window_reader(
    before: Checkpoint, fields: dict[str, Any], left: list[Window], expected: Window | None
) -> None:
    found, query = plan(before, moment(now_ms=at(20_300), **fields))
    assert list(found.windows) == [*left, window(19_700)]
    assert [one.number for one in found.window_readers] == [3]
    assert query == expected


def test_what_is_served_again_is_read_in_full_pages_again() -> None:
    served = replace(SMALL, events=1001)
    assert plan(saved(served.window, LIVE, served), moment()) == (saved(window(100, 1000), LIVE), window(100, 1000))


def half_read(**fields: Any) -> Reader:
    """A reader that has read 100 of 1000 seconds within two minutes."""
    return reader(6, 0, 1000, times_s=IN_ORDER, **fields)


@pytest.mark.parametrize(
    ("some", "fields", "splits"),
    [
        (half_read(), {}, True),
        (half_read(opened_ms=at(3720 - 4)), {}, False),  # 36 s remain
        (half_read(opened_ms=at(3720 - 5)), {}, True),  # 45 s remain
        (half_read(is_disordered=True), {}, False),
        (half_read(), {"failing": frozenset({6})}, False),
        (half_read(opened_ms=at(3730)), {}, False),
        (reader(6, 0, 1000), {}, False),
        (replace(half_read(), window=window(0, 1000, again=True)), {}, False),
        (half_read(), {"is_slow": True}, False),
        (reader(6, 0, 1, times_s=[0.01] * 16), {}, False),  # within one second
    ],
)
def test_the_window_that_takes_longest_is_halved(some: Reader, fields: dict[str, Any], splits: bool) -> None:
    found, query = plan(saved(some.window, LIVE, some), moment(**fields))
    if not splits:
        assert (query, len(found.windows)) == (EDGE, 2)
        return
    assert query == window(550, 1000)
    assert found.windows == (window(0, 550), window(550, 1000), EDGE)
    assert found.window_readers == [replace(some, window=window(0, 550))]


def test_of_two_windows_the_one_that_takes_longer_is_halved() -> None:
    quick = reader(7, 2000, 3000, times_s=range(2500, 2516))
    _, query = plan(saved(window(0, 1000), quick.window, LIVE, half_read(), quick), moment())
    assert query == window(550, 1000)


@given(window_lists(), st.integers(600, 2000), st.integers(0, 2000))
def test_the_hourly_reread_names_what_lies_between_the_windows(
    windows: tuple[Window, ...], live_s: int, complete_s: int
) -> None:
    before = checkpoint(*windows, live_s=live_s, keys=Keys(complete_from_ms=at(complete_s) - 500))
    found = with_reread(before, at(86_400))
    unread = tuple(one for one in windows if not one.again)
    assert tuple(one for one in found.windows[:-1] if not one.again) == unread
    again = tuple(one for one in found.windows if one.again)
    between = set(range(min(complete_s, live_s), live_s)) - seconds_in(unread, live_s)
    assert seconds_in(again, live_s) == between


def test_the_reread_goes_back_a_day_at_most_and_takes_the_place_of_the_former_one() -> None:
    former = reader(8, 100, 200)
    former = replace(former, window=replace(A, again=True))
    before = checkpoint(former.window, window(300, 400), live_s=90_000, readers=(former, LIVE))
    found = with_reread(before, at(90_000.7))
    assert found.windows == (window(300, 400), window(3600, 90_000, again=True), window(90_000))
    assert found.readers == (LIVE,)
