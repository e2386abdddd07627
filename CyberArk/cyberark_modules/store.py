"""Where the checkpoint lives: `context.json` in the SDK's data path, on disk or in S3, written whole or not at all."""

import os
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

from s3path import S3Path, configuration_map

from . import checkpoint as codec
from .checkpoint import BadCheckpoint, Checkpoint, NothingCollected
from .errors import StateUnreadable, StateUnwritable
from .progress import RETENTION

FILE_NAME = "context.json"
# A second copy, once a query: what to go on from if something else has damaged the file.
COPY_NAME = "context.previous.json"
# How far behind the date that could be saved from a damaged file collection starts again, besides the overlap.
SALVAGE_MARGIN = timedelta(minutes=5)


class CheckpointStore:
    """Reads and writes the checkpoint. `folder` is a path of the SDK: local, or an S3Path.

    The SDK's own PersistentJSON truncates the file before it writes it, and reads a damaged one as empty; this store
    does neither.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._copy = folder / COPY_NAME

    def load(self, now_ms: int, start_time: timedelta, overlap: timedelta) -> tuple[Checkpoint, str]:
        """Return the checkpoint to go on from, and what a person should know about it (empty: nothing).

        Only where there is neither file nor copy is it a first run. Raises StateUnreadable when the storage cannot be
        read now.
        """
        content = self._read(self._path)
        if content is None:
            return self._without_file(now_ms, start_time)
        try:
            return codec.decode(content, now_ms), ""
        except NothingCollected:
            return codec.first_run(now_ms, start_time), ""
        except BadCheckpoint as error:
            return self._recover(content, error, now_ms, overlap)

    def _without_file(self, now_ms: int, start_time: timedelta) -> tuple[Checkpoint, str]:
        try:
            return codec.decode(self._read(self._copy) or b"", now_ms), (
                f"{FILE_NAME} is gone. Collection goes on from the copy of the last query, {COPY_NAME}; what was "
                "delivered since comes twice. To begin anew, remove both."
            )
        except BadCheckpoint:
            return codec.first_run(now_ms, start_time), ""

    def _recover(
        self, content: bytes, error: BadCheckpoint, now_ms: int, overlap: timedelta
    ) -> tuple[Checkpoint, str]:
        # By its content: the same damaged file, found again, is set aside once.
        aside = f"{FILE_NAME}.unreadable-{blake2b(content, digest_size=4).hexdigest()}"
        try:
            self._write(self._folder / aside, content)
        except StateUnwritable:
            aside = "nowhere: the folder cannot be written"
        found = f"The stored state cannot be used ({error}); it was set aside as {aside}. "
        try:
            return codec.decode(self._read(self._copy) or b"", now_ms), (
                f"{found}Collection goes on from the copy of the last query; what was delivered since comes twice."
            )
        except BadCheckpoint:
            pass
        if error.date_ms is not None:
            margin_ms = (overlap + SALVAGE_MARGIN) // timedelta(milliseconds=1)
            since_ms = min(error.date_ms, now_ms) - margin_ms
            return codec.resume_from(since_ms, now_ms), (
                f"{found}Collection goes on from its date, less {overlap + SALVAGE_MARGIN}; those events come twice."
            )
        week_ms = now_ms - RETENTION // timedelta(milliseconds=1)
        return (
            codec.resume_from(week_ms, now_ms),
            f"{found}All that the Audit API still shows (7 days) is read again, so that nothing is lost.",
        )

    def save(self, checkpoint: Checkpoint, and_copy: bool = False) -> int:
        """Write the checkpoint, and its copy if asked, and return its size (bytes). Raises StateUnwritable."""
        try:
            content = codec.encode(checkpoint)
        except Exception as error:
            raise StateUnwritable(f"{type(error).__name__}: {error}") from None
        self._write(self._path, content)
        if and_copy:
            self._write(self._copy, content)
        return len(content)

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            if isinstance(path, S3Path) and not path.exists():
                return None
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except Exception as error:  # the storage libraries raise their own errors, not only OSError
            raise StateUnreadable(f"{type(error).__name__}: {error}") from None

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        try:
            if isinstance(path, S3Path):
                # One request, which replaces the object at once; `write_bytes` is a multipart upload in three, each
                # tried again for minutes by a library of its own.
                resource, _ = configuration_map.get_configuration(path)
                resource.Object(path.bucket, path.key).put(Body=content)
            else:
                _write_file(path, content)
        except Exception as error:  # the storage libraries raise their own errors, not only OSError
            raise StateUnwritable(f"{type(error).__name__}: {error}") from None


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
