"""Dead letters: events that the intake refuses by themselves, set aside in a bounded file to be resent by hand.

JSON lines beside the state, on disk or in S3: `text` is the event as CyberArk sent it, `uuid` its own, `status` the
HTTP status of the last refusal (null: no answer), `refused_at` when that was.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..checkpoint.files import stored_file

FILE_NAME = "dead_letters.jsonl"
BYTES_AT_MOST = 10_000_000
LETTERS_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that the intake refuses by itself. `refused_at_ms` is an epoch time (ms)."""

    text: str
    uuid: str | None
    status: int | None
    refused_at_ms: int

    def line(self) -> bytes:
        """Return it as a line of the file. The standard library's JSON, since orjson refuses a lone surrogate."""
        refused_at = datetime.fromtimestamp(self.refused_at_ms / 1000, UTC).isoformat(timespec="seconds")
        fields = {"uuid": self.uuid, "status": self.status, "refused_at": refused_at, "text": self.text}
        return json.dumps(fields).encode() + b"\n"


class DeadLetters:
    """The dead-letter file. `folder` is a path of the SDK: local, or an S3Path.

    It is read again at every use: there are few, and a person may have emptied it meanwhile.
    """

    def __init__(
        self, folder: Path, bytes_at_most: int = BYTES_AT_MOST, letters_at_most: int = LETTERS_AT_MOST
    ) -> None:
        self._file = stored_file(folder / FILE_NAME)
        self._bytes_at_most = bytes_at_most
        self._letters_at_most = letters_at_most

    def append(self, letter: DeadLetter) -> bool:
        """Add a letter; return whether it is in the file for good. Raises nothing.

        False: the file is full, or cannot be read or written now. A letter that is there already, from before a kill,
        is not added again.
        """
        try:
            found = self._file.read()
            content, line = found.content if found else b"", letter.line()
            if _has(content, letter.text):
                return True
            if content and not content.endswith(b"\n"):
                line = b"\n" + line  # a person has edited it
            if content.count(b"\n") >= self._letters_at_most or len(content) + len(line) > self._bytes_at_most:
                return False
            with self._file.lock():
                self._file.replace(content + line, found.version if found else None)
        except Exception:  # the storage libraries raise their own errors, not only OSError
            return False
        return True

    def count(self) -> int | None:
        """Return how many letters the file holds, None when it cannot be read now."""
        try:
            found = self._file.read()
        except Exception:  # as above
            return None
        return found.content.count(b"\n") if found else 0


def _has(content: bytes, text: str) -> bool:
    # Both are written by the same encoder, so the end of the line is enough.
    return b'"text": ' + json.dumps(text).encode() + b"}\n" in content
