"""The dashboard is laid out, is what Grafana's schema asks for, and each of its queries finds something."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from operations_files import DOCS, OURS, dashboard, expressions, panels
from sandbox.server.server import Sandbox, free_port
from scraping import connector_process, scrape_when

HERE = Path(__file__).resolve().parent


def test_the_dashboard_is_laid_out() -> None:
    board = dashboard()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = sorted((panel["gridPos"]["y"], panel["gridPos"]["x"], panel["gridPos"]) for panel in board["panels"])
    for (y, x, place), (next_y, next_x, _) in pairwise(places):
        assert x + place["w"] <= 24
        assert (next_y >= y + place["h"]) or (next_y == y and next_x >= x + place["w"])
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"


class Prometheus:
    """A server that scrapes one connector every second and evaluates the rules."""

    def __init__(self, folder: Path, target: str) -> None:
        self.port = free_port()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DOCS / "alerts.yml")],
            "scrape_configs": [{"job_name": "cyberark", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, expression: str) -> list[Any]:
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def until(self, expression: str, within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                if self.value(expression):
                    return
            except OSError:
                assert self.process.poll() is None
            time.sleep(0.2)
        raise AssertionError(f"nothing comes of {expression}")


@pytest.fixture
def prometheus(sandbox: Sandbox, tmp_path: Path) -> Iterator[Prometheus]:
    """Of a connector that has delivered something."""
    sandbox.tenant.add_backlog(1000, 600.0)
    sandbox.tenant.produce(20.0)
    with connector_process(sandbox, tmp_path) as connector:
        scrape_when(connector, events_total=1000)
        server = Prometheus(tmp_path, connector.metrics_url.split("/")[2])
        try:
            server.until(f"count_over_time({OURS}lag_seconds[1m]) >= 3")
            yield server
        finally:
            server.process.kill()
            server.process.wait()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_every_query_of_the_dashboard_and_of_the_rules_finds_something(prometheus: Prometheus) -> None:
    for expression in expressions():
        asked = expression.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "1m")
        assert prometheus.value(asked), expression
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            metric = variable["query"]["query"].removeprefix("label_values(").partition(",")[0]
            assert prometheus.value(metric.replace("$job", ".*"))
    groups = prometheus.ask("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    assert [alert for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"] == []


@pytest.mark.long
def test_the_dashboard_is_what_the_schema_of_grafana_asks_for(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    for name in ("package.json", "package-lock.json", "types.ts"):
        shutil.copy(HERE / name, tmp_path)
    options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries", "1"]
    installed = subprocess.run([npm, "ci", *options], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    if installed.returncode:
        pytest.skip(f"the npm registry does not answer: {installed.stderr[-200:]}")
    lines = ['import type { Board, Custom, Options } from "./types";']
    lines.append(f"export const board: Board = {json.dumps(dashboard())};")
    for number, panel in enumerate(panels()):
        lines.append(f'export const o{number}: Options["{panel["type"]}"] = {json.dumps(panel["options"])};')
        if custom := panel["fieldConfig"]["defaults"].get("custom"):
            lines.append(f'export const c{number}: Custom["{panel["type"]}"] = {json.dumps(custom)};')
    (tmp_path / "check.ts").write_text("\n".join(lines), encoding="utf-8")
    compiler = [str(tmp_path / "node_modules" / ".bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck"]
    done = subprocess.run(
        [*compiler, "--module", "esnext", "--moduleResolution", "bundler", "check.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
