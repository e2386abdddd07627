"""Read and write a file of the state, on disk or in S3: whole or not at all.

The SDK's PersistentJSON truncates a file before it writes it, and its S3 client waits a minute for an answer. What
belongs to one process begins with its mark, and is not written once another process has put its own there.
"""

import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError as S3Error
from s3path import S3Path, configuration_map
from sekoia_automation.constants import TLS_VOLUME_PATH

from .errors import StateTaken

# A write that hangs costs the one, or, when the request was sent, both.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 2.0, 2.0


class DiskFile:
    """A local file. Its methods raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """Return its content, None when there is no file."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            return file.read()
        return None

    def write(self, content: bytes) -> None:
        """Write it, whatever is there."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}.tmp")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)

    def write_owned(self, content: bytes, mark: bytes) -> None:
        """Write it if it begins with that mark, or is gone. Raises StateTaken."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            if file.read(len(mark)) != mark:
                raise StateTaken(self._path.name)
        self.write(content)


class S3File:
    """An object in S3. Each of its requests takes seconds at most; its methods raise botocore's errors."""

    def __init__(self, path: S3Path) -> None:
        self._path = path
        self._place = {"Bucket": path.bucket, "Key": path.key}
        self._tag: str | None = None

    def read(self) -> bytes | None:
        """Return its content, None when there is no object."""
        try:
            answer = self._client.get_object(**self._place)
        except S3Error as error:
            if _code(error) not in ("NoSuchKey", "404"):
                raise
            self._tag = None
            return None
        self._tag = answer["ETag"]
        return bytes(answer["Body"].read())

    def write(self, content: bytes, **condition: str) -> None:
        """Write it, whatever is there."""
        self._tag = self._client.put_object(Body=content, **self._place, **condition)["ETag"]

    def write_owned(self, content: bytes, mark: bytes) -> None:
        """Write it if nobody else has written it, or if it is gone. Raises StateTaken."""
        for _ in range(3):
            try:
                return self.write(content, **({"IfMatch": self._tag} if self._tag else {"IfNoneMatch": "*"}))
            except S3Error as error:
                if _code(error) in ("NotImplemented", "501"):  # a store without conditions
                    return self.write(content)
                if _code(error) not in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                    raise
            # A write without an answer may have been done all the same: the object is ours then.
            if not (self.read() or mark).startswith(mark):
                break
        self._tag = None  # that of another one: it must not let the next write through
        raise StateTaken(self._path.name)

    @cached_property
    def _client(self) -> Any:
        """A client with the SDK's address, credentials and certificates, but with timeouts of its own."""
        sdk = configuration_map.get_configuration(self._path)[0].meta.client.meta
        authorities = Path(TLS_VOLUME_PATH) / "ca.crt"  # where the SDK writes the platform's `ca_cert`
        own = Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1})
        return boto3.client(
            "s3",
            endpoint_url=sdk.endpoint_url,
            region_name=sdk.region_name,
            verify=str(authorities) if authorities.is_file() else None,
            config=sdk.config.merge(own),
        )


def _code(error: S3Error) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def stored_file(path: Path) -> DiskFile | S3File:
    """Return the file at a path of the SDK: a local one, or an S3Path."""
    return S3File(path) if isinstance(path, S3Path) else DiskFile(path)
