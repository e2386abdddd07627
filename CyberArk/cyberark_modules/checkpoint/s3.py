"""An object in S3, written by one conditional request that takes seconds at most.

The SDK's `S3Path.write_bytes` is a multipart upload in three requests, each of them retried for minutes by a library
of its own; the SDK's client waits 60 s for an answer.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeGuard

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError as S3Error
from s3path import S3Path, configuration_map
from sekoia_automation.constants import TLS_VOLUME_PATH

from .storage import Conflict, Found

# A write that hangs costs the one, or, when the request was sent, a second (100-continue) and the other.
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 2.0
_CONFLICTS = ("PreconditionFailed", "412")
_GONE = ("NoSuchKey", "404")
_NOT_CONDITIONAL = ("NotImplemented", "501")


def is_s3(path: Path) -> TypeGuard[S3Path]:
    """Return whether the SDK keeps this path in S3."""
    return isinstance(path, S3Path)


class S3Object:
    """An object. Its version is its ETag, which depends on the content alone."""

    def __init__(self, path: S3Path) -> None:
        self._path = path
        # What was sent without an answer may have been written all the same: it is ours, not another instance's.
        self._unanswered: deque[bytes] = deque(maxlen=10)

    def read(self) -> Found | None:
        """Return its content and version, None when there is no object. Raises botocore's errors."""
        try:
            answer = self._client.get_object(**self._place)
            return Found(answer["Body"].read(), answer["ETag"])
        except S3Error as error:
            if _code(error) in _GONE:
                return None
            raise

    def version(self) -> str | None:
        """Return None: it would cost a request."""
        return None

    def replace(self, content: bytes, expected: str | None) -> str:
        """Write it if it has the `expected` version (None: there is none) or is gone; return the new version.

        Raises Conflict, botocore's errors.
        """
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        try:
            return self._put(content, condition)
        except S3Error as error:
            code = _code(error)
        if code in _NOT_CONDITIONAL:
            return self._put(content, {})
        if code in _GONE and expected is not None:
            return self.replace(content, None)
        if code in _CONFLICTS and (version := self._written_by_us()) not in (None, expected):
            self._unanswered.clear()
            return self.replace(content, version)
        raise Conflict(self._path.name) if code in _CONFLICTS else OSError(f"S3 answered {code}")

    def overwrite(self, content: bytes) -> str:
        """Write it, whatever is there; return the new version. Raises botocore's errors."""
        return self._put(content, {})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Do nothing: `replace` compares and writes in one request."""
        yield

    def remove_unfinished(self) -> None:
        """Do nothing: an object is never half written."""

    def _put(self, content: bytes, condition: dict[str, str]) -> str:
        self._unanswered.append(_digest(content))
        answer = self._client.put_object(Body=content, **self._place, **condition)
        self._unanswered.clear()
        return str(answer["ETag"])

    def _written_by_us(self) -> str | None:
        found = self.read()
        return found.version if found is not None and _digest(found.content) in self._unanswered else None

    @property
    def _place(self) -> dict[str, str]:
        return {"Bucket": self._path.bucket, "Key": self._path.key}

    @cached_property
    def _client(self) -> Any:
        return _client(configuration_map.get_configuration(self._path)[0])


def _client(resource: Any) -> Any:
    """Return a client with the SDK's address, credentials and certificates, but with timeouts of its own."""
    sdk = resource.meta.client.meta
    authorities = Path(TLS_VOLUME_PATH) / "ca.crt"  # where the SDK writes what the platform gives as `ca_cert`
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


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
