"""What a disk and S3 have in common: a file that is read and replaced whole, and known by its version."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Conflict(Exception):
    """Another process has written the file since."""


@dataclass(frozen=True, slots=True)
class Found:
    """The content of a file, and the version that it has."""

    content: bytes
    version: str


class StoredFile(Protocol):
    """A file on disk or in S3. Every method raises what its library raises when the storage fails."""

    def read(self) -> Found | None:
        """Return its content and version, None when there is none."""

    def version(self) -> str | None:
        """Return its version where that costs next to nothing, else None."""

    def replace(self, content: bytes, expected: str | None) -> str:
        """Write it whole if it has the `expected` version (None: there is none); return the new version.

        Raises Conflict.
        """

    def overwrite(self, content: bytes) -> str:
        """Write it whole, whatever is there; return the new version."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from writing it meanwhile, where `replace` alone does not."""

    def remove_unfinished(self) -> None:
        """Remove what killed processes left half written. Call it under the lock."""
