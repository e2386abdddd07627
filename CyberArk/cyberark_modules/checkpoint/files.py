"""The file at a path of the SDK, wherever that is."""

from pathlib import Path

from .disk import DiskFile
from .s3 import S3Object, is_s3
from .storage import StoredFile


def stored_file(path: Path) -> StoredFile:
    """Return the file at a path of the SDK: a local one, or an S3Path."""
    return S3Object(path) if is_s3(path) else DiskFile(path)
