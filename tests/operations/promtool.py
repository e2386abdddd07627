"""Prometheus's own unit tests, run by pytest."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alert_scenarios import COMMON, OURS, Values

NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: run .ci/install-promtool"
)


def input_series(connectors: dict[str, Values], job: str = "cyberark") -> list[dict[str, str]]:
    """The samples of the connectors, by instance."""
    return [
        {"series": _series(name, f'instance="{instance}:8020",job="{job}"'), "values": samples}
        for instance, values in connectors.items()
        for name, samples in values.items()
    ]


def _series(name: str, labels: str) -> str:
    full = name if name == "up" or name.startswith(COMMON) else OURS + name
    return f"{full[:-1]},{labels}}}" if full.endswith("}") else f"{full}{{{labels}}}"


def run(folder: Path, rules: str, tests: Sequence[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """Run `promtool test rules`. JSON is YAML."""
    (folder / "alerts.yml").write_text(rules, encoding="utf-8")
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yml").write_text(json.dumps(document), encoding="utf-8")
    environment = {**os.environ, "GOGC": "400"}  # memory is collected less often, which takes a fifth of the time
    command = ["promtool", "test", "rules", str(folder / "tests.yml")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
