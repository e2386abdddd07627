"""A file beside the state, on disk or in S3: written whole or not at all, and by its owner only.

The SDK's PersistentJSON truncates a file before it writes it, and its S3 client waits a minute for an answer.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError as S3Error
from s3path import S3Path, configuration_map
from sekoia_automation.constants import TLS_VOLUME_PATH

LOCK_WITHIN_S = 2.0
# A write that hangs costs the one, or, when the request was sent, both.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 2.0, 2.0


class Conflict(Exception):
    """The file does not begin with its owner's mark any more: another process has claimed it."""


class DiskFile:
    """A local file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(f".{path.name}.lock")
        self._last_read: bytes | None = None

    def read(self) -> bytes | None:
        """Return its content, None when there is no file. Raises OSError."""
        try:
            with self._path.open("rb") as file:
                self._last_read = file.read()
        except FileNotFoundError:
            self._last_read = None
        return self._last_read

    def write(self, content: bytes) -> None:
        """Write it whole, whatever is there. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}.tmp")
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def write_owned(self, content: bytes, mark: bytes) -> None:
        """Write it whole if it begins with that mark, or is gone. Raises Conflict, OSError, TimeoutError."""
        with self._lock():
            with suppress(FileNotFoundError), self._path.open("rb") as file:
                if file.read(len(mark)) != mark:
                    raise Conflict(self._path.name)
            self.write(content)

    def claim(self, content: bytes) -> bool:
        """Write it whole, unless it has changed since it was read last. Raises OSError, TimeoutError."""
        with self._lock():
            for unfinished in self._path.parent.glob(f".{self._path.name}.*.tmp"):  # of a process that was killed
                with suppress(OSError):
                    unfinished.unlink()
            before = self._last_read
            if self.read() != before:
                return False
            self.write(content)
        return True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the file's lock, which the system releases when a process ends."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + LOCK_WITHIN_S
        with self._lock_path.open("ab") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise TimeoutError(f"{self._lock_path.name} is held by another process") from None
                    time.sleep(0.02)
            yield


class S3File:
    """An object in S3, written by one conditional request that takes seconds at most."""

    def __init__(self, path: S3Path) -> None:
        self._path = path
        self._place = {"Bucket": path.bucket, "Key": path.key}
        self._tag: str | None = None

    def read(self) -> bytes | None:
        """Return its content, None when there is no object. Raises botocore's errors."""
        try:
            answer = self._client.get_object(**self._place)
            self._tag = answer["ETag"]
            return bytes(answer["Body"].read())
        except S3Error as error:
            if _code(error) not in ("NoSuchKey", "404"):
                raise
            self._tag = None
            return None

    def write(self, content: bytes) -> None:
        """Write it, whatever is there. Raises botocore's errors."""
        self._tag = self._client.put_object(Body=content, **self._place)["ETag"]

    def write_owned(self, content: bytes, mark: bytes) -> None:
        """Write it if it begins with that mark, or is gone. Raises Conflict, botocore's errors."""
        for _ in range(3):
            if self.claim(content):
                return
            # A write without an answer may have been done all the same: the object is ours then.
            if not (self.read() or mark).startswith(mark):
                break
        raise Conflict(self._path.name)

    def claim(self, content: bytes) -> bool:
        """Write it, unless it has changed since it was read or written last. Raises botocore's errors."""
        condition = {"IfNoneMatch": "*"} if self._tag is None else {"IfMatch": self._tag}
        try:
            self._tag = self._client.put_object(Body=content, **self._place, **condition)["ETag"]
        except S3Error as error:
            if _code(error) in ("NotImplemented", "501"):  # a store without conditions
                self.write(content)
            elif _code(error) in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                return False
            else:
                raise
        return True

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


StoredFile = DiskFile | S3File


def stored_file(path: Path) -> StoredFile:
    """Return the file at a path of the SDK: a local one, or an S3Path. Its methods raise their library's errors."""
    return S3File(path) if isinstance(path, S3Path) else DiskFile(path)
