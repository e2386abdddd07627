"""Records a run of the demo as an animated picture: `python -m sandbox.demo.record FILE [options of the demo]`.

The demo runs in a terminal of its own. `docs/images/demo.svg` is made without options.
"""

import fcntl
import os
import pty
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from sandbox import TOP
from sandbox.demo.animation import Frame, animate
from sandbox.demo.terminal import Terminal
from sandbox.demo.view import WIDTH

_OPTIONS = ["--backlog", "200000", "--fault", "kill=12", "--fault", "late=20", "--duration", "40"]
_ROWS = 40
_FRAME_SECONDS = 0.5
_QUIET_SECONDS = 0.05
"""A screen is drawn in one go: what has been quiet for so long is complete."""


def record(options: list[str]) -> list[Frame]:
    """Runs the demo to its end; returns what stood on the screen, about twice a second."""
    terminal = Terminal(f"$ ./dev demo {shlex.join(options)}")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, WIDTH, 0, 0))
    began = time.monotonic()
    frames = [Frame(0.0, terminal.shown())]
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(TOP / "CyberArk")}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", *options], cwd=TOP, env=environment, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        while output := _read(ours):
            terminal.feed(output)
            at = time.monotonic() - began
            if not select.select([ours], [], [], _QUIET_SECONDS)[0] and at >= frames[-1].at + _FRAME_SECONDS:
                frames.append(Frame(at, terminal.shown()))
    os.close(ours)
    return [*frames, Frame(time.monotonic() - began, terminal.shown())]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # So Linux says that nobody has the other end any more.
        return b""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(animate(record(sys.argv[2:] or _OPTIONS)), encoding="utf-8")
