"""Made events look like real ones, are the same for the same seed, and can be told apart without a table."""

import json
import random
from pathlib import Path

import pytest
from sandbox_client import START, Client, FakeClock

from sandbox.environment import Environment
from sandbox.events.factory import EventFactory
from sandbox.events.malformed import malformed_events
from sandbox.tenant.replay import newest_time

KEYS_OF_EVERY_EVENT = {
    "uuid", "tenantId", "timestamp", "username", "applicationCode", "auditCode", "auditType", "action", "userId",
    "source", "actionType", "component", "serviceName", "accessMethod", "accountId", "target", "command", "sessionId",
    "message", "customData", "cloudProvider", "cloudWorkspacesAndRoles", "cloudIdentities", "cloudAssets", "safe",
    "accountName", "targetPlatform", "targetAccount", "identityType",
}  # fmt: skip
KEYS_OF_NEWER_TENANTS = {"correlationId", "isDr", "originRegion", "orgId"}


def texts_of(factory: EventFactory, count: int) -> list[str]:
    return [b"".join(factory.parts(number, 1_800_000_000_000 + number)).decode() for number in range(count)]


def test_events_have_the_keys_of_real_ones_and_some_those_of_newer_tenants() -> None:
    events = [json.loads(text) for text in texts_of(EventFactory(1), 1000)]
    found = {frozenset(event) for event in events}
    assert {frozenset(KEYS_OF_EVERY_EVENT), frozenset(KEYS_OF_EVERY_EVENT | KEYS_OF_NEWER_TENANTS)} <= found
    assert all(KEYS_OF_EVERY_EVENT <= keys <= KEYS_OF_EVERY_EVENT | KEYS_OF_NEWER_TENANTS for keys in found)
    assert {event["applicationCode"] for event in events} == {"IDP", "PAM", "ITDR"}
    assert len({event["uuid"] for event in events}) == 1000


def test_events_are_of_the_size_of_real_ones() -> None:
    sizes = sorted(map(len, texts_of(EventFactory(1), 1000)))
    assert sizes[0] > 600
    assert 800 < sizes[500] < 1200
    assert sizes[-1] < 1700


def test_the_same_seed_makes_the_same_events_and_another_does_not() -> None:
    assert texts_of(EventFactory(5), 50) == texts_of(EventFactory(5), 50)
    assert not set(texts_of(EventFactory(5), 50)) & set(texts_of(EventFactory(6), 50))


def test_an_event_is_recognised_by_its_text() -> None:
    factory = EventFactory(1)
    assert [factory.sequence_of(text) for text in texts_of(factory, 1000)] == list(range(1000))
    assert factory.sequence_of("{}") is None
    assert factory.sequence_of('{"uuid":"00000000-0000-0000-0000-000000000000"') is None


def test_re_serialising_an_event_changes_its_text_as_it_would_a_real_one() -> None:
    """Otherwise a connector that decodes and encodes events would pass unseen."""
    texts = texts_of(EventFactory(1), 1000)
    for ascii_only in (True, False):
        changed = [
            json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=ascii_only) != text for text in texts
        ]
        assert any(changed)


def test_malformed_events_go_through_an_intake_equal_to_what_was_sent() -> None:
    clock = FakeClock()
    client = Client.of(Environment(clock)).log_in()
    made = malformed_events(START, random.Random(1))
    for text in made.values():
        client.environment.tenant.add(text)
    texts, _ = client.drain(client.open())
    assert sorted(texts) == sorted(made.values())
    assert len(texts) == len(made) == len(client.environment.ledger.index)
    assert client.push([text for text in texts if len(text) <= 250_000]).status == 200
    snapshot = client.environment.ledger.snapshot()
    assert (snapshot.waiting, snapshot.altered, snapshot.accepted) == (0, 0, len(made) - 1)


def test_each_call_makes_other_malformed_events() -> None:
    rng = random.Random(1)
    first, second = malformed_events(START, rng), malformed_events(START, rng)
    assert not set(first.values()) & set(second.values())


def test_malformed_events_are_json_all_the_same() -> None:
    for name, text in malformed_events(START, random.Random(1)).items():
        assert json.loads(text) is not None, name


def test_a_file_is_replayed_line_by_line_at_its_own_times(tmp_path: Path) -> None:
    lines = [
        '{"uuid": "1",  "timestamp": 1799999000000}',
        '{"timestamp":"1799999500500","uuid":"2","n":1.50}',
        '{"uuid":"3","timestamp":"2027-01-15T07:59:00Z"}',
        '{"uuid":"4"}',
        "",
        '{"uuid":"1","other":"\\ud83d","timestamp":1799999000000}',
    ]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(lines))
    client = Client.of(Environment(FakeClock())).log_in()
    assert client.environment.tenant.replay(file) == 5
    assert newest_time(file) == 1799999940
    texts, _ = client.drain(client.open())
    assert texts == [lines[0], lines[5], lines[1], lines[2], lines[3]]
    client.push(texts)
    assert client.environment.ledger.lost() == []


@pytest.mark.parametrize("count", [0, 1, 999])
def test_a_backlog_may_be_added_after_live_events(count: int) -> None:
    client = Client.of(Environment(FakeClock())).log_in()
    client.environment.tenant.add(time=START - 30)
    client.environment.tenant.add_backlog(count, 60)
    texts, _ = client.drain(client.open())
    times = [json.loads(text)["timestamp"] for text in texts]
    assert len(texts) == count + 1
    assert times == sorted(times)
