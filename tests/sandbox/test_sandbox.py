"""What the demo and the README claim, and what every test relies on: the ledger misses nothing."""

import base64
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sandbox.demo.__main__ import main
from sandbox.faults.catalogue import FAULTS
from sandbox.world.messages import Request, Response
from sandbox.world.world import World

NOW = 1_800_000_000.0


class Client:
    """A world, and who reads it."""

    def __init__(self, backlog: int = 0) -> None:
        self.now = NOW
        self.world = World(lambda: self.now, seed=1)
        self.world.add_backlog(backlog, 3600.0)

    def token(self) -> Response:
        identity = self.world.settings.identity
        basic = base64.b64encode(f"{identity.login_name}:{identity.password}".encode()).decode()
        form = urlencode({"grant_type": "client_credentials", "scope": "isp.audit.events:read"}).encode()
        request = Request("POST", "/oauth2/token/sekoia-siem", {"authorization": f"Basic {basic}"}, form)
        return self.world.answer("identity", request)

    def audit(self, call: str, content: object) -> Response:
        token = self.token().json()["access_token"]
        headers = {"authorization": f"Bearer {token}", "x-api-key": self.world.settings.audit.api_key}
        path = f"/api/audits/stream/{call}"
        return self.world.answer("audit", Request("POST", path, headers, json.dumps(content).encode()))

    def open_query(self, **more: object) -> str:
        date = {"dateFrom": "2027-01-15T06:00:00.000Z"}
        sort = [{"field_name": "timestamp", "direction": "asc"}]
        query = {"pageSize": 500, "filterModel": {"date": date}, "sortModel": sort, **more}
        cursor: str = self.audit("createQuery", {"query": query}).json()["cursorRef"]
        return cursor

    def texts(self) -> list[str]:
        """Return the events of a query, each with its exact text."""
        cursor, found, decoder = self.open_query(), list[str](), json.JSONDecoder()
        while (page := self.audit("results", {"cursorRef": cursor})).json()["data"]:
            body = page.body.decode()
            place = body.index("[") + 1
            while body[place] == "{":
                _, end = decoder.raw_decode(body, place)
                found.append(body[place:end])
                place = end + 1
            cursor = page.json()["paging"]["cursor"]["cursorRef"]
        return found

    def push(self, *texts: str) -> Response:
        content = {"intake_key": self.world.settings.sekoia.intake_key, "jsons": texts}
        return self.world.answer("intake", Request("POST", "/batch", {}, json.dumps(content).encode()))


def test_the_ledger_tells_lost_duplicate_and_altered_events_apart() -> None:
    client = Client(backlog=1200)
    texts = client.texts()
    assert len(set(texts)) == 1200
    client.push(*texts[:-3])
    client.push(texts[0], texts[-1].replace(":", ": ", 1))
    snapshot = client.world.ledger.snapshot()
    assert client.world.ledger.lost() == texts[-3:]
    assert (snapshot.accepted, snapshot.duplicates, snapshot.altered) == (1197, 1, 1)


@pytest.mark.parametrize("fault", ["shared-uuid", "no-uuid", "undated", "string-timestamp", "large-events"])
def test_an_event_is_recognised_by_its_text_whatever_it_lacks(fault: str) -> None:
    client = Client()
    client.world.faults.add(fault, 3 if fault == "shared-uuid" else None)
    client.world.add_backlog(50, 600.0)
    client.push(*client.texts())
    assert client.world.ledger.snapshot().accepted == 50


def test_what_the_intake_rejects_is_not_lost() -> None:
    client = Client(backlog=10)
    client.world.faults.add("reject-403")
    (rejected,) = [text for text in client.texts() if client.push(text).status == 403]
    assert client.world.ledger.lost_count() == 0
    client.world.faults.clear()
    assert client.push(rejected).status == 200


def test_own_events_are_moved_to_the_present(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"uuid":"a","timestamp":"1700000000000"}\n{"uuid":"b","timestamp":1700000060000}\n')
    client = Client()
    assert client.world.replay(file) == 2
    assert [json.loads(client.world.index.text(number))["timestamp"] for number in range(2)] == [
        str(int(NOW - 3600) * 1000),
        int(NOW - 1800) * 1000,
    ]


def test_the_demo_lists_its_faults_and_names_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name, fault in FAULTS.items() if fault.group not in fault.name.split("-")[0])
    with pytest.raises(SystemExit):
        main(["--fault", "no-such-fault"])
    assert "there is no fault no-such-fault" in capsys.readouterr().err


def test_the_demo_delivers_everything_once_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--backlog", "700", "--rate", "20", "--duration", "3", "--fault", "push-5xx"]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("OK lost 0, duplicates 0\n")
    assert "rejected" not in shown
    assert "push-5xx" in shown
