"""When a stream whose pages never come empty has ended."""

import msgspec
import pytest

from cyberark_modules.audit_api.events import RawPage, split_page
from cyberark_modules.repetition import SHOWN_AGAIN, Repetition

LAST = [f'{{"uuid":"01234567-89ab-4cde-8f01-{number:012x}"}}' for number in range(3)]
NAMELESS = ['{"message":"no uuid"}'] * 3


def page(texts: list[str], cursor: str) -> RawPage:
    following = msgspec.json.encode({"cursor": {"cursorRef": cursor}}).decode()
    return split_page(f'{{"data":[{",".join(texts)}],"paging":{following}}}'.encode())


def read(pages: list[list[str]]) -> list[int]:
    """How many events are left of each page of a stream."""
    repetition = Repetition()
    return [
        len(repetition.ended(str(number), page(texts, str(number + 1))).texts) for number, texts in enumerate(pages)
    ]


@pytest.mark.parametrize("again", [LAST, LAST[::-1], LAST[1:] + LAST[:1]])
def test_a_page_shown_again_and_again_is_an_end(again: list[str]) -> None:
    assert read([LAST, *[again] * (SHOWN_AGAIN + 2)]) == [3] * SHOWN_AGAIN + [0, 0, 0]


def test_another_page_is_none() -> None:
    assert read([LAST, LAST, LAST, LAST[:2], LAST[:2], LAST]) == [3, 3, 3, 2, 2, 3]


def test_equal_events_without_a_uuid_may_follow_one_another() -> None:
    assert read([NAMELESS] * 20) == [3] * 20


def test_what_is_read_again_from_an_earlier_cursor_is_no_repetition() -> None:
    repetition = Repetition()
    assert [len(repetition.ended("start", page(LAST, "end")).texts) for _ in range(9)] == [3] * 9


def test_empty_pages_stay_empty() -> None:
    assert read([[]] * 5) == [0] * 5
