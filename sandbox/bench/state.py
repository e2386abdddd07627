"""What the writes of the state cost, on disk and in S3."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.bench.backfill import PAGE_SECONDS, PUSH_SECONDS
from sandbox.bench.connector import Drained, drain
from sandbox.bench.figures import Bar, Bound, Chart, Figure, Section, Table
from sandbox.server.server import free_port

_BUCKET = "bench"
_REGION = "eu-west-1"


def measure(is_quick: bool, backfills: dict[int, Drained], without_latency: Drained) -> Section:
    """`backfills` are the runs by page size; their state was on disk, and so was that of the one without latency."""
    section = Section(
        "State",
        "Every page that brings something new is committed by one write of the state, atomic and, on disk, synced "
        "(`fsync`). The connector writes after the push, while it already fetches the next page: a write costs time "
        "only where page and push are faster than the write, as in the run without any latency. moto simulates S3 on "
        "this machine; a real S3 answers in some tens of milliseconds.",
    )
    runs = {f"disk, {size} a page": run for size, run in backfills.items()}
    with _s3() as variables:
        runs["S3, 500 a page"] = drain(
            10_000 if is_quick else 30_000,
            page_latency=PAGE_SECONDS,
            push_latency=PUSH_SECONDS,
            variables=variables,
        )
    for name, run in runs.items():
        if name.startswith("disk"):
            share = 100 * run.state_share
            section.figures.append(
                Figure(f"State writes, of a backfill's time ({name})", share, "{:.2f} %", Bound(5.0))
            )
    runs["disk, no latency at all"] = without_latency
    section.tables.append(
        Table(("State", "Writes", "Each", "State at the end", "Of the backfill's time", "Events/s"), _rows(runs))
    )
    section.charts.append(
        Chart(
            "state",
            "Writes of the state, of a backfill's time",
            [Bar(name, [run.state_share], f"{100 * run.state_share:.2f} %") for name, run in runs.items()]
            + [Bar("the bound", [0.05], "5 %", is_limit=True)],
        )
    )
    return section


def _rows(runs: dict[str, Drained]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{run.state_writes:.0f}",
            f"{1000 * run.state_write_seconds / run.state_writes:.1f} ms",
            f"{run.state_bytes / 1000:.0f} kB",
            f"{100 * run.state_share:.2f} %",
            f"{run.events_per_second:,.0f}",
        )
        for name, run in runs.items()
    ]


@contextmanager
def _s3() -> Iterator[dict[str, str]]:
    """The environment of a connector whose state lives in S3, on a server in a process of its own."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={"PATH": os.environ.get("PATH", "")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    access = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
    client = boto3.client("s3", endpoint_url=address, region_name=_REGION, **access)
    try:
        _create_bucket(client)
        yield {
            "FILE_BACKEND": "S3",
            "SUB_FOLDER": "cyberark/connector-1",
            "AWS_BUCKET_NAME": _BUCKET,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_S3_ENDPOINT_URL": address,
            **{name.upper(): value for name, value in access.items()},
        }
    finally:
        server.kill()
        server.wait()


def _create_bucket(client: object) -> None:
    """As soon as the server is there."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client.create_bucket(  # type: ignore[attr-defined]
                Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": _REGION}
            )
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
