"""What the whole repository must not hold."""

import subprocess

import pytest

from sandbox import TOP


def test_no_file_names_the_machine_it_was_written_on() -> None:
    if not (TOP / ".git").exists():
        pytest.skip("an archive of the clone: what belongs to it is not listed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    for path in (TOP / name for name in listed.split("\0") if name):
        if path.is_file():
            assert str(TOP) not in path.read_text(encoding="utf-8", errors="replace"), path
