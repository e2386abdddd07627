"""Every diagnosis is met by a mistake that the sandbox makes; the table itself has its unit tests in the module."""

from diagnosis_cases import BY_NAME, EXPECTED

from sandbox.check.rehearsal import BREAKS


def test_every_diagnosis_is_met_by_a_mistake_that_the_sandbox_makes() -> None:
    assert {diagnosis.name for diagnosis in EXPECTED.values()} == set(BY_NAME)
    assert set(EXPECTED) == set(BREAKS)
