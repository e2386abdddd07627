"""The tests notice the defects of the table."""

import tomllib

import pytest

from mutants import MODULES, TABLE, TOP, main


def test_the_table_is_about_the_module_as_it_is() -> None:
    for mutant in tomllib.loads(TABLE.read_text("utf-8"))["mutant"]:
        assert (TOP / MODULES / mutant["file"]).read_text("utf-8").count(mutant["old"]) == 1, mutant["defect"]
        file, _, test = mutant["killed_by"].partition("::")
        assert f"def {test.partition('[')[0]}(" in (TOP / file).read_text("utf-8"), mutant["defect"]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_defect_of_the_table_is_noticed() -> None:
    assert main("") == 0
