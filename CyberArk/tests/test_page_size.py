"""How large a page is asked for: smaller until one is read, larger again once some were."""

import pytest

from cyberark_modules.page_size import GIVEN_UP_AFTER, LARGER_AFTER, PageSize


def read(size: PageSize, pages: int) -> None:
    for _ in range(pages):
        size.page_read()


def open_next(size: PageSize) -> None:
    size.opened(size.next)


@pytest.fixture
def after_an_outage() -> PageSize:
    size = PageSize(500)
    open_next(size)
    read(size, 1000)
    for _ in range(20):
        size.failed()
        open_next(size)
    return size


def test_pages_become_smaller_until_one_is_read() -> None:
    size = PageSize(500)
    asked = []
    for _ in range(11):
        open_next(size)
        asked.append(size.asked)
        assert size.given_up_after == GIVEN_UP_AFTER
        size.failed()
    assert asked == [500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1]


def test_after_an_outage_they_grow_to_what_they_were(after_an_outage: PageSize) -> None:
    asked = []
    for _ in range(5):
        asked.append(after_an_outage.asked)
        read(after_an_outage, LARGER_AFTER)
        open_next(after_an_outage)
    assert asked == [1, 8, 64, 500, 500]


def test_they_do_not_grow_before_some_were_read(after_an_outage: PageSize) -> None:
    read(after_an_outage, LARGER_AFTER - 1)
    assert not after_an_outage.may_grow
    assert after_an_outage.next == 1


def test_what_is_too_large_is_given_up_at_once_and_tried_less_and_less_often(after_an_outage: PageSize) -> None:
    """Pages of more than a hundred fail."""
    size, pages, tries = after_an_outage, 0, []
    while pages < 1000:
        if size.asked > 100:
            tries.append(pages)
            assert size.given_up_after == 1
            size.failed()
            assert size.asked == 64
        else:
            size.page_read()
            pages += 1
        if size.may_grow:
            open_next(size)
    assert tries == [30, 50, 90, 170, 330, 650]


def test_a_query_read_to_its_end_is_followed_by_one_of_large_pages(after_an_outage: PageSize) -> None:
    read(after_an_outage, 3)
    after_an_outage.query_read()
    assert after_an_outage.next == 500
    assert not after_an_outage.may_grow
