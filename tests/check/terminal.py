"""A program in a terminal of its own."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

from tools import TOP

WITHIN_S = 30.0


class Terminal:
    """Runs a command in a session of its own, whose controlling terminal is a pty, until it is left.

    Without that session `getpass` opens /dev/tty, the terminal of the person who runs the tests, and waits there.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.shown = ""
        self._answered = 0  # how much of it was waited for
        self._screen, keyboard = pty.openpty()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=TOP,
                env=environment,
                stdin=keyboard,
                stdout=keyboard,
                stderr=keyboard,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        finally:
            os.close(keyboard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._screen)

    def answer(self, prompt: str, text: str | None) -> None:
        """Wait until the prompt is shown, and type the text, if any."""
        ends = time.monotonic() + WITHIN_S
        while prompt not in self.shown[self._answered :]:
            assert time.monotonic() < ends, f"{prompt!r} is not shown: {self.shown}"
            assert self._read(), f"it ended before {prompt!r}: {self.shown}"
        self._answered = self.shown.index(prompt, self._answered) + len(prompt)
        if text is not None:
            os.write(self._screen, f"{text}\n".encode())

    def send_signal(self, number: int) -> None:
        """Send a signal to the program, once it waits for something."""
        time.sleep(0.5)
        self._process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code once the program has ended."""
        ends = time.monotonic() + WITHIN_S
        while self._read():
            assert time.monotonic() < ends, f"it does not end: {self.shown}"
        return self._process.wait(WITHIN_S)

    def _read(self) -> bool:
        """Read what is shown within a second; return whether more may come."""
        if select.select([self._screen], [], [], 1.0)[0]:
            try:
                self.shown += os.read(self._screen, 65536).decode()
            except OSError:  # Linux's end of a pty
                return False
        return True
