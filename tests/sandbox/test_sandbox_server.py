"""The sandbox over real sockets: TLS, dates, delays, broken connections, and what the platform would set."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sandbox_client import Client

from sandbox import TOP
from sandbox.environment import Service
from sandbox.http import Request, Response
from sandbox.server.server import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        # The proxies and certificates of whoever runs the tests are none of the sandbox's.
        session.trust_env = False
        session.verify = str(sandbox.ca_file)
        yield session


@pytest.fixture
def client(sandbox: Sandbox, session: requests.Session) -> Client:
    def send(service: Service, request: Request) -> Response:
        url = sandbox.urls[service] + request.path
        answer = session.request(request.method, url, data=request.body, headers=dict(request.headers), timeout=5)
        return Response(answer.status_code, answer.headers, answer.content)

    return Client(sandbox.environment, send).log_in()


def test_a_backlog_travels_from_tenant_to_intake(sandbox: Sandbox, client: Client) -> None:
    sandbox.tenant.add_backlog(3000, 3600)
    cursor = client.open()
    texts, _ = client.drain(cursor)
    for start in range(0, len(texts), 500):
        assert client.push(texts[start : start + 500]).status == 200
    snapshot = sandbox.ledger.snapshot()
    assert (snapshot.accepted, snapshot.duplicates, snapshot.altered) == (3000, 0, 0)
    assert sandbox.ledger.lost() == []


def test_the_certificate_is_good_for_the_name_and_the_address_and_only_with_the_authority(
    sandbox: Sandbox, session: requests.Session
) -> None:
    port = urlsplit(sandbox.audit_url).port
    for host in ("localhost", "127.0.0.1"):
        assert session.get(f"https://{host}:{port}/", timeout=5).status_code == 403
    session.verify = True
    with pytest.raises(requests.exceptions.SSLError):
        session.get(sandbox.audit_url, timeout=5)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_older_than_1_2_is_refused(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", urlsplit(sandbox.audit_url).port or 0)) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_connections_are_kept(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    connection = http.client.HTTPSConnection("localhost", urlsplit(sandbox.audit_url).port, context=context)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", "/api/audits/stream/results", b"{}")
        assert connection.getresponse().read() == b'{"message": "Unauthorized"}'
    assert connection.sock is first
    connection.close()


def test_the_date_header_is_the_tenants_clock(sandbox: Sandbox, client: Client) -> None:
    sandbox.clock.offset = -86400
    said = parsedate_to_datetime(client.results("x").headers["Date"]).timestamp()
    assert said == pytest.approx(time.time() - 86400, abs=2)


def test_a_page_and_a_push_take_as_long_as_they_are_set_to(sandbox: Sandbox, client: Client) -> None:
    sandbox.tenant.settings.page_latency = 0.3
    sandbox.sekoia.settings.push_latency = 0.2
    cursor = client.open()
    began = time.monotonic()
    client.results(cursor)
    assert 0.3 <= time.monotonic() - began < 1.0
    began = time.monotonic()
    client.push([])
    assert 0.2 <= time.monotonic() - began < 1.0


@pytest.mark.parametrize("name", ["api-resets", "api-cut"])
def test_a_broken_connection_is_one(sandbox: Sandbox, client: Client, name: str) -> None:
    sandbox.tenant.add_backlog(500, 60)
    cursor = client.open()
    sandbox.faults.add(name, 1)
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.results(cursor)
    sandbox.faults.clear()
    assert len(client.page(cursor)[0]) == 500


def test_a_request_that_hangs_is_not_answered(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.faults.add("api-hang", 1)
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.post(f"{sandbox.audit_url}/api/audits/stream/results", timeout=0.5)


def test_the_environment_is_the_platforms(sandbox: Sandbox, tmp_path: Path) -> None:
    environment = sandbox.environment_variables(tmp_path, chunk_size=100, application_id="other", intake_server=None)
    module = json.loads(environment["MODULE_CONFIGURATION"])
    connector = json.loads(environment["CONNECTOR_CONFIGURATION"])
    assert module["application_id"] == "other"
    assert module["password"] != sandbox.tenant.identity_settings.password
    assert connector["chunk_size"] == 100
    assert "intake_server" not in connector
    assert Path(environment["SUB_FOLDER"]).is_absolute()
    assert environment["LIVENESS_PORT"] != environment["METRICS_PORT"]


def test_a_movable_clock_moves_while_its_process_runs(tmp_path: Path) -> None:
    """What a launched main.py sees of time.time(); its file may appear, change and be rewritten at any moment."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from sandbox.demo.launch import MovableClock\n"
        "true_time = time.time\n"
        "time.time = MovableClock(Path(sys.argv[1]))\n"
        "for line in sys.stdin:\n"
        "    print(round(time.time() - true_time()), flush=True)\n"
    )
    offset = tmp_path / "offset"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(offset)],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = []
        for content in (None, "3600", "", "-3600", "0"):
            if content is not None:
                offset.write_text(content)
            process.stdin.write("\n")
            process.stdin.flush()
            seen.append(int(process.stdout.readline()))
        process.stdin.close()
    assert seen == [0, 3600, 3600, -3600, 0]
