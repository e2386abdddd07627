"""The state in S3, on a real S3-compatible server."""

import logging
import socket
import time
import uuid
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from faults.scene import PAGE, Scene
from sandbox.demo.process import ConnectorProcess
from sandbox.server.server import free_port

FOLDER = "cyberark/connector-1"


class Storage:
    """A bucket of its own on a server that can be stopped and started again."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port())
        self._server.start()
        self._address = "http://{}:{}".format(*self._server.get_host_and_port())
        self._silent: socket.socket | None = None
        self._client = boto3.client(
            "s3",
            endpoint_url=self._address,
            region_name="eu-west-1",
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )
        self._client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    @property
    def variables(self) -> dict[str, str]:
        """What the platform sets for a connector whose state lives in S3."""
        return {
            "FILE_BACKEND": "S3",
            "SUB_FOLDER": FOLDER,
            "AWS_BUCKET_NAME": self.bucket,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_S3_ENDPOINT_URL": self._address,
        }

    def objects(self) -> list[str]:
        return [item["Key"] for item in self._client.list_objects_v2(Bucket=self.bucket)["Contents"]]

    def stop(self) -> None:
        self._server.stop()

    def hang(self) -> None:
        """In its place, connections are accepted from now on, and nothing is ever answered."""
        host, _, port = self._address.removeprefix("http://").partition(":")
        self._server.stop()
        self._silent = socket.create_server((host, int(port)), backlog=100)

    def start(self) -> None:
        """What was stored is there again."""
        if self._silent is not None:
            self._silent.close()
            self._silent = None
        host, _, port = self._address.removeprefix("http://").partition(":")
        self._server = ThreadedMotoServer(ip_address=host, port=int(port))
        self._server.start()


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    storage = Storage(uuid.uuid4().hex)
    yield storage
    storage.stop()


def at_work(scene: Scene, storage: Storage, backlog: int) -> None:
    scene.tenant.add_backlog(backlog, 3000)
    scene.tenant.settings.page_latency = 0.2
    scene.tenant.produce(20)
    scene.start(variables=storage.variables)


def test_a_state_in_s3_survives_kills(scene: Scene, storage: Storage) -> None:
    at_work(scene, storage, 15_000)
    kills, most_twice = 6, 0
    for _ in range(kills):
        before = scene.snapshot().duplicates
        time.sleep(scene.rng.uniform(1.0, 5.0))
        scene.kill()
        most_twice = max(most_twice, scene.snapshot().duplicates - before)
        scene.connector.start()
    scene.until_delivered(within=130)
    scene.judge(duplicates=kills * PAGE, most_a_kill=most_twice, objects=len(storage.objects()))
    assert most_twice <= PAGE
    assert f"{FOLDER}/context.json" in storage.objects()
    assert not scene.context_file.exists()


def test_a_storage_that_is_down_for_a_while_stops_nothing(scene: Scene, storage: Storage) -> None:
    at_work(scene, storage, 5000)
    scene.until_accepted(1500)
    storage.stop()
    accepted = scene.snapshot().accepted
    waited = scene.until_accepted(accepted + 1000, within=90)
    scene.until_said("The state cannot be written", within=60)
    storage.start()
    scene.until_said("State recovered", within=120)
    scene.until_delivered()
    said = scene.said("The state cannot be written")
    scene.judge(said=said, two_pages_took=waited)
    assert said == 1


def test_a_storage_that_is_down_at_the_start_is_no_first_run(scene: Scene, storage: Storage) -> None:
    at_work(scene, storage, 5000)
    scene.until_accepted(1500)
    scene.kill()
    storage.stop()
    accepted = scene.snapshot().accepted
    scene.connector.start()
    time.sleep(8)
    meanwhile = scene.snapshot().accepted
    storage.start()
    scene.until_delivered(within=120)
    scene.judge(duplicates=PAGE, meanwhile=meanwhile - accepted)
    assert meanwhile == accepted


def test_a_storage_that_never_answers_costs_seconds_only(scene: Scene, storage: Storage) -> None:
    """No pause of collection over six seconds, and a stop within ten, with its last line."""
    at_work(scene, storage, 6000)
    scene.until_accepted(1500)
    storage.hang()
    accepted = scene.snapshot().accepted
    longest, last, began = 0.0, time.monotonic(), time.monotonic()
    while time.monotonic() - began < 30:
        time.sleep(0.05)
        scene.tenant.catch_up()
        if (now_accepted := scene.snapshot().accepted) > accepted:
            longest, last, accepted = max(longest, time.monotonic() - last), time.monotonic(), now_accepted
    longest = max(longest, time.monotonic() - last)
    stopping = time.monotonic()
    assert scene.connector.stop(timeout=20) == 0
    stopped = time.monotonic() - stopping
    last_line = scene.said("Stopped; the state could not be written")
    storage.start()
    since = scene.snapshot().accepted
    scene.connector.start()
    scene.until_delivered(within=120)
    # What was delivered while nothing could be stored is sent again: that is what no storage costs.
    scene.judge(duplicates=since, longest_pause=longest, stopped_in=stopped)
    assert longest < 6
    assert stopped < 10
    assert last_line == 1


def test_of_two_instances_on_one_state_in_s3_the_older_one_stops(scene: Scene, storage: Storage) -> None:
    at_work(scene, storage, 8000)
    scene.until_accepted(2000)
    older = scene.connector
    newer = ConnectorProcess(scene.sandbox, scene.state_dir, variables=storage.variables)
    try:
        newer.start()
        ended_after = scene.until(lambda: not older.running, 15, "the older one ends", may_end=True)
        scene.connector = newer
        scene.until_delivered()
    finally:
        if newer.running:
            newer.kill()
    said = sum("Another instance" in line for line in older.lines)
    scene.judge(duplicates=PAGE, ended_after=ended_after, said=said)
    assert older.wait() == 0
    assert said == 1
