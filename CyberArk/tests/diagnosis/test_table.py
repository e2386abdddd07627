"""The table of diagnoses itself: complete, in words that lead somewhere, and the same as in the guide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.configuration import CyberArkAuditLogsConfiguration, CyberArkModuleConfiguration
from cyberark_modules.diagnosis import DIAGNOSES, Diagnosis, ResolvedBy, diagnose
from cyberark_modules.errors import Failure, FailureKind, Service

ROWS = [row for rows in DIAGNOSES.values() for row in rows]
TITLES = {
    field.title
    for model in (CyberArkModuleConfiguration, CyberArkAuditLogsConfiguration)
    for field in model.model_fields.values()
}
failures = st.builds(
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


def test_names_and_sentences_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({str(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_sentences_are_whole_and_lead_to_fields_and_steps_that_exist(row: Diagnosis) -> None:
    for sentence in (row.problem, row.remedy):
        assert sentence[0].isupper() or sentence.startswith("{service}")
        assert sentence.endswith(".")
    assert set(row.place.fields) <= TITLES
    assert set(row.place.steps) <= set(range(1, 37))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_whoever_is_needed_is_told_what_to_do_where(row: Diagnosis) -> None:
    if row.resolved_by is ResolvedBy.PERSON and row.name != "trust-store":
        assert str(row.place)
    # The exception is resolved by time too, but a person can make it rarer.
    if row.resolved_by is ResolvedBy.TIME and row.name != "query-limit":
        assert not str(row.place)
        assert "nothing is lost" in row.remedy


@given(failures)
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
