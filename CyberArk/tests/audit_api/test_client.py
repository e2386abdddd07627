"""What the two calls of the Audit API send, and what they make of each answer."""

import pytest

from cyberark_modules.errors import ClientError, CursorExpired, CyberArkError, FailureKind, TransientError
from fakes.http_server import Answer, FakeTenant

from .conftest import API_KEY, Client


def test_a_query_asks_for_everything_since_that_second_oldest_first(tenant: FakeTenant, client: Client) -> None:
    assert client.api.open_query(1_739_269_449_904, None, 500, {"applicationCode": [], "action": ["Add Safe"]}) == "c0"
    assert tenant.received["query"][0].json() == {
        "query": {
            "pageSize": 500,
            "filterModel": {
                "date": {"dateFrom": "2025-02-11T10:24:09.000Z"},
                "action": [{"op": "include", "params": ["Add Safe"]}],
            },
            "sortModel": [{"field_name": "timestamp", "direction": "asc"}],
        }
    }


@pytest.mark.parametrize(("until_ms", "sent"), [(1_739_269_449_001, "10:24:10"), (1_739_269_449_000, "10:24:09")])
def test_the_end_of_a_window_is_rounded_up(tenant: FakeTenant, client: Client, until_ms: int, sent: str) -> None:
    client.api.open_query(0, until_ms, 100, {})
    date = tenant.received["query"][0].json()["query"]["filterModel"]["date"]
    assert date == {"dateFrom": "1970-01-01T00:00:00.000Z", "dateTo": f"2025-02-11T{sent}.000Z"}


def test_each_request_carries_its_credentials(tenant: FakeTenant, client: Client) -> None:
    client.api.fetch(client.open())
    results = tenant.received["results"][0]
    assert results.headers["authorization"] == f"Bearer {tenant.tokens[0]}"
    assert results.headers["x-api-key"] == API_KEY
    assert results.headers["content-type"] == "application/json"
    assert client.observed == [
        ("/oauth2/token", "200"),
        ("/api/audits/stream/createQuery", "200"),
        ("/api/audits/stream/results", "200"),
    ]


@pytest.mark.parametrize("cursor", ['a"b', "eyJ+/=", "\ud83d"])
def test_a_cursor_goes_back_as_it_came(tenant: FakeTenant, client: Client, cursor: str) -> None:
    tenant.script["results"] = [Answer(body={"data": [{"a": 1}], "paging": {"cursor": {"cursorRef": cursor}}})]
    read = client.api.fetch("c0")
    client.api.fetch(read.cursor or "")
    assert tenant.received["results"][1].json()["cursorRef"] == cursor


def test_204_is_an_empty_page_without_a_cursor(tenant: FakeTenant, client: Client) -> None:
    tenant.script["results"] = [Answer(204)]
    read = client.api.fetch("c0")
    assert (read.events, read.cursor) == ((), None)


@pytest.mark.parametrize(
    ("endpoint", "status", "error"),
    [
        ("results", 400, CursorExpired),
        ("results", 403, ClientError),
        ("query", 400, ClientError),
        ("query", 404, ClientError),
        ("token", 400, ClientError),
    ],
)
def test_a_rejected_cursor_is_expired_and_any_other_rejection_is_for_a_person(
    tenant: FakeTenant, client: Client, endpoint: str, status: int, error: type[CyberArkError]
) -> None:
    tenant.script[endpoint] = [Answer(status, {"error": "invalid_request"})]
    with pytest.raises(error) as raised:
        client.call(endpoint)
    assert raised.value.status == status


@pytest.mark.parametrize("endpoint", ["token", "query", "results"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>maintenance</html>", FailureKind.NOT_JSON),
        (b"", FailureKind.NOT_JSON),
        (b'{"data": [{"a": 1}', FailureKind.NOT_JSON),
        (b"[]", FailureKind.SHAPE),
        (b'{"data": 5}', FailureKind.SHAPE),
        (b'{"errorMessage": "Task timed out after 30 seconds"}', FailureKind.SHAPE),
    ],
)
def test_200_with_anything_else_is_transient(
    tenant: FakeTenant, client: Client, endpoint: str, body: bytes, kind: FailureKind
) -> None:
    tenant.script[endpoint] = [Answer(200, body)]
    with pytest.raises(TransientError) as raised:
        client.call(endpoint)
    assert raised.value.failure.kind is (FailureKind.SHAPE if endpoint == "results" else kind)
    assert raised.value.__context__ is None  # it may hold the page
