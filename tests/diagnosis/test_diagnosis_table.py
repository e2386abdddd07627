"""The table of diagnoses itself: complete, and in words that lead somewhere."""

import re
from pathlib import Path

import pytest
from diagnosis_cases import BY_NAME, EXPECTED
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.diagnosis import DIAGNOSES, Diagnosis, ResolvedBy, diagnose
from cyberark_modules.errors import Failure, FailureKind, Service
from sandbox.check.rehearsal import BREAKS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "manual.md"
ROWS = [row for rows in DIAGNOSES.values() for row in rows]
TITLES = {
    field.title
    for model in (CyberArkModuleConfiguration, CyberArkAuditLogsConfiguration)
    for field in model.model_fields.values()
}
# What the text of a step of the guide must be about, for a diagnosis to send somebody there.
ABOUT = {
    3: "SIEM integrations",
    5: "CyberArk Identity address",
    11: "Application ID",
    13: "isp.audit.events:read",
    15: "jwtRS256",
    16: "Client creds",
    18: "setClaim",
    22: "Is OAuth confidential client",
    23: "password",
    30: "Permissions",
    34: "`Grant`, `View`, `Manage` and `Delete`",
    35: "Save",
    36: "API key",
}

evidences = st.builds(
    Failure,
    st.sampled_from(Service),
    st.sampled_from(FailureKind),
    host=st.sampled_from(["", "abc1234.id.cyberark.cloud", "abc1234.audit.cyberark.cloud:443", "intake.sekoia.io"]),
    endpoint=st.sampled_from(["", "/oauth2/token", "/api/audits/stream/createQuery", "/api/audits/stream/results"]),
    status=st.none() | st.integers(100, 599),
    error=st.sampled_from(["", "invalid_request", "invalid_grant", "access_denied", "odd"]),
    description=st.text(max_size=20),
    missing=st.lists(st.sampled_from(["jwt", "scope", "aud", "tenant_id", "suffix"])).map(tuple),
    clock_skew=st.floats(-1e6, 1e6),
)


def guide_step(number: int) -> str:
    found = re.search(rf'<a id="step-{number}"></a>(.*?)(?=<a id="step-|\n## |\n### )', GUIDE.read_text(), re.DOTALL)
    assert found, f"the guide has no step {number}"
    return found[1]


def test_every_diagnosis_is_met_by_a_mistake_that_the_sandbox_makes() -> None:
    assert {diagnosis.name for diagnosis in EXPECTED.values()} == set(BY_NAME)
    assert set(EXPECTED) == set(BREAKS)


def test_names_and_sentences_are_unique() -> None:
    assert len(BY_NAME) == len(ROWS)
    assert len({str(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_sentences_are_whole_and_lead_to_fields_and_steps_that_exist(row: Diagnosis) -> None:
    for sentence in (row.problem, row.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert set(row.place.fields) <= TITLES
    for step in row.place.steps:
        assert ABOUT.get(step, "") in guide_step(step)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_whoever_is_needed_is_told_what_to_do_where(row: Diagnosis) -> None:
    if row.resolved_by is ResolvedBy.PERSON and row.name != "trust-store":
        assert str(row.place)
    if row.resolved_by is ResolvedBy.TIME:
        assert not str(row.place)
        assert "nothing is lost" in row.remedy


@given(evidences)
def test_whatever_was_seen_there_is_a_diagnosis_of_one_line(failure: Failure) -> None:
    text = diagnose(failure).text(failure)
    assert diagnose(failure).problem in text
    assert str(failure) in text


def test_an_address_that_does_not_answer_is_told_by_its_field() -> None:
    fields = {Service.IDENTITY: "CyberArk Identity address", Service.AUDIT: "CyberArk Audit API base URL"}
    for service, field in fields.items():
        failure = Failure(service, FailureKind.TIMEOUT, "host.example")
        assert f"Field “{field}”" in diagnose(failure).text(failure)
        assert "host.example" in diagnose(failure).text(failure)
