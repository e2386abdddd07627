"""The tests notice the defects of the table."""

import pytest

from mutants import main


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_defect_of_the_table_is_noticed() -> None:
    assert main("") == 0
