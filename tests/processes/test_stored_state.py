"""Storage that is full, away, or hangs, on disk and in S3: collection goes on, it is said, and a stop works."""

import logging
import os
import resource
import socket
import uuid
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from processes.scene import PAGE, STOPS_WITHIN_S, Scene
from sandbox.process import ConnectorProcess

UNSAVED = "The state cannot be saved"
ACCESS = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
REGION = "eu-west-1"


class Storage:
    """A bucket of its own on an S3 server in this process, which can be made to hang."""

    def __init__(self) -> None:
        self.bucket = uuid.uuid4().hex
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        self._server.start()
        self._address = self._server.get_host_and_port()
        url = "http://{}:{}".format(*self._address)
        self._silent: socket.socket | None = None
        self._client = boto3.client("s3", endpoint_url=url, region_name=REGION, **ACCESS)
        self._client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.variables = {
            "FILE_BACKEND": "S3",
            "SUB_FOLDER": "connector",
            "AWS_BUCKET_NAME": self.bucket,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_S3_ENDPOINT_URL": url,
            **{name.upper(): value for name, value in ACCESS.items()},
        }

    def names(self) -> set[str]:
        return {each["Key"] for each in self._client.list_objects_v2(Bucket=self.bucket)["Contents"]}

    def hang(self) -> None:
        """In the server's place, accept connections from now on, and answer nothing."""
        self._server.stop()
        self._silent = socket.create_server(self._address, backlog=100)

    def close(self) -> None:
        if self._silent is None:
            self._server.stop()
        else:
            self._silent.close()


@pytest.fixture
def storage() -> Iterator[Storage]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    storage = Storage()
    yield storage
    storage.close()


def set_full(connector: ConnectorProcess, is_full: bool) -> None:
    """Let the process write nothing to any file, as on a full disk, or let it again."""
    _, most = resource.prlimit(connector.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(connector.pid, resource.RLIMIT_FSIZE, (0 if is_full else most, most))


@pytest.mark.parametrize("how", ["full", pytest.param("away", marks=pytest.mark.long)])
def test_a_disk_that_cannot_be_written_stops_nothing_and_is_said_once(scene: Scene, how: str) -> None:
    scene.world.add_backlog(4000, 600)
    scene.world.settings.audit.page_latency_s = 0.2
    connector = scene.start(is_quick=True)
    scene.until_accepted(PAGE)
    if how == "full":
        set_full(connector, True)
    else:
        connector.block_state()
    scene.until_said(UNSAVED)
    scene.until_more(2 * PAGE)
    if how == "full":
        set_full(connector, False)
    else:
        connector.unblock_state()
    scene.until_said("Checkpoint recovered")
    scene.until_delivered()
    assert len(scene.said("ERROR", UNSAVED)) == 1
    connector.kill()
    connector.start()
    scene.until_asked("results", "200", times=2)
    scene.judge(duplicates=PAGE)  # and not what was delivered meanwhile


def test_a_dead_letter_file_that_hangs_delays_nothing_for_long(scene: Scene) -> None:
    scene.world.add_backlog(5000, 600)
    state = scene.folder / "state"
    state.mkdir()
    os.mkfifo(state / "dead_letters.jsonl")  # to open it waits until somebody writes to it
    scene.start()
    assert scene.until_delivered() < 35.0  # ten pushes, of which one waits five seconds
    assert scene.stop() < STOPS_WITHIN_S
    scene.judge()


def test_a_state_in_s3_outlives_a_kill_and_has_one_owner(scene: Scene, storage: Storage) -> None:
    scene.world.add_backlog(4000, 600)
    scene.world.settings.audit.page_latency_s = 0.2
    older = scene.start(variables=storage.variables)
    scene.until_accepted(PAGE)
    older.kill()
    assert "connector/context.json" in storage.names()
    older.start()
    scene.until_more(PAGE)
    assert scene.snapshot().duplicates <= PAGE
    assert scene.said("Resuming collection")
    scene.start(variables=storage.variables)
    scene.until(lambda: not older.is_running, "the older one ends")
    assert len(scene.said("Another instance", connector=older)) == 1
    scene.until_delivered()
    scene.judge(duplicates=3 * PAGE)


def test_an_s3_that_hangs_stops_neither_collection_nor_a_stop(scene: Scene, storage: Storage) -> None:
    scene.world.add_backlog(4000, 600)
    scene.world.settings.audit.page_latency_s = 0.2
    scene.start(variables=storage.variables)
    scene.until_accepted(PAGE)
    storage.hang()
    scene.until_delivered()
    scene.until_said("ERROR", UNSAVED)
    assert scene.stop() < STOPS_WITHIN_S
    assert scene.said("Stopped; the state could not be saved")
    scene.judge()
