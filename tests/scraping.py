"""What a scrape of the connector's process shows."""

import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from operations_files import COMMON, OURS
from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import Sandbox


@dataclass(frozen=True)
class Scrape:
    """The metrics of the connector and the SDK's common ones, as one scrape shows them."""

    families: list[Metric]

    @property
    def names(self) -> set[str]:
        """Of the metrics, as they are written in a query; those of a histogram without their ending."""
        return {family.name + "_total" * (family.type == "counter") for family in self.families}

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with those labels."""
        found = [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == OURS + name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} {labels}"
        return sum(found)


def scrape(connector: ConnectorProcess) -> Scrape:
    with urllib.request.urlopen(connector.metrics_url, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return Scrape(
            [
                family
                for family in families
                if family.name.startswith((OURS, COMMON)) and not family.name.endswith("_created")
            ]
        )


def scrape_when(connector: ConnectorProcess, within: float = 30.0, **at_least: float) -> Scrape:
    """The first scrape in which our metrics of those names have those values, or more."""
    deadline = time.monotonic() + within
    while True:
        try:
            found = scrape(connector)
            if all(found.value(name) >= value for name, value in at_least.items()):
                return found
        except OSError:
            assert connector.running, "\n".join(connector.lines)
        assert time.monotonic() < deadline, "\n".join(connector.lines)
        time.sleep(0.05)


def connector_process(sandbox: Sandbox, directory: Path, **configuration: Any) -> ConnectorProcess:
    """Not started yet."""
    return ConnectorProcess(sandbox, directory / "state", **configuration)
