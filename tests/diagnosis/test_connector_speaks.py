"""The connector's log: the diagnosis of each mistake, at the level that it deserves, once, and never a secret."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from diagnosis_cases import CONNECTOR_MISTAKES, EXPECTED, Secrets, log_everything, says, some_now
from sentry_server import SentryServer

from sandbox.check.rehearsal import BREAKS
from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import Sandbox

PATIENCE_S = 60.0


def running(sandbox: Sandbox, directory: Path, name: str | None, **variables: str) -> ConnectorProcess:
    """The connector with that mistake, at debug level; to be entered."""
    sandbox.tenant.add_backlog(50, 600)
    mistake = BREAKS[name].make(sandbox) if name else None
    differing = mistake.variables if mistake else {}
    return ConnectorProcess(
        sandbox,
        directory / "state",
        variables={**log_everything(directory / "site"), **differing, **variables},
        **(mistake.fields if mistake else {}),
    )


def wait_until(condition: Callable[[], bool], process: ConnectorProcess) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.running, "\n".join(process.lines)
        assert time.monotonic() < deadline, "\n".join(process.lines)
        time.sleep(0.05)


@pytest.mark.parametrize("name", some_now(CONNECTOR_MISTAKES, "password", "claim-aud", "api-key", "intake-key"))
def test_a_mistake_is_in_the_log_with_what_fixes_it_once_and_without_a_secret(
    name: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    diagnosis = EXPECTED[name]
    level = "CRITICAL" if diagnosis.needs_person else "WARNING"

    def said() -> list[str]:
        return [line for line in process.lines if says(diagnosis, line)]

    with running(sandbox, tmp_path, name) as process:
        wait_until(lambda: bool(said()), process)
        if diagnosis.needs_person:
            # What stops collection reaches the platform at once.
            wait_until(lambda: any(says(diagnosis, str(log["message"])) for log in sandbox.sekoia.logs), process)
        time.sleep(1.5)  # long enough for another try of what is tried again soon
        assert process.running
        assert process.stop() == 0
    lines = [line for line in said() if not line.startswith("DEBUG")]
    assert len(lines) == 1
    assert lines[0].startswith(level)
    reported = [str(log) for log in sandbox.sekoia.logs]
    assert not Secrets.of(sandbox).seen_in([*process.lines, *reported])
    assert not any("Traceback" in line for line in process.lines)
    # Wherever a redirection leads to, nobody goes there.
    assert not any(endpoint == "platform-other" for endpoint, _ in sandbox.ledger.requests)


@pytest.mark.parametrize("name", some_now(["password", "api-key", "intake-key", "claims-script"], "api-key"))
def test_what_sentry_is_told_holds_no_secret(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with SentryServer() as sentry:
        with running(sandbox, tmp_path, name, SENTRY_DSN=sentry.dsn) as process:
            wait_until(lambda: any(EXPECTED[name].problem in event for event in sentry.received), process)
            process.stop()
        assert not Secrets.of(sandbox).seen_in(sentry.received)


def test_without_a_mistake_nothing_is_complained_of_and_no_secret_is_seen(sandbox: Sandbox, tmp_path: Path) -> None:
    with running(sandbox, tmp_path, None) as process:
        wait_until(lambda: sandbox.ledger.snapshot().accepted == 50, process)
        process.stop()
    assert not any(line.startswith(("WARNING", "ERROR", "CRITICAL")) for line in process.lines)
    assert not Secrets.of(sandbox).seen_in(process.lines)
