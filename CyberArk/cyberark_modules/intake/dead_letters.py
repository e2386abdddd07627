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

from ..events import Event
from ..files import stored_file
from ..http import Http

FILE_NAME = "dead_letters.jsonl"
LETTERS_AT_MOST, BYTES_AT_MOST = 5_000, 20_000_000
# The time-out of a storage that hangs (s).
STORED_WITHIN_S = 5.0
# They are sent in as many parts; those of a start after this long (s): after a kill, some are read and pushed again.
PARTS, RESEND_AFTER_S = 6, 10.0


@dataclass(eq=False)
class Part:
    """Dead letters that are sent together since then. An event alone has `failures` once others are accepted."""

    texts: Sequence[str]
    since: float
    due_at: float
    failures: int = 0


class DeadLetters:
    """The lines of the file by their texts, and the parts in which they are sent, the newest first. Thread-safe."""

    def __init__(self, folder: Path, http: Http, report: Callable[[str], None]) -> None:
        self._file, self._http = stored_file(folder / FILE_NAME), http
        self._report, self._lock, self._storage_lock = report, Lock(), Lock()
        self._is_loaded = False
        self.fault = ""  # why the last events were not added
        self.is_saved = True  # False: nobody knows what the last write has left in the file
        self.lines: dict[str, bytes] = {}
        self.parts: list[Part] = []

    def load(self) -> None:
        """Read the file, unless that was done."""
        content: list[bytes] = []
        with self._lock:
            if self._is_loaded or not self._stored(lambda: content.append(self._file.read() or b"")):
                return
            self._is_loaded = True
            for line in content[0].splitlines():
                with suppress(ValueError, KeyError, TypeError):  # a person has edited it
                    self.lines[json.loads(line)["text"]] = line
            self.cut(list(self.lines), RESEND_AFTER_S)

    def add(self, events: Sequence[Event], status: int | None) -> bool:
        """Put events into the file; return whether they are saved in it."""
        fields = ({"uuid": event.uuid, "status": status, "text": event.text} for event in events)
        with self._lock:
            lines = self.lines | {str(line["text"]): json.dumps(line).encode() for line in fields}
            before, self.fault = self.fault, ""
            if len(lines) > LETTERS_AT_MOST or sum(map(len, lines.values())) > BYTES_AT_MOST:
                self.fault = f"is full ({len(self.lines)} events)"
            elif not self._is_loaded or not self._save(lines):
                self.fault = "cannot be read or written"
            else:
                self.lines = lines
                self.cut([event.text for event in events])
            if self.fault not in ("", before):
                self._report(
                    f"The dead-letter file {self.fault}. Until it accepts events again, rejected events are "
                    "pushed again, alongside others; nothing is lost."
                )
            return not self.fault

    def remove(self, texts: Collection[str]) -> None:
        """Take texts out of the file, and write it; nothing but write it where there are none."""
        with self._lock:
            self.lines = {text: line for text, line in self.lines.items() if text not in texts}
            self._save(self.lines)

    def cut(self, texts: Sequence[str], after_s: float = 0.0) -> None:
        """Have texts of the file sent in a few parts: when one fails, that may take as long as a deadline."""
        now, size = self._http.clock.monotonic(), math.ceil(len(texts) / PARTS)
        self.parts += [Part(texts[at : at + size], now, now + after_s) for at in range(0, len(texts), size or 1)]

    def _save(self, lines: dict[str, bytes]) -> bool:
        content = b"".join(line + b"\n" for line in lines.values())
        self.is_saved = self._stored(lambda: self._file.write(content))
        return self.is_saved

    def _stored(self, call: Callable[[], None]) -> bool:
        """Make a call to the storage; return whether it has succeeded in time."""

        def alone() -> None:
            with self._storage_lock:
                call()

        if self._storage_lock.locked():  # a call that hangs may still end: no later one overtakes it
            return False
        with suppress(Exception):  # the storage libraries raise their own errors, not only OSError
            self._http.within(STORED_WITHIN_S, alone)
            return True
        return False
