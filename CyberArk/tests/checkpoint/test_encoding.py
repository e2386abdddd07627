"""What is saved is read back as it was; damaged bytes give a checkpoint that can be saved, and raise nothing."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.values import T0, at, checkpoint, checkpoints, plain, window, window_lists
from cyberark_modules.checkpoint.encoding import Opened, encode, open_checkpoint
from cyberark_modules.checkpoint.value import Checkpoint, Window


def opened(content: bytes, backup: bytes | None = None) -> Opened:
    return open_checkpoint(content, backup, at(0), at(-60), at(-600))


def is_damaged(content: bytes, backup: bytes | None = None) -> bool:
    return "cannot be used" in opened(content, backup).warning


@given(checkpoints())
def test_any_checkpoint_is_read_back_as_it_was(saved: Checkpoint) -> None:
    assert plain(opened(encode(saved)).checkpoint) == plain(saved)


@given(window_lists())
def test_a_downgrade_continues_from_the_first_event_that_is_unread(windows: tuple[Window, ...]) -> None:
    document = json.loads(encode(checkpoint(*windows, live_s=600, uuids=("a",))))
    date_ms = datetime.fromisoformat(document["most_recent_date_seen"]).timestamp() * 1000
    assert date_ms == min([at(600), *(window.start_ms for window in windows if not window.again)])
    assert document["events_cache"] == ["a"]


SAVED = encode(checkpoint(window(10, 20), window(30, 40), live_s=60))


@given(st.integers(0, len(SAVED) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_damaged_bytes_give_a_checkpoint_that_can_be_saved(place: int, put: bytes, removed: int) -> None:
    found = opened(SAVED[:place] + put + SAVED[place + removed :]).checkpoint
    assert plain(opened(encode(found)).checkpoint) == plain(found)


@given(st.integers(0, len(SAVED) - 1), st.binary(max_size=20) | st.none())
def test_a_file_that_was_cut_is_damaged_whatever_the_backup(length: int, backup: bytes | None) -> None:
    assert is_damaged(SAVED[:length], backup)


def changed(field: str = "", value: Any = None, **fields: object) -> bytes:
    document = json.loads(SAVED)
    document["collection"] |= fields
    if field:
        place = document["collection"]["checkpoint"]
        *path, last = field.split(".")
        for name in path:
            place = place[name]
        place[last] = value
    return json.dumps(document).encode()


WINDOWS = json.loads(SAVED)["collection"]["checkpoint"]["windows"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"\xff{}",
        b'{"events_cache": [], "most_recent_date_seen": 1, "collection": {"most_recent_date_seen": 1, "format": 4}}',
        changed(checkpoint=None),
        changed("windows", WINDOWS[:-1]),
        changed("windows", [WINDOWS[1], WINDOWS[0], WINDOWS[2]]),
        changed("windows", [WINDOWS[0] | {"end_ms": T0}, WINDOWS[2]]),
        changed("keys.by_minute", {"1": "AAAA"}),
        changed("keys.by_minute", {"1": "no Base64"}),
        changed("keys.legacy.uuids", "é"),
        changed("readers", [{"number": 1, "window": WINDOWS[2], "opened_ms": T0, "cursor": "c"}]),  # without marks
        changed("queried_ms", "soon"),
        changed("windows", [WINDOWS[0] | {"start_ms": -(10**17)}, WINDOWS[2]]),
    ],
)
def test_what_is_no_checkpoint_is_damaged(content: bytes) -> None:
    assert is_damaged(content)
