"""The demo and the sandbox alone, run as a person runs them, and the verdict at the end."""

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sandbox_client import Client, FakeClock

from cyberark_modules.diagnosis import CLOCK_OFF_S
from sandbox import TOP
from sandbox.demo.__main__ import main
from sandbox.demo.options import CLOCKS_APART_SECONDS
from sandbox.demo.process import ConnectorProcess
from sandbox.demo.summary import Verdict, print_summary
from sandbox.demo.view import Backlog, Moment, PlainLines
from sandbox.environment import Environment
from sandbox.faults import FAULTS
from sandbox.server.server import Sandbox

GOOD = {"alive": True, "stopped_in_seconds": 0.1, "kills": 0, "page_size": 500}


@pytest.fixture
def client() -> Client:
    client = Client.of(Environment(FakeClock())).log_in()
    client.environment.tenant.add_backlog(1000, 600)
    return client


@pytest.fixture
def connector(tmp_path: Path) -> ConnectorProcess:
    """One that is never started: only its last lines are asked for."""
    with Sandbox() as sandbox:
        return ConnectorProcess(sandbox, tmp_path)


def verdict_on(client: Client, connector: ConnectorProcess, **changes: Any) -> int:
    return print_summary(client.environment.ledger, Verdict(**{**GOOD, **changes}), connector)


def test_a_kept_promise_is_a_success(client: Client, connector: ConnectorProcess) -> None:
    client.push(client.drain(client.open())[0])
    assert verdict_on(client, connector) == 0
    assert verdict_on(client, connector, alive=False) == 1


