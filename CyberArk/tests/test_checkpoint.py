"""The stored state: written whole, understood from an earlier connector, never mistaken for a first run."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.audit_api.events import Event, Page, read_event
from cyberark_modules.checkpoint import BadCheckpoint, Checkpoint, Delivered, decode, encode
from cyberark_modules.errors import StateUnreadable, StateUnwritable
from cyberark_modules.progress import Head, Mark, Progress
from cyberark_modules.store import COPY_NAME, FILE_NAME, CheckpointStore

NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
UUIDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(1500)]


def event(number: int, time_ms: int | None) -> Event:
    return read_event(json.dumps({"uuid": UUIDS[number], "timestamp": time_ms}))


def iso(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat()


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path)


def load(store: CheckpointStore, now_ms: int = NOW) -> tuple[Checkpoint, str]:
    return store.load(now_ms, timedelta(hours=1), timedelta(minutes=5))


times = st.integers(NOW - HOUR_MS, NOW + HOUR_MS)
marks = st.builds(Mark, st.text(), times)
progresses = st.builds(
    Progress,
    settled_ms=times,
    position_ms=times,
    query_ms=st.none() | times,
    sweep=st.none(),
    head=st.none() | st.builds(Head, st.text(), marks, marks, marks, times),
)


@given(progresses, st.sets(st.tuples(st.integers(0, 1499), st.none() | times)), st.text())
def test_what_is_stored_is_what_is_read(
    progress: Progress, delivered: set[tuple[int, int | None]], queried: str
) -> None:
    events = [event(number, time_ms) for number, time_ms in delivered]
    kept = Delivered().with_events(events, progress.shown_from_ms, NOW)
    checkpoint = Checkpoint(progress, kept, queried, tuple(UUIDS[:3]))
    later = NOW + HOUR_MS
    assert decode(encode(checkpoint), later) == checkpoint
    assert all(event in decode(encode(checkpoint), later).delivered for event in events)


def test_where_nothing_is_stored_it_is_a_first_run(store: CheckpointStore) -> None:
    checkpoint, note = load(store)
    assert checkpoint.progress == Progress(NOW - HOUR_MS, 0)
    assert note == ""


def test_an_earlier_connectors_state_is_gone_on_from(store: CheckpointStore, tmp_path: Path) -> None:
    state = {"most_recent_date_seen": iso(NOW - 5000), "events_cache": UUIDS[:1000]}
    (tmp_path / FILE_NAME).write_text(json.dumps(state))
    checkpoint, note = load(store)
    assert note == ""
    assert checkpoint.progress.since_ms(NOW) == NOW - 5000
    assert event(999, NOW - 4000) in checkpoint.delivered
    assert event(1000, NOW - 4000) not in checkpoint.delivered


def test_an_earlier_connector_that_followed_an_event_dated_ahead_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"most_recent_date_seen": iso(NOW + HOUR_MS)}))
    checkpoint, _ = load(CheckpointStore(tmp_path))
    assert checkpoint.progress.since_ms(NOW) == NOW


def test_an_earlier_connector_can_go_on_from_ours_and_ours_again_from_its(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint(Progress(NOW - 300_000, NOW - 9000), recent=tuple(UUIDS[:7])))
    theirs = json.loads((tmp_path / FILE_NAME).read_text())
    assert datetime.fromisoformat(theirs["most_recent_date_seen"]).timestamp() * 1000 == NOW - 9000
    assert theirs["events_cache"] == UUIDS[:7]
    theirs["most_recent_date_seen"] = iso(NOW)
    theirs["events_cache"] = UUIDS[:9]
    (tmp_path / FILE_NAME).write_text(json.dumps(theirs))
    checkpoint, _ = load(store)
    assert checkpoint.progress.settled_ms == NOW
    assert event(8, NOW) in checkpoint.delivered


DAMAGED = [
    b'{"collection": 5}',
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"most_recent_date_seen": null, "events_cache": ["0b9d3a52-7c41-4f0e-9a6d-5e2f81c7d934"]}',
    b'{"most_recent_date_seen": "soon"}',
    b"\x00" * 50,
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_state_is_set_aside_and_the_whole_retention_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    checkpoint, note = load(CheckpointStore(tmp_path))
    assert checkpoint.progress.settled_ms == NOW - 7 * 24 * HOUR_MS
    aside = list(tmp_path.glob(f"{FILE_NAME}.unreadable-*"))
    assert [file.read_bytes() for file in aside] == [content]
    assert aside[0].name in note


@pytest.mark.parametrize("content", [b"{}", b'{"most_recent_date_seen": null, "events_cache": []}'])
def test_an_earlier_connector_that_has_seen_nothing_yet_leaves_a_first_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    checkpoint, note = load(CheckpointStore(tmp_path))
    assert checkpoint.progress.position_ms == 0
    assert checkpoint.progress.settled_ms > NOW - 7 * 24 * HOUR_MS
    assert note == ""


def test_a_state_that_is_gone_is_recovered_from_the_copy_of_the_last_query(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    copied = Checkpoint(Progress(NOW - 300_000, NOW - 60_000))
    store.save(copied, and_copy=True)
    (tmp_path / FILE_NAME).unlink()
    checkpoint, note = load(store)
    assert checkpoint.progress == copied.progress
    assert "is gone" in note


def test_a_damaged_state_is_recovered_from_the_copy_of_the_last_query(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    copied = Checkpoint(Progress(NOW - 300_000, NOW - 60_000))
    store.save(copied, and_copy=True)
    store.save(Checkpoint(Progress(NOW - 200_000, NOW)))
    (tmp_path / FILE_NAME).write_bytes(b"")
    checkpoint, note = load(store)
    assert checkpoint.progress == copied.progress
    assert "copy" in note


@given(st.data())
def test_a_state_cut_anywhere_is_never_taken_for_a_first_run(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    store = CheckpointStore(folder)
    delivered = Delivered().with_events([event(number, NOW - number) for number in range(30)], NOW - HOUR_MS, NOW)
    store.save(Checkpoint(Progress(NOW - 300_000, NOW), delivered, recent=tuple(UUIDS[:30])))
    whole = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    checkpoint, note = load(store)
    assert checkpoint.progress.settled_ms <= NOW - 300_000
    assert note


def test_a_collection_that_is_damaged_is_recovered_from_its_date(tmp_path: Path) -> None:
    state = {"most_recent_date_seen": iso(NOW), "events_cache": [], "collection": {"progress": 5}}
    (tmp_path / FILE_NAME).write_text(json.dumps(state))
    checkpoint, note = load(CheckpointStore(tmp_path))
    assert checkpoint.progress.settled_ms == NOW - 10 * 60_000
    assert "date" in note


def test_a_state_that_cannot_be_read_now_is_never_taken_for_a_first_run(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StateUnreadable):
        load(CheckpointStore(tmp_path))
    (tmp_path / "not a folder").touch()
    with pytest.raises(StateUnreadable):
        load(CheckpointStore(tmp_path / "not a folder"))


def test_a_state_that_cannot_be_written_says_so_and_leaves_the_old_one(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint(Progress(1, 2)))
    before = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / f"{FILE_NAME}.tmp").mkdir()
    with pytest.raises(StateUnwritable):
        store.save(Checkpoint(Progress(3, 4)))
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_kill_while_writing_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint(Progress(1, NOW)))

    class Killed(BaseException):
        pass

    def kill(_: int) -> None:
        raise Killed

    monkeypatch.setattr(os, "fsync", kill)
    with pytest.raises(Killed):
        store.save(Checkpoint(Progress(3, NOW)))
    assert load(store)[0].progress.settled_ms == 1


def test_the_folder_is_made_if_it_is_not_there(tmp_path: Path) -> None:
    CheckpointStore(tmp_path / "a" / "b").save(Checkpoint(Progress(1, 2)))
    assert (tmp_path / "a" / "b" / FILE_NAME).is_file()
    assert not (tmp_path / "a" / "b" / COPY_NAME).exists()


def test_what_no_query_can_show_again_is_forgotten() -> None:
    events = [event(number, NOW - number * 60_000) for number in range(100)]
    delivered = Delivered().with_events(events, NOW - 100 * 60_000, NOW)
    kept = delivered.since(NOW - 10 * 60_000)
    assert [event in kept for event in events] == [number <= 10 for number in range(100)]


def test_an_undated_event_is_remembered_for_as_long_as_it_is_seen() -> None:
    undated = event(1, None)
    delivered = Delivered().with_events([undated], 0, NOW)
    day_ms = 24 * HOUR_MS
    for day in range(0, 30, 5):
        now_ms = NOW + day * day_ms
        delivered = delivered.seen_again([undated], now_ms).without_unseen(now_ms)
        assert undated in delivered
    assert undated not in delivered.without_unseen(NOW + 40 * day_ms)


def test_of_a_great_many_undated_events_none_is_forgotten_that_is_still_shown() -> None:
    shown = [event_of(number) for number in range(60_000)]
    gone = [event_of(number) for number in range(60_000, 70_000)]
    delivered = Delivered().with_events(gone, 0, NOW - 2 * HOUR_MS).with_events(shown, 0, NOW)
    after_an_outage = delivered.without_unseen(NOW + 5 * HOUR_MS)
    assert all(event in after_an_outage for event in shown)
    assert not any(event in after_an_outage for event in gone)


def event_of(number: int) -> Event:
    return Event(str(number), number.to_bytes(12, "big"), None, None)


def test_an_event_dated_before_anything_that_was_asked_for_is_remembered_as_undated() -> None:
    odd = event(1, 1000)
    checkpoint = Checkpoint(Progress(NOW, NOW)).committed("", Progress(NOW, NOW), Page((odd,), None), (odd,), NOW)
    assert odd in checkpoint.delivered


def test_the_uuids_of_the_whole_overlap_are_kept_whatever_their_number() -> None:
    many = [Event(str(number), number.to_bytes(12, "big"), NOW - number, None) for number in range(200_000)]
    delivered = Delivered().with_events(many, NOW - HOUR_MS, NOW)
    checkpoint = decode(encode(Checkpoint(Progress(NOW - HOUR_MS, NOW), delivered)), NOW)
    assert len(checkpoint.delivered) == 200_000
    assert all(event in checkpoint.delivered for event in many)


def test_a_damaged_state_is_told_apart_by_what_is_wrong() -> None:
    with pytest.raises(BadCheckpoint, match="not JSON"):
        decode(b"{", NOW)


@pytest.mark.parametrize("field", ["settled_ms", "position_ms"])
@pytest.mark.parametrize("value", [-1, 10**18])
def test_impossible_times_are_not_gone_on_from(tmp_path: Path, field: str, value: int) -> None:
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint(Progress(NOW - HOUR_MS, NOW)))
    state = json.loads((tmp_path / FILE_NAME).read_text())
    state["collection"]["progress"][field] = value
    (tmp_path / FILE_NAME).write_text(json.dumps(state))
    checkpoint, note = load(store)
    assert 0 < checkpoint.progress.settled_ms <= NOW
    assert note


def test_an_earlier_uuid_list_that_is_none_costs_nothing_else(tmp_path: Path) -> None:
    state = {"most_recent_date_seen": iso(NOW - 5000), "events_cache": 5}
    (tmp_path / FILE_NAME).write_text(json.dumps(state))
    assert load(CheckpointStore(tmp_path))[0].progress.settled_ms == NOW - 5000


def test_a_value_that_cannot_be_encoded_is_a_state_that_cannot_be_written(store: CheckpointStore) -> None:
    with pytest.raises(StateUnwritable):
        store.save(Checkpoint(Progress(1, 2), recent=("cut \ud83d",)))
