"""The page that states the promise names tests that exist, and leaves out none of a fault."""

import re
from pathlib import Path

import pytest

from faults.conftest import EVERY_TIME

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "delivery.md"
MODULE_TESTS = TESTS.parent / "CyberArk" / "tests"


def names_in(*files: Path) -> set[str]:
    return {name for file in files for name in re.findall(r"^ *def (test_\w+)", file.read_text(), re.MULTILINE)}


@pytest.fixture
def named() -> set[str]:
    return set(re.findall(r"`(test_\w+)`", PAGE.read_text()))


def test_every_test_that_the_page_names_exists(named: set[str]) -> None:
    assert named
    assert named <= names_in(*TESTS.rglob("test_*.py"), *MODULE_TESTS.rglob("test_*.py"))


def test_every_test_of_a_fault_is_on_the_page(named: set[str]) -> None:
    assert names_in(*TESTS.glob("faults/test_*.py")) <= named


def test_what_only_the_long_run_shows_is_marked_on_the_page(named: set[str]) -> None:
    marked = set(re.findall(r"`(test_\w+)`†", PAGE.read_text()))
    long = names_in(*(file for file in TESTS.glob("faults/test_*.py") if file.stem not in EVERY_TIME))
    assert named & long <= marked
