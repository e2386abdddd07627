"""What a restart goes on from: nothing is lost, nothing is sent again, no query comes too early."""

import json
import math
import os
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cyberark_modules.audit_api.events import uuid_key
from cyberark_modules.checkpoint.store import FILE_NAME
from cyberark_modules.checkpoint.value import SLACK_MS
from fakes.intake_server import Answer
from fakes.scene import HOUR_MS, MINUTE_MS, START_MS, Scene

DAY_S = 86_400
UUID = "{:08x}-0000-4000-8000-000000000000"


def iso(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat()


def store(scene: Scene, document: dict[str, Any]) -> None:
    scene.folder.mkdir(parents=True, exist_ok=True)
    (scene.folder / FILE_NAME).write_text(json.dumps(document))


def history(scene: Scene, count: int = 60, size: int = 0) -> None:
    """Have that many events in the last 50 minutes."""
    for number in range(count):
        scene.tenant.add(START_MS - 50 * MINUTE_MS + number * 3_000_000 // count, message="x" * size)


def test_what_is_being_pushed_at_a_kill_is_delivered_after_it(scene: Scene) -> None:
    """What is stored during a push does not count its events as delivered."""
    history(scene)
    folders: list[Path] = []

    def respond(_texts: list[str], _size: int) -> Answer:
        folders.append(scene.copy_state(f"state {len(folders)}"))
        return Answer(503)

    scene.intake.respond = respond
    scene.run(0.5)
    scene.folder = folders[0]
    scene.intake.respond = scene.note
    scene.run(5)
    scene.assert_each_delivered_once()


def test_a_restart_reads_on_at_the_page_after_the_last_one_delivered(scene: Scene) -> None:
    scene.form["chunk_size"] = 10
    history(scene)
    scene.intake.respond = lambda _texts, _size: Answer(503) if len(scene.intake.requests) > 2 else None
    scene.run(0.5, kill=True)
    [stream] = scene.stored.streams
    before = scene.tenant.cursors
    assert len(scene.intake.accepted) == 20
    assert stream.cursor == before[2]
    scene.tenant.calls.clear()
    scene.intake.respond = scene.note
    scene.run(5)
    assert before[2] in scene.tenant.cursors
    assert not set(before[:2]) & set(scene.tenant.cursors)
    assert scene.tenant.query_calls == []
    scene.assert_each_delivered_once()


@pytest.mark.parametrize("kill", [False, True])
def test_what_was_accepted_of_a_page_is_not_sent_again(scene: Scene, kill: bool) -> None:
    """One of three requests is refused when the connector ends."""
    history(scene, 90, size=235_000)
    refused = scene.tenant.events[45].text
    scene.intake.respond = lambda texts, _size: Answer(503) if refused in texts else None
    scene.run(0.4, kill=kill)
    assert 30 < len(scene.intake.accepted) < 90
    scene.intake.respond = scene.note
    scene.run(130)
    scene.assert_each_delivered_once()


@pytest.mark.parametrize("pause_s", [0, 1, 30, 59])
def test_a_restart_keeps_the_spacing_of_queries(scene: Scene, pause_s: float) -> None:
    history(scene)
    scene.run(0.5)
    scene.clock.passed += pause_s
    scene.run(100)
    first, second, *_ = scene.tenant.query_calls
    assert 60 <= second - first <= 63
    assert len(scene.tenant.query_calls) == len(scene.tenant.queries)
    scene.assert_each_delivered_once()


def test_a_query_that_was_on_its_way_at_a_kill_may_still_be_counted(scene: Scene) -> None:
    folders: list[Path] = []

    def respond(path: str, _document: dict[str, Any]) -> None:
        if path == "createQuery":
            folders.append(scene.copy_state(f"state {len(folders)}"))

    scene.tenant.respond = respond
    scene.run(0.5)
    scene.folder = folders[0]
    scene.clock.passed += 62
    scene.run(200)
    first, second, *_ = scene.tenant.query_calls
    assert second - first >= 119


@pytest.mark.parametrize(
    ("date_skew", "skew", "date_skew_after", "skew_after"),
    [(-200, 0, 0, 0), (0, -200, 0, 0), (0, 0, 200, 0), (0, 0, 0, 200)],
    ids=["Date was behind", "machine was behind", "Date is ahead", "machine is ahead"],
)
def test_whichever_clock_says_that_the_last_query_is_recent_is_believed(
    scene: Scene, date_skew: float, skew: float, date_skew_after: float, skew_after: float
) -> None:
    scene.tenant.date_skew, scene.clock.skew = date_skew, skew
    scene.run(0.5)
    scene.tenant.date_skew, scene.clock.skew = date_skew_after, skew_after
    scene.run(300)
    first, second, *_ = scene.tenant.query_calls
    assert second - first >= 60


def test_cursors_are_not_read_on_with_after_a_change_of_filters(scene: Scene) -> None:
    history(scene)
    scene.run(98)  # when no page is on its way
    before = set(scene.tenant.cursors)
    scene.tenant.calls.clear()
    scene.form["application_codes"] = ["PAM"]
    scene.run(130)
    assert not before & set(scene.tenant.cursors)
    assert scene.tenant.calls[0][0] == "createQuery"
    assert scene.tenant.queries[-1].filters == {"applicationCode": [{"op": "include", "params": ["PAM"]}]}
    assert scene.tenant.queries[-1].from_ms >= START_MS - 5 * MINUTE_MS
    scene.assert_each_delivered_once()


def test_a_raised_overlap_is_read_again_and_a_lowered_one_is_not(scene: Scene) -> None:
    history(scene)
    scene.run(130)
    watermark_ms = scene.stored.coverage.watermark_ms
    late = scene.tenant.add(watermark_ms - 40 * MINUTE_MS, scene.clock.now_ms())
    scene.form["overlap"] = 50
    scene.run(100)
    assert scene.intake.accepted[late] == 1
    assert min(query.from_ms for query in scene.tenant.queries[3:]) <= watermark_ms - 44 * MINUTE_MS
    scene.form["overlap"] = 5
    queries = len(scene.tenant.queries)
    scene.run(100)
    assert scene.tenant.queries[queries].from_ms >= watermark_ms - 46 * MINUTE_MS
    scene.assert_each_delivered_once()


def test_another_tenant_is_a_new_collection(scene: Scene) -> None:
    history(scene)
    scene.run(100)
    scene.tenant.tenant_id = "tenant-2"
    scene.tenant.events.clear()
    scene.form["start_time"] = 24
    for number in range(20):
        scene.tenant.add(START_MS - 20 * HOUR_MS + number * HOUR_MS, number=1000 + number)
    scene.run(100)
    scene.assert_each_delivered_once()
    assert scene.stored.tenant_id == "tenant-2"
    assert any("tenant-2" in line and "tenant-1" in line for line in scene.said("warning"))


def test_a_token_without_a_tenant_changes_nothing(scene: Scene) -> None:
    history(scene)
    scene.run(100)
    scene.tenant.tenant_id = ""
    scene.run(100)
    assert scene.stored.tenant_id == "tenant-1"
    scene.assert_each_delivered_once()


def test_what_retention_has_overtaken_is_reported_with_its_bounds(scene: Scene) -> None:
    scene.form["start_time"] = 24
    scene.run(100)
    watermark_ms = scene.stored.coverage.watermark_ms
    scene.clock.passed += 8 * DAY_S
    delivered = scene.tenant.add(scene.clock.now_ms() - HOUR_MS)
    oldest_s = scene.clock.tenant() - 7 * DAY_S + SLACK_MS / 1000
    oldest = datetime.fromtimestamp(oldest_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
    scene.run(200)
    [line] = [line for line in scene.said("error") if line.startswith("Lost: ")]
    assert datetime.fromtimestamp(watermark_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") in line
    assert oldest in line
    assert scene.intake.accepted == {delivered: 1}
    assert not any("nothing was lost" in text for _, text in scene.lines)


def test_a_machine_whose_clock_was_a_year_ahead_goes_on_from_now(scene: Scene) -> None:
    history(scene)
    scene.run(100)
    document = json.loads((scene.folder / FILE_NAME).read_text())
    ahead = START_MS + 365 * DAY_S * 1000
    document["collection"]["coverage"] |= {"watermark_ms": ahead, "origin_ms": ahead}
    document["collection"]["streams"] = []
    store(scene, document)
    text = scene.tenant.add(scene.clock.now_ms() + 5000)
    scene.run(300)
    assert scene.intake.accepted[text] == 1
    assert scene.stored.coverage.watermark_ms <= scene.clock.now_ms()


def test_the_published_connectors_state_is_read_on_and_nothing_of_it_is_sent_again(scene: Scene) -> None:
    delivered = [scene.tenant.add(START_MS - 10 * MINUTE_MS + number * 10_000, number=number) for number in range(50)]
    late = scene.tenant.add(START_MS - 4 * MINUTE_MS, START_MS - 1000, number=500)
    new = [scene.tenant.add(START_MS - 90_000 + number * 10_000, number=600 + number) for number in range(20)]
    uuids = [json.loads(text)["uuid"] for text in delivered]
    store(scene, {"most_recent_date_seen": iso(START_MS - 110_000), "events_cache": uuids})
    scene.run(300)
    assert scene.intake.accepted == dict.fromkeys([late, *new], 1)


def test_the_first_editions_state_is_read_on_and_nothing_of_it_is_sent_again(scene: Scene) -> None:
    texts = [scene.tenant.add(START_MS - 5 * MINUTE_MS + number * 10_000, number=number) for number in range(40)]
    slots: dict[str, str] = {}
    for number in range(29):
        slot = (START_MS - 5 * MINUTE_MS + number * 10_000) // 10_000
        slots[str(slot)] = b64encode(uuid_key(UUID.format(number))).decode()
    settled_ms = START_MS - 5 * MINUTE_MS
    progress = {"settled_ms": settled_ms, "position_ms": START_MS - 20_000, "query_ms": START_MS - 30_000}
    store(
        scene,
        {
            "settled": iso(START_MS - 5 * MINUTE_MS),
            "most_recent_date_seen": iso(START_MS - 20_000),
            "events_cache": [],
            "collection": {
                "progress": progress | {"sweep": None, "head": None},
                "queried": "500",
                "most_recent_date_seen": iso(START_MS - 20_000),
                "slots": slots,
                "undated": {},
                "misplaced": {},
            },
        },
    )
    scene.run(300)
    assert scene.intake.accepted == dict.fromkeys(texts[29:], 1)
    assert scene.tenant.query_calls[0] - START_MS / 1000 >= 30


def test_a_damaged_state_is_recovered_from_the_backup_and_a_copy_kept(scene: Scene) -> None:
    history(scene)
    scene.run(100)
    (scene.folder / FILE_NAME).write_bytes(b"half a stat")
    scene.run(100)
    scene.assert_each_delivered_once()
    assert [path.read_bytes() for path in scene.folder.glob("*unreadable*")] == [b"half a stat"]
    assert any("backup" in line for line in scene.said("error"))


def test_without_a_backup_the_whole_retention_is_read(scene: Scene) -> None:
    scene.folder.mkdir(parents=True)
    (scene.folder / FILE_NAME).write_bytes(b"half a stat")
    old = scene.tenant.add(START_MS - 6 * DAY_S * 1000)
    scene.run(100)
    assert scene.intake.accepted == {old: 1}
    assert scene.tenant.query_calls[0] - START_MS / 1000 >= 60  # the last query may be recent


def test_a_state_that_cannot_be_read_is_waited_for(scene: Scene) -> None:
    (scene.folder / FILE_NAME).mkdir(parents=True)
    text = scene.tenant.add(START_MS - 5000)
    scene.clock.alarms.append((200.0, (scene.folder / FILE_NAME).rmdir))
    scene.run(400)
    assert scene.intake.accepted == {text: 1}
    assert scene.tenant.query_calls[0] - START_MS / 1000 >= 200
    assert len(scene.said("error")) == 1


class Disk:
    """A disk that is full while `is_full`; `attempts` are the times of writes that failed.

    The first one that fails after `last_at` (s) is the last: there is room again, and the connector is told to stop.
    """

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self.attempts: list[float] = []
        self.last_at = math.inf
        write = os.fsync

        def fsync(descriptor: int) -> None:
            if self.is_full:
                self.attempts.append(scene.clock.passed)
                if scene.clock.passed > self.last_at:
                    self.is_full = False
                    assert scene.connector is not None
                    scene.connector.stop()
                raise OSError(28, "No space left on device")
            write(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    def fill(self) -> None:
        self.is_full = True

    def free(self) -> None:
        self.is_full = False


@pytest.fixture
def disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(scene, monkeypatch)


def live(scene: Scene, seconds: int) -> None:
    for number in range(seconds // 2):
        scene.tenant.add(START_MS + number * 2000)


def test_while_the_state_cannot_be_written_collection_goes_on_and_writes_are_paused(scene: Scene, disk: Disk) -> None:
    live(scene, 500)
    scene.clock.alarms.append((10.0, disk.fill))
    scene.run(300)
    scene.assert_each_delivered_once(10)
    assert 6 <= len(disk.attempts) <= 14
    assert [line for line in scene.said("error") if "cannot be written" in line]
    assert any("could not be written" in line for line in scene.said("error"))


def test_a_write_that_failed_is_made_again_without_anything_new(scene: Scene, disk: Disk) -> None:
    scene.tenant.add(START_MS + 20_000)
    scene.form["frequency"] = 3600
    scene.clock.alarms += [(15.0, disk.fill), (40.0, disk.free)]
    scene.run(75, kill=True)
    assert disk.attempts
    scene.run(20)
    scene.assert_each_delivered_once()
    assert len(scene.said("error")) == 1
    assert any("State recovered" in line for line in scene.said("info"))


def test_what_could_not_be_written_is_written_at_a_stop_although_its_pause_lasts(scene: Scene, disk: Disk) -> None:
    live(scene, 300)
    scene.clock.alarms.append((10.0, disk.fill))
    disk.last_at = 200.0
    scene.run(300)
    assert disk.attempts[-1] < 290
    assert scene.lines[-1] == ("info", "Stopped; what the intake has accepted is committed")
    scene.run(100)
    scene.assert_each_delivered_once()


def test_an_instance_whose_state_was_taken_sends_nothing_more(scene: Scene) -> None:
    live(scene, 300)

    def take() -> None:
        (scene.folder / FILE_NAME).write_text((scene.folder / FILE_NAME).read_text() + " ")

    scene.clock.alarms.append((100.0, take))
    scene.run(300)
    assert scene.clock.passed < 120
    assert max(scene.accepted_at.values()) <= 100
    assert any("has taken over its state" in line for line in scene.said("error"))


def test_a_stop_of_an_instance_whose_state_was_taken_ends_it(scene: Scene, disk: Disk) -> None:
    """As in a rolling update: the newer one has loaded the state before the older one is told to stop."""
    live(scene, 300)

    def take() -> None:
        disk.free()
        (scene.folder / FILE_NAME).write_text((scene.folder / FILE_NAME).read_text() + " ")

    scene.clock.alarms += [(250.0, disk.fill), (300.0, take)]
    scene.run(300)
    assert any("has taken over its state" in line for line in scene.said("error"))
    assert not any("Unexpected error" in line for line in scene.said("error"))
