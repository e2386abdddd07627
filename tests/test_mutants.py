"""The tests notice the defects of the table."""

import pytest

from tests import mutants


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_defect_of_the_table_is_noticed() -> None:
    assert mutants.main("") == 0
