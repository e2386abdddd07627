"""What a page that fails leaves: everything but what was read, and after a few queries only what fails waits."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.values import at, checkpoint, reader, seconds_in, window
from cyberark_modules.checkpoint.value import Reader, Window
from cyberark_modules.collection.cut import cut, probe_from_ms, retried_later


def parts(*bounds: int) -> list[Window]:
    """The windows between those seconds, to be read event by event."""
    return [window(start, end, page_size=1) for start, end in pairwise(bounds)]


IN_ORDER = tuple(range(100, 116))
FAILED_S, NOW_S = 595, 600
orders = st.lists(st.integers(0, 590), max_size=16).map(sorted)
sizes = st.sampled_from([500, 50, 10, 1])


@given(orders, sizes, st.booleans(), st.integers(0, 500), st.integers(1, 100), st.integers(0, 600_000))
def test_a_cut_leaves_what_was_not_read_of_a_window(
    times_s: list[int], size: int, is_disordered: bool, start: int, length: int, span_ms: int
) -> None:
    some = reader(1, start, start + length, times_s=times_s, size=size, is_disordered=is_disordered, span_ms=span_ms)
    saved = checkpoint(some.window, window(start + length, 640), live_s=650, readers=(some,))
    found = cut(saved, some, at(FAILED_S), at(NOW_S), [])
    unread = seconds_in(found.windows, 700)
    last = start if is_disordered or not times_s else max(start, min(times_s[-1], start + length))
    assert unread >= {*range(last, 640), *range(650, 700)}
    assert unread <= {*range(start, 640), *range(650, 700)}
    assert not found.readers
    assert [one for one in found.windows if one.retry_at_ms] == ([found.windows[-3]] if length == 1 else [])


@given(orders, sizes, st.integers(0, 500), st.integers(0, 500), st.lists(st.integers(0, 700), max_size=2))
def test_a_cut_of_the_live_edge_leaves_everything_from_the_watermark_on(
    times_s: list[int], size: int, start: int, watermark: int, others: list[int]
) -> None:
    some = reader(1, start, times_s=times_s, size=size)
    served = [reader(number, begin) for number, begin in enumerate(others, 2)]
    saved = checkpoint(live_s=watermark, readers=(some, *served, reader(9)))
    found = cut(saved, some, at(FAILED_S), at(NOW_S), served)
    assert seconds_in(found.windows, 2000) == set(range(watermark, 2000))
    assert found.live == served
    next_s = max(watermark, (some.resume_ms - at(0)) // 1000)
    assert found.watermark_ms > at(next_s)
    assert found.watermark_ms <= min([at(begin) for begin in others if begin > next_s], default=found.watermark_ms)


@pytest.mark.parametrize(
    ("some", "left"),
    [
        # In tens, from a little before the page on; in single events if the next page is small.
        (reader(1, 0, 500, times_s=IN_ORDER, span_ms=300_000), [window(100, 500, page_size=10)]),
        (reader(1, 0, 500, times_s=IN_ORDER, span_ms=100_000), [window(100, 500, page_size=1)]),
        (reader(1, 0, 500), [window(0, 500, page_size=10)]),
        (reader(1, 0, 500, times_s=IN_ORDER, is_disordered=True, span_ms=9000), [window(0, 500, page_size=10)]),
        # From where one of those fails, event by event.
        (reader(1, 0, 500, times_s=IN_ORDER, size=10), [window(100, 500, page_size=1)]),
        (reader(1, 0, 500, size=10), [window(0, 500, page_size=1)]),
        # The rest begins half as much again behind the last event as between two; what lies before it is halved.
        (reader(1, 0, 500, times_s=[0, 4, 8], size=1), [*parts(8, 9, 11, 15), window(15, 500)]),
        # In pages of three, a quarter more than such a page has.
        (reader(1, 0, 500, times_s=[1, 1.4], size=3, span_ms=400), [*parts(1, 2), window(2, 500, page_size=3)]),
        # Where nothing shows which second it is, half of them all.
        (reader(1, 0, 8, size=1), [*parts(0, 1, 2, 4), window(4, 8)]),
        (reader(1, 0, 480, size=1), [*parts(0, 1, 3, 7, 15, 30, 60, 240), window(240, 480)]),
        # What a refused query has delayed, or pages of another size, does not count.
        (reader(1, window=window(0, 500, failures=1, retry_at_ms=5)), [window(0, 500, page_size=10)]),
        # A second waits.
        (reader(1, 0, 1), [window(0, 1, page_size=1, failures=1, retry_at_ms=at(NOW_S + 60))]),
        (
            reader(1, window=window(0, 1, page_size=1, failures=3, retry_at_ms=5), times_s=[0.1]),
            [window(0, 1, page_size=1, failures=4, retry_at_ms=at(NOW_S + 8 * 60))],
        ),
        # A window that is read again is given up.
        (reader(1, window=window(0, 500, again=True), times_s=IN_ORDER), []),
    ],
)
def test_what_a_page_that_fails_leaves_of_a_window(some: Reader, left: list[Window]) -> None:
    saved = checkpoint(some.window, live_s=30_000, readers=(some,))
    assert cut(saved, some, at(FAILED_S), at(NOW_S), []) == checkpoint(*left, live_s=30_000)


@pytest.mark.parametrize(("failures", "minutes"), [(0, 1), (1, 2), (4, 16), (5, 30), (50, 30)])
def test_what_fails_waits_for_a_minute_two_up_to_thirty(failures: int, minutes: int) -> None:
    one = window(0, 60, failures=failures)
    assert retried_later(one, at(9)) == replace(one, failures=failures + 1, retry_at_ms=at(9 + 60 * minutes))


BEHIND = tuple(range(580, 596))


@pytest.mark.parametrize(
    ("some", "from_s"),
    [
        (reader(1, 0, times_s=BEHIND), 596),
        (reader(1, 0, times_s=range(590, 606)), 596),
        (reader(1, 0, times_s=range(600, 616)), 601),
        (reader(1, 0), 596),
        # In a backlog, the live edge is read from an overlap before.
        (reader(1, -100, times_s=range(-20, -4)), 296),
    ],
)
def test_the_probe_starts_where_the_page_failed_first_or_an_overlap_before_it(some: Reader, from_s: int) -> None:
    assert probe_from_ms(some, at(594.5)) == at(from_s)


READ, PART = window(500, 580, to_confirm=1), window(580, 596, page_size=1)
WAITING, APART, BACKLOG = window(450, 500, failures=1), window(450, 499), window(199, 500)


@pytest.mark.parametrize(
    ("served", "before", "left"),
    [
        ([], [], [READ, PART, window(596)]),
        # Behind a query that is served, nothing needs to be read again; the nearest one counts.
        ([reader(2, 593), reader(3, 597), reader(4, 500)], [], [READ, window(580, 593, page_size=1), window(593)]),
        # One such page after another: a single query for what lies between them, unless that waits, or is a backlog.
        ([], [window(450, 500)], [window(450, 596, page_size=3), window(596)]),
        ([], [WAITING], [WAITING, READ, PART, window(596)]),
        ([], [APART], [APART, READ, PART, window(596)]),
        ([], [BACKLOG], [BACKLOG, READ, PART, window(596)]),
        ([], [window(200, 500)], [window(200, 596, page_size=3), window(596)]),
    ],
)
def test_a_cut_at_the_live_edge(served: list[Reader], before: list[Window], left: list[Window]) -> None:
    some = reader(1, 500, times_s=BEHIND, span_ms=8000)
    saved = checkpoint(*before, live_s=500, readers=(some, *served))
    assert list(cut(saved, some, at(594.5), at(NOW_S), served).windows) == left
