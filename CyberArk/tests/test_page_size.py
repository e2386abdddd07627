"""How large a page is asked for: smaller until one is read, larger again after a while."""

from collections.abc import Callable

import pytest

from cyberark_modules.page_size import GIVEN_UP_AFTER, LARGER_AFTER_S, PageSize


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def open_next(size: PageSize) -> int:
    size.opened(size.next)
    return size.asked


@pytest.fixture
def after_an_outage(time: Time) -> PageSize:
    size = PageSize(500, time)
    open_next(size)
    size.page_read()
    for _ in range(20):
        size.failed()
        open_next(size)
    return size


def read_for(size: PageSize, time: Time, seconds: float) -> None:
    size.page_read()
    time.now += seconds
    size.page_read()


def sizes(step: Callable[[], int], count: int) -> list[int]:
    return [step() for _ in range(count)]


def test_pages_become_smaller_until_one_is_read(time: Time) -> None:
    size = PageSize(500, time)
    assert open_next(size) == 500
    assert size.given_up_after == GIVEN_UP_AFTER

    def fail() -> int:
        size.failed()
        return open_next(size)

    assert sizes(fail, 10) == [250, 125, 62, 31, 15, 7, 3, 1, 1, 1]


def test_after_an_outage_they_grow_to_what_they_were(after_an_outage: PageSize, time: Time) -> None:
    def read() -> int:
        read_for(after_an_outage, time, LARGER_AFTER_S)
        return open_next(after_an_outage)

    assert sizes(read, 4) == [8, 64, 500, 500]


def test_they_do_not_grow_before_some_were_read(after_an_outage: PageSize, time: Time) -> None:
    time.now += LARGER_AFTER_S
    assert not after_an_outage.may_grow
    read_for(after_an_outage, time, LARGER_AFTER_S - 1)
    assert after_an_outage.next == 1


def test_what_is_too_large_is_given_up_soon_and_tried_less_and_less_often(
    after_an_outage: PageSize, time: Time
) -> None:
    """Pages of more than a hundred fail, but not at once: some small events come before the large ones."""
    size, tries = after_an_outage, []
    began = time.now
    while time.now < began + 2000:
        if size.may_grow and open_next(size) > 100:
            tries.append(time.now - began)
            read_for(size, time, 5)
            assert size.given_up_after < GIVEN_UP_AFTER
            size.failed()
            assert size.asked == 64
            open_next(size)
        read_for(size, time, 10)
    assert tries == [90, 155, 280, 525, 1010, 1975]


def test_a_query_read_to_its_end_is_followed_by_one_of_large_pages(after_an_outage: PageSize) -> None:
    after_an_outage.page_read()
    after_an_outage.query_read()
    assert open_next(after_an_outage) == 500
    assert not after_an_outage.may_grow


def test_where_no_query_of_so_small_pages_is_accepted_larger_ones_are_asked_for(time: Time) -> None:
    size = PageSize(500, time)
    for _ in range(6):
        size.failed()
    assert open_next(size) == 7
    size.refused()
    assert size.next == 14
    size.failed()
    assert size.next == 14


def test_a_query_refused_for_another_reason_does_not_hinder_smaller_pages(time: Time) -> None:
    size = PageSize(500, time)
    size.refused()
    size.failed()
    assert size.next == 250