def test_a_lost_event_is_a_failure_and_is_shown(
    client: Client, connector: ConnectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, _ = client.drain(client.open())
    client.push(texts[1:])
    assert verdict_on(client, connector) == 1
    assert texts[0][:100] in capsys.readouterr().out


def test_duplicates_are_a_failure_but_for_a_page_each_kill(client: Client, connector: ConnectorProcess) -> None:
    texts, _ = client.drain(client.open())
    client.push(texts)
    client.push(texts[:501])
    assert verdict_on(client, connector) == 1
    assert verdict_on(client, connector, kills=1) == 1
    assert verdict_on(client, connector, kills=2) == 0


def test_an_altered_event_is_a_failure(client: Client, connector: ConnectorProcess) -> None:
    client.push([*client.drain(client.open())[0], "{}"])
    assert verdict_on(client, connector) == 1


def test_a_query_within_the_minute_is_a_failure(client: Client, connector: ConnectorProcess) -> None:
    client.push(client.drain(client.open())[0])
    client.query()
    assert verdict_on(client, connector) == 1


def test_a_fault_that_never_happened_is_a_failure(
    client: Client, connector: ConnectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    client.push(client.drain(client.open())[0])
    assert verdict_on(client, connector, faults={"late": 3}) == 0
    assert "late (late events: 3)" in capsys.readouterr().out
    assert verdict_on(client, connector, faults={"late": 3, "kill": 0}) == 1
    assert "the fault kill never happened" in capsys.readouterr().out


def test_an_event_that_the_intake_refuses_is_left_out_and_the_figures_add_up(
    client: Client, connector: ConnectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, _ = client.drain(client.open())
    client.environment.sekoia.settings.refused_texts = (texts[0],)
    client.push(texts[1:])
    client.push(texts[:1])
    assert verdict_on(client, connector, backlog=1000) == 0
    said = " ".join(re.sub("[│\n]", " ", capsys.readouterr().out).split())
    assert "made 1,000 delivered 999 left out: refused by the intake 1 (held, or in the dead-letter file)" in said
    assert "waiting 0 lost 0" in said
    assert "backlog lag 999 of 1,000 events delivered" in said
    assert "PASS everything else was delivered; left out: 1 refused by the intake" in said
    assert "everything made" not in said


def test_one_is_not_in_the_plural(
    client: Client, connector: ConnectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, _ = client.drain(client.open())
    client.push(texts[1:])
    verdict_on(client, connector)
    assert "FAIL 1 event lost" in capsys.readouterr().out


@pytest.mark.parametrize("columns", range(70, 86, 2))
def test_a_number_and_its_unit_are_on_one_line(
    client: Client,
    connector: ConnectorProcess,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    client.environment.tenant.add()
    client.push(client.drain(client.open())[0])
    verdict_on(client, connector, backlog=1000, backlog_after_seconds=12.0)
    cells = [line.split("│")[2].strip() for line in capsys.readouterr().out.splitlines() if line.count("│") == 3]
    assert "".join(cells).count("p50") == 2
    assert not [cell for cell in cells if re.match("(s|×)\\b", cell) or re.search("(p50|p95|p99|max|×)$", cell)]


def test_the_demo_shows_both_lags_its_faults_and_figures_that_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--duration", "3", "--backlog", "700", "--eps", "5", "--fault", "api-extra"]) == 0
    said = capsys.readouterr().out
    assert "everything made was delivered" in said
    assert "live lag, from the event" in said
    assert "backlog lag" in said
    assert "api-extra" in said
    assert "waits until all are delivered" in said
    assert all(len(line) <= 80 for line in said.splitlines())
    sums = re.findall(r"made ([\d,]+) = delivered ([\d,]+) \+ waiting\s+([\d,]+)", said)
    assert sums
    for made, delivered, waiting in ([int(figure.replace(",", "")) for figure in line] for line in sums):
        assert made == delivered + waiting


def test_a_long_line_of_the_connector_is_wrapped_and_not_cut(
    client: Client, connector: ConnectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"word{number}" for number in range(60)]
    connector.lines.append(f"WARNING {' '.join(words)}")
    connector.lines_read = 1
    moment = Moment(1.0, "live", client.environment.ledger.snapshot(), Backlog(1000, 12, 90.0), {"kill": 2})
    PlainLines().show(moment, connector)
    said = capsys.readouterr().out
    assert all(len(line) <= 80 for line in said.splitlines())
    assert all(word in said.split() for word in words)
    assert "12 waiting" in " ".join(said.split())
    assert "kill (kills: 2)" in said


def test_the_demo_replays_a_file_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        '{"uuid": "a", "timestamp": 1700000000000, "n": 1.50}\n'
        '{"uuid": "b", "timestamp": 1700100000000, "cut": "\\ud83d"}\n'
        '{"uuid": "c", "timestamp": 9e29}\n'
    )
    assert main(["--duration", "6", "--events", str(file)]) == 0
    said = capsys.readouterr().out
    assert "delivered" in said
    assert "is of 2023-11-16 02:00:00 UTC" in said
    assert "expect a warning" in said
    assert CLOCKS_APART_SECONDS == CLOCK_OFF_S


@pytest.mark.parametrize(
    "arguments",
    [
        ["--events", "/nonexistent"],
        ["--events", "/"],
        ["--events", "/dev/null"],
        ["--backlog", "-5"],
        ["--backlog", "many"],
        ["--eps", "-1"],
        ["--eps", "nan"],
        ["--eps", ""],
        ["--duration", "0"],
        ["--duration", "-3"],
        ["--seed", "abc"],
        ["--backlog", "10", "--events", "EVENTS"],
        ["--events", "EVENTS", "--eps", "3"],
        ["--fault", "intake-refusals=3"],
        ["--fault", "intake-down=61"],
        ["--fault", "intake-refuses-event=200"],
        ["--fault", "unknown"],
        ["--fault", "kill=often"],
        ["--fault", "kill=-1"],
        ["--fault", "kill="],
        ["--reading", "unknown"],
        ["--reading", "to-in", "--reading", "to-out"],
        ["--unknown"],
        ["more"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_the_command_line_is_told_in_one_sentence(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text("{}\n")
    with pytest.raises(SystemExit) as ended:
        main([str(events) if argument == "EVENTS" else argument for argument in arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("./dev demo: ")
    assert said.count("\n") == 1
    expected = ("Choose only one reading for dateTo", "cannot be combined with --events")
    assert arguments[-1].rpartition("=")[2] in said or any(sentence in said for sentence in expected)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fault", "intake-refusals=3"], "(share of requests): 3 is not a number above 0 and up to 1."),
        (["--fault", "intake-refuses-event=200"], "(HTTP status): 200 is not a number from 400 to 599."),
        (["--fault", "kill=-1"], "kill=-1 has no usable intensity (seconds between): -1 is not a number above 0."),
        (["--fault", "late="], "an empty value is not a number above 0."),
        (["--duration", "-3"], "-3 is not a number of seconds above 0."),
        (["--seed", "abc"], "abc is not a whole number."),
        (["--fault", "kil"], "there is no fault kil (did you mean kill?);"),
        (["--fault", "zzz"], "there is no fault zzz;"),
        (["--reading", "to-inn"], "There is no reading to-inn (did you mean to-in?);"),
    ],
    ids=str,
)
def test_a_mistake_in_a_value_names_the_range_or_the_name_that_was_meant(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"uuid": "a"}\nno event\n', "bad.jsonl line 2 is not a JSON object"),
        ('{"uuid": "a"}\n\n["b"]\n', "line 3 is not a JSON object"),
        ('{\n  "uuid": "a"\n}\n', "line 1 is not a JSON object"),
        ('[\n  {"uuid": "a"}\n]\n', "is a JSON array; the file must hold JSON lines"),
        ("\n \n", "contains no event"),
    ],
)
def test_a_file_that_holds_no_events_is_refused_at_once(
    content: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["--events", str(file)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def started(*options: str) -> subprocess.Popen[str]:
    """Start the demo; its output comes line by line."""
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", *options],
        cwd=TOP,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_second_interrupt_ends_the_demo_at_once_in_one_sentence() -> None:
    with started("--backlog", "100", "--fault", "intake-down=60") as process:
        assert process.stdout is not None
        while "made" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        while "press Ctrl+C again" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=10) == 2
    assert "Ended at once" in rest
    assert "Traceback" not in rest


def test_a_demo_that_is_kept_says_what_becomes_of_its_state_and_of_a_refused_event() -> None:
    options = ("--backlog", "300", "--eps", "0", "--duration", "4", "--keep", "--fault", "intake-refuses-event")
    with started(*options) as process:
        assert process.stdout is not None
        said = ""
        while "Press Ctrl+C to end." not in said:
            said += (line := process.stdout.readline())
            assert line
        while "left out 1" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=30) == 0
    assert "The state, with its dead letters, is deleted then" in said
    assert "a second one would take over its state" in said
    assert "PASS" in rest


def test_dev_names_the_commands_that_there_are() -> None:
    ended = subprocess.run([sys.executable, TOP / "dev", "foo"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "no command foo" in ended.stderr
    ended = subprocess.run([sys.executable, TOP / "dev", "demmo"], capture_output=True, text=True)
    assert "(did you mean demo?)" in ended.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--events", "mine"], ["--events", "{here}/mine"]),
        (["--events=mine"], ["--events={here}/mine"]),
        (["--state", "absent"], ["--state", "{here}/absent"]),
        (["--output", "new.md"], ["--output", "{here}/new.md"]),
        (["mine"], ["{here}/mine"]),
        (["test_a.py::test_b"], ["{here}/test_a.py::test_b"]),
        (["-q", "test_a.py"], ["-q", "{here}/test_a.py"]),
        (["-k", "mine"], ["-k", "mine"]),
        (["-k=mine", "--events="], ["-k=mine", "--events="]),
        (["tests/docs", "--long"], ["tests/docs", "--long"]),
    ],
)
def test_a_file_is_named_from_where_the_command_is_typed(
    typed: list[str], meant: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "test_a.py"):
        (tmp_path / name).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    as_typed_here = runpy.run_path(str(TOP / "dev"))["as_typed_here"]
    assert as_typed_here(typed) == [part.format(here=tmp_path.resolve()) for part in meant]


def test_the_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(FAULTS) == {line.split()[0] for line in lines if line.startswith("  ")}
    assert "The connector's process" in lines


def test_the_sandbox_alone_prints_what_a_client_needs_until_it_is_interrupted() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--backlog", "100"],
        cwd=TOP,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and "Press Ctrl+C to end." not in lines:
            lines.append(process.stdout.readline().rstrip("\n"))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    exported = {line.removeprefix("export ").partition("=")[0] for line in lines if line.startswith("export ")}
    assert any("the password, which is masked here" in line for line in lines)
    assert {"MODULE_CONFIGURATION", "CONNECTOR_CONFIGURATION", "TOKEN", "REQUESTS_CA_BUNDLE"} <= exported
