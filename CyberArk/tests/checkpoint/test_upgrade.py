"""Collection continues from whatever was saved: by this edition, an earlier or a later one, damaged, or nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from checkpoint.values import at, checkpoint, event, plain, seconds_in, window
from cyberark_modules.checkpoint.encoding import Opened, encode, open_checkpoint
from cyberark_modules.checkpoint.keys import Bucket
from cyberark_modules.checkpoint.value import DAY_MS, UUIDS_KEPT
from cyberark_modules.events import uuid_key

NOW_S, START_S, OLDEST_S = 100_000, 90_000, -500_000
PUBLISHED_UUIDS = [f"uuid {number}" for number in range(UUIDS_KEPT)]


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(at(seconds) / 1000, UTC).isoformat()


def opened(content: Any, backup: bytes | None = None) -> Opened:
    saved = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    return open_checkpoint(saved, backup, at(NOW_S), at(START_S), at(OLDEST_S))


@pytest.mark.parametrize("content", [None, {}, {"events_cache": []}, {"events_cache": "x", "other": 1}])
def test_where_nothing_was_saved_a_first_run_starts(content: Any) -> None:
    found = opened(content)
    assert plain(found.checkpoint) == plain(checkpoint(live_s=START_S))
    assert (found.is_first, found.warning) == (True, "")


@pytest.mark.parametrize("with_uuids", [0, 10, UUIDS_KEPT])
@pytest.mark.parametrize("date", [iso(50_000), str(at(50_000)), at(50_000), iso(50_000).replace("+00:00", "")])
def test_the_published_connector_is_continued_from_its_date_less_the_overlap(date: object, with_uuids: int) -> None:
    found = opened({"most_recent_date_seen": date, "events_cache": [*PUBLISHED_UUIDS[:with_uuids], 5]})
    assert (found.is_first, found.warning) == (False, "")
    assert found.checkpoint.windows == (window(50_000 - 300),)
    assert found.checkpoint.uuids == tuple(PUBLISHED_UUIDS[:with_uuids])
    keys = found.checkpoint.keys
    assert keys.complete_from_ms == at(50_000 - 300)
    page = [event(49_900, 1, uuid="new"), event(49_950, 2, uuid="uuid 1"), event(50_100, 3, uuid="new")]
    delivered = {0: [], 10: page[1:2], UUIDS_KEPT: page[:2]}[with_uuids]
    assert keys.unseen(page) == tuple(one for one in page if one not in delivered)


def test_a_published_date_in_the_future_has_the_last_day_read_again() -> None:
    found = opened({"most_recent_date_seen": iso(NOW_S + 1800), "events_cache": PUBLISHED_UUIDS})
    assert found.warning.startswith("The date in the saved state is in the future. The last 24 hours are read again")
    assert found.checkpoint.windows == (window(NOW_S - DAY_MS / 1000 - 300),)
    assert found.checkpoint.keys.unseen([event(NOW_S - 500), event(NOW_S - 90, uuid="uuid 1")]) == (
        event(NOW_S - 500),
    )
    assert opened({"most_recent_date_seen": iso(NOW_S)}).warning == ""


def ours() -> bytes:
    return encode(checkpoint(window(10, 20), live_s=60, uuids=("a",)))


def test_what_the_published_connector_has_continued_is_continued_from_its_date() -> None:
    found = opened(json.loads(ours()) | {"most_recent_date_seen": iso(40)})
    assert (found.checkpoint.windows, found.warning) == ((window(40 - 300),), "")


def test_a_later_version_is_continued_from_its_date_and_that_is_said() -> None:
    document = json.loads(ours())
    document["collection"]["format"] = 4
    found = opened(document)
    assert found.checkpoint.windows == (window(10 - 300),)
    assert found.warning.startswith("The state was saved by a later version. Collection continues from its date")
    assert found.checkpoint.keys.unseen([event(10, uuid="a")]) == ()


def second_edition(**changes: Any) -> dict[str, Any]:
    known = [Bucket().with_keys([uuid_key(uuid)]).packed for uuid in ("a", "b")]
    collection = {
        "format": 2,
        "most_recent_date_seen": iso(50),
        "coverage": {"watermark_ms": at(60), "gaps": [{"start_ms": at(10.5), "end_ms": at(30.5)}]},
        "streams": [],
        "dated": {"1": known[0]},
        "late": {"2": known[1]},
        "complete_from_ms": at(-60),
        "queried_ms": at(99_000),
        "tenant_id": "t-1",
        "held": [],
        **changes,
    }
    return {"most_recent_date_seen": iso(50), "events_cache": ["a"], "collection": collection}


def test_the_second_edition_is_continued_from_its_watermark_and_its_gaps() -> None:
    found = opened(second_edition(held=[{"text": "{}", "status": 400}])).checkpoint
    assert found.windows == (window(10, 31, to_confirm=1), window(60))
    assert (found.queried_ms, found.tenant_id, found.uuids) == (at(99_000), "t-1", ("a",))
    assert found.keys.complete_from_ms == at(-60)
    page = [event(20, number, uuid=uuid) for number, uuid in enumerate("abc")]
    assert found.keys.unseen(page) == (page[2],)
    assert opened(second_edition(held=[{"text": "{}", "status": 400}])).rejected == ("{}",)


@pytest.mark.parametrize(
    ("stream", "from_s"),
    [
        # What a stream has read of a gap is not read again, but for an overlap before the earliest of its last events.
        ({"use": "backfill", "start_ms": at(0), "dates": [at(1000), at(900)], "disorder_ms": 0}, 600),
        ({"use": "backfill", "start_ms": at(0), "dates": [at(1000)], "disorder_ms": 300_001}, 0),
        ({"use": "live", "start_ms": at(0), "dates": [at(1000)], "disorder_ms": 0}, 0),
    ],
)
def test_a_gap_is_read_from_where_the_second_edition_was(stream: dict[str, Any], from_s: int) -> None:
    coverage = {"watermark_ms": at(3000), "gaps": [{"start_ms": at(0), "end_ms": at(2000)}]}
    found = opened(second_edition(coverage=coverage, streams=[stream]))
    assert seconds_in(found.checkpoint.windows[:-1]) == set(range(from_s, 2000))
    assert found.checkpoint.watermark_ms == at(3000)


def test_a_watermark_ahead_of_the_time_is_not_believed() -> None:
    coverage = {"watermark_ms": at(NOW_S + 500), "gaps": [{"start_ms": at(NOW_S - 10), "end_ms": at(NOW_S + 400)}]}
    assert opened(second_edition(coverage=coverage)).checkpoint.windows == (
        window(NOW_S - 10, NOW_S, to_confirm=1),
        window(NOW_S),
    )


BACKUP = encode(checkpoint(live_s=40))


@pytest.mark.parametrize(
    ("content", "backup", "live_s", "warned"),
    [
        (b"half a", BACKUP, 40, "(it is not JSON). Collection continues from the previous save"),
        (None, BACKUP, 40, "(it is missing). Collection continues from the previous save"),
        (second_edition(coverage=None), BACKUP, 40, "(the entry collection is damaged). Collection continues"),
        (second_edition(held=[None]), BACKUP, 40, "(the entry collection is damaged). Collection continues"),
        (second_edition(streams=[{}]), BACKUP, 40, "(the entry collection is damaged). Collection continues"),
        (b'{"events_cache": ["a"]}', BACKUP, 40, "(it contains no date). Collection continues"),
        (b"half a", b"half b", OLDEST_S, "(it is not JSON). The connector reads again everything that CyberArk keeps"),
        (b"[]", None, OLDEST_S, "(it is not a JSON object). The connector reads again everything"),
    ],
)
def test_of_a_damaged_state_the_previous_save_is_used_or_everything_is_read_again(
    content: Any, backup: bytes | None, live_s: int, warned: str
) -> None:
    found = opened(content, backup)
    assert found.checkpoint.windows == (window(live_s),)
    assert f"The saved state cannot be used {warned}" in found.warning
    assert not found.is_first
    # Nobody knows when the last query was: the spacing is kept from now.
    assert found.checkpoint.queried_ms == (at(NOW_S) if live_s == OLDEST_S else None)
