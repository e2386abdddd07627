"""S3 on loopback: moto's server."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from s3path import S3Path, register_configuration_parameter

ACCESS = {"region_name": "eu-west-1", "aws_access_key_id": "fake", "aws_secret_access_key": "fake"}


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@cache
def resource(address: str) -> Any:
    """The SDK's way to that server: made once, because it takes a tenth of a second."""
    boto3.setup_default_session(**ACCESS)
    return boto3.resource("s3", endpoint_url=address)


def bucket(address: str, create: bool = True) -> S3Path:
    """A folder in a new bucket, made known as the SDK does it."""
    name = uuid.uuid4().hex
    if create:
        resource(address).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    path = S3Path(f"/{name}")
    register_configuration_parameter(path, resource=resource(address))
    return path / "connector"
