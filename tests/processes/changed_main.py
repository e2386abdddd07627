"""Start `main.py` with constants of the module changed, so that a test need not wait for minutes.

`CHANGES` is a JSON object of values by the full names of constants. `DEFECT` puts in a defect that repeats requests
with their credentials, once. `UNMASKED` removes the filter of secrets.
"""

import json
import os
import runpy
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any


def add_defect() -> None:
    """Have the loop fail once, with an error that holds the last requests to each service."""
    http, reporter = import_module("cyberark_modules.http"), import_module("cyberark_modules.telemetry.reporter")
    exchange, update = http.Http.exchange, reporter.Reporter.update
    seen: dict[str, str] = {}

    def exchange_and_remember(self: Any, url: str, headers: Any, body: bytes, deadline_s: float) -> Any:
        seen[url] = f"{headers} {body[:100]!r}"
        return exchange(self, url, headers, body, deadline_s)

    def fail_once(self: Any, *arguments: Any) -> None:
        if len(seen) >= 4:
            reporter.Reporter.update = update
            raise RuntimeError(f"a defect, after {seen}")
        update(self, *arguments)

    http.Http.exchange, reporter.Reporter.update = exchange_and_remember, fail_once


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())
    for name, value in json.loads(os.environ.pop("CHANGES")).items():
        module, _, constant = name.rpartition(".")
        known = import_module(f"cyberark_modules.{module}")
        getattr(known, constant)  # fails for one that there is not
        setattr(known, constant, value)
    connector = import_module("cyberark_modules.connector_audit_logs").CyberArkAuditLogsConnector
    connector.backoff = replace(connector.backoff, longest=1.0)
    if os.environ.pop("UNMASKED", ""):
        masking: Any = import_module("cyberark_modules.masking")
        masking._forms = lambda value: iter(())
        for name in ("", ".sdk.process", ".sdk.connector"):
            importing: Any = import_module(f"cyberark_modules{name}")
            importing.install_filters = lambda: None
    if os.environ.pop("DEFECT", ""):
        add_defect()
    runpy.run_path("main.py", run_name="__main__")
