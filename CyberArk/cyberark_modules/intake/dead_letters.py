"""The dead-letter file: JSON lines alongside the state, on disk or in S3, replaced as a whole.

`text` is the event as CyberArk sent it, `uuid` its own, `status` the HTTP status of the rejection (null: no answer).
"""

import json
import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from ..errors import CyberArkError, FailureKind
from ..files import stored_file
from ..http import Http

FILE_NAME = "dead_letters.jsonl"
LETTERS_AT_MOST, BYTES_AT_MOST = 5_000, 20_000_000
# A storage that hangs is given up on after this long (s).
STORED_WITHIN_S = 5.0
T = TypeVar("T")


@dataclass(eq=False)
class Part:
    """Dead letters that are sent together since then. An event alone has `failures` once others are accepted."""

    texts: Sequence[str]
    since: float
    due_at: float
    failures: int = 0

    def order(self) -> tuple[int, float]:
        """Return what decides which part is sent first."""
        return self.failures, self.due_at


class DeadLetters:
    """The lines of the file by their texts. Thread-safe; raises nothing: a storage that fails is tried again later."""

    def __init__(self, folder: Path, http: Callable[[], Http]) -> None:
        self._file, self._http = stored_file(folder / FILE_NAME), http
        self._lock, self._storage_lock = Lock(), Lock()
        self._is_loaded = False
        self.is_saved = True  # False: nobody knows what the last attempt has left in the file
        self.lines: dict[str, bytes] = {}

    def load(self) -> list[str]:
        """Read the file, once; return the texts that were found in it."""
        with self._lock:
            if self._is_loaded or not (read := self._stored(self._file.read)):
                return []
            self._is_loaded = True
            for line in (read[0] or b"").splitlines():
                with suppress(ValueError, KeyError, TypeError):  # a person has edited it
                    self.lines[json.loads(line)["text"]] = line
            return list(self.lines)

    def add(self, texts: Collection[str], status: int | None) -> str:
        """Put texts into the file; return "" when they are in it for good, else what is wrong with it."""
        with self._lock:
            fields = ({"uuid": uuid_of(text), "status": status, "text": text} for text in texts)
            lines = self.lines | {str(line["text"]): json.dumps(line).encode() for line in fields}
            if len(lines) > LETTERS_AT_MOST or sum(map(len, lines.values())) > BYTES_AT_MOST:
                return f"is full ({len(self.lines)} events)"
            if not self._is_loaded or not self._save(lines):
                return "cannot be read or written"
            self.lines = lines
            return ""

    def remove(self, texts: Collection[str]) -> None:
        """Take texts out of the file, and write it; nothing but write it where there are none."""
        with self._lock:
            self.lines = {text: line for text, line in self.lines.items() if text not in texts}
            self._save(self.lines)

    def _save(self, lines: dict[str, bytes]) -> bool:
        content = b"".join(line + b"\n" for line in lines.values())
        self.is_saved = bool(self._stored(lambda: self._file.write(content)))
        return self.is_saved

    def _stored(self, call: Callable[[], T]) -> list[T]:
        """Return what the call returns, in a list; an empty one if the storage fails, or hangs."""

        def alone() -> T:
            # A call that hangs may still end: no later one overtakes it.
            if not self._storage_lock.acquire(blocking=False):
                raise OSError("the call before this one hangs")
            try:
                return call()
            finally:
                self._storage_lock.release()

        with suppress(Exception):  # the storage libraries raise their own errors, not only OSError
            return [self._http().within(STORED_WITHIN_S, alone)]
        return []


def uuid_of(text: str) -> str | None:
    """Return the uuid of an event, None if it has none."""
    with suppress(ValueError, RecursionError, KeyError, TypeError):
        return str(json.loads(text)["uuid"])
    return None


def smaller(texts: Sequence[str], error: CyberArkError) -> int:
    """Return how many events the parts of a request that failed hold: half, but few where each failure takes long."""
    if error.failure.kind is FailureKind.TIMEOUT:
        return math.isqrt(len(texts)) if len(texts) > 20 else 1
    return math.ceil(len(texts) / 2)
