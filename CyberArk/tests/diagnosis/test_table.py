"""The table of diagnoses itself: complete, in words that lead to what is published, the special rows first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.configuration.fields import FIELDS
from cyberark_modules.diagnosis import _PARTS, PAGE, ROWS, Diagnosis, diagnose
from cyberark_modules.errors import Failure, FailureKind, Service

TITLES = {field["title"] for field in FIELDS.values()}
TOKEN, QUERY, RESULTS = "/oauth2/token", "/api/audits/stream/createQuery", "/api/audits/stream/results"
failures = st.builds(
    Failure,
    st.sampled_from(Service),
    st.sampled_from(FailureKind),
    host=st.sampled_from(["", "abc1234.id.cyberark.cloud", "abc1234.audit.cyberark.cloud:443", "intake.sekoia.io"]),
    endpoint=st.sampled_from(["", TOKEN, QUERY, RESULTS]),
    status=st.none() | st.integers(100, 599),
    error=st.sampled_from(["", "invalid_request", "invalid_grant", "access_denied", "other_error"]),
    missing=st.lists(st.sampled_from(["jwt", "scope", "aud", "tenant_id", "suffix"])).map(tuple),
)


def test_each_row_has_a_code_and_a_sentence_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) > 40
    assert len({(row.problem, row.remedy) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_sentences_are_whole_and_lead_to_fields_and_steps_that_exist(row: Diagnosis) -> None:
    for sentence in (row.problem, row.remedy):
        assert sentence[0].isupper() or sentence.startswith("{service}")
        assert sentence.endswith(".")
    words = f"{row.problem} {row.remedy}".lower()
    assert not any(word in words for word in ("guide", "manual", "runbook", "refuse"))
    assert set(row.fields) <= TITLES
    assert set(row.steps) <= set(range(1, 37))
    for condition in row.when:
        assert {*condition} <= {*_PARTS}
        assert {*condition.get("kinds", ())} <= {*FailureKind.__members__}
        assert all(isinstance(status, int) or status in ("4xx", "5xx") for status in condition.get("statuses", ()))
    # Whoever is needed is told what to do where.
    assert row.resolved_by in ("person", "person if it lasts", "time")
    if row.resolved_by == "person" and row.name != "trust-store":
        assert row.fields or row.steps
    # The exception is resolved by time too, but a person can make it rarer.
    if row.resolved_by == "time" and row.name != "query-limit":
        assert not row.fields
        assert "nothing is lost" in row.remedy


@given(failures)
def test_whatever_was_seen_there_is_a_diagnosis_of_one_line(failure: Failure) -> None:
    diagnosis = diagnose(failure)
    text = diagnosis.text(failure)
    assert text.startswith(diagnosis.problem)
    assert str(failure) in text
    assert f"{PAGE} [{diagnosis.name}]" in text
    assert "\n" not in text
    assert "{" not in text


IDENTITY, AUDIT = Service.IDENTITY, Service.AUDIT
FILTERS = "Fields “Only these actions”, “Only these applications” and “Only these audit types”: Clear"
GRANT = f"Details: CyberArk Identity (id.x/oauth2/token): HTTP 400: invalid_grant. See step 16 of {PAGE} [client-"


def status(service: Service, status: int, **fields: Any) -> Failure:
    return Failure(service, FailureKind.STATUS, status=status, **fields)


@pytest.mark.parametrize(
    ("failure", "name", "words"),
    [
        (status(IDENTITY, 400, host="id.x", endpoint=TOKEN, error="invalid_grant"), "client-credentials-off", GRANT),
        (status(IDENTITY, 400, error="unknown app"), "application-unknown", "Field “Application ID”: Copy the App"),
        (status(IDENTITY, 401, missing=("suffix",)), "login-name-suffix", "“Login name of the service user”"),
        (status(IDENTITY, 401), "credentials-refused", "365 days"),
        (Failure(IDENTITY, FailureKind.TIMEOUT, "h.x"), "no-answer", "Field “CyberArk Identity address”: If"),
        (Failure(AUDIT, FailureKind.TIMEOUT, "h.x"), "no-answer", "Field “CyberArk Audit API base URL”: If"),
        (Failure(AUDIT, FailureKind.NEW_TOKEN, status=401), "audit-token-new", "nothing is lost"),
        (status(AUDIT, 401), "audit-token-refused", f"See steps 5 and 36 of {PAGE}"),
        (status(AUDIT, 401, missing=("aud",)), "token-aud", "step 18"),
        (status(AUDIT, 400, endpoint=QUERY), "query-refused", FILTERS),
        (status(AUDIT, 400, endpoint=RESULTS), "cursor-lost", "opens a new query"),
        (Failure(AUDIT, FailureKind.SHAPE, "h.x", RESULTS), "not-understood", "CyberArk Audit returned"),
        (status(Service.INTAKE, 503), "service-down", "Sekoia intake is temporarily"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_was_seen_leads_to_its_row(failure: Failure, name: str, words: str) -> None:
    assert diagnose(failure).name == name
    assert words in diagnose(failure).text(failure)
