"""No key that can still be needed is forgotten within the budget, and `complete_from_ms` is true."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.values import T0, at, checkpoint, event, reader, window
from cyberark_modules.checkpoint import keys as module
from cyberark_modules.checkpoint.keys import KEPT_MS, MINUTE_MS, Bucket, Keys, Legacy
from cyberark_modules.checkpoint.value import Reader
from cyberark_modules.events import Event, uuid_key

BUDGET, NEEDED_AT_MOST = 12, 18
DAY_MIN = KEPT_MS // MINUTE_MS
minutes = st.integers(0, 2 * DAY_MIN).map(lambda minute: minute - minute % 97)
deliveries = st.lists(st.tuples(minutes | st.none(), st.integers(1, 6)), max_size=12)
intervals = st.lists(st.tuples(minutes, minutes | st.none()), max_size=2)


def minute(number: int | None, count: int) -> list[Event]:
    return [event(None if number is None else number * 60 + 30, index) for index in range(count)]


@given(deliveries, intervals, st.integers(0, 3 * DAY_MIN))
def test_no_needed_key_is_forgotten_within_the_budget(
    delivered: list[tuple[int | None, int]], needed: list[tuple[int, int | None]], now: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BUDGET", BUDGET), ("NEEDED_AT_MOST", NEEDED_AT_MOST)):
            patch.setattr(module, name, value)
        keys, places = Keys(), dict[Event, int]()
        for number, count in delivered:
            keys = keys.with_events(minute(number, count), at(now * 60))
            places |= dict.fromkeys(minute(number, count), now if number is None else number)
        assert keys.size == keys.added == len(places)
        wanted = [(at(start * 60), None if end is None else at(end * 60)) for start, end in needed]
        kept = keys.pruned(wanted, at(now * 60))
    is_needed = {
        one: any(s <= place <= (10**9 if e is None else e) for s, e in needed) for one, place in places.items()
    }
    count = sum(is_needed.values())
    assert kept.size == sum(len(bucket.keys) for bucket in kept.by_minute.values())
    assert kept.added == 0
    assert kept.size <= min(NEEDED_AT_MOST, max(BUDGET, count))
    for one, place in places.items():
        if one not in kept:
            assert at(place * 60) < kept.complete_from_ms
            assert count > NEEDED_AT_MOST or not is_needed[one]
        elif not is_needed[one]:
            assert place >= now - DAY_MIN


def test_keys_are_forgotten_from_the_oldest_on_only_as_far_as_the_budget_asks() -> None:
    over = Keys().with_events([*minute(1, 60_000), *minute(3, 40_000), *minute(5, 1)], T0)
    assert over.pruned([], at(600)).complete_from_ms == at(120)
    assert over.pruned([(at(60), at(119))], at(600)).by_minute.keys() == {T0 // MINUTE_MS + 1, T0 // MINUTE_MS + 5}
    many = over.with_events(minute(7, 50_000), T0)
    kept = many.pruned([(at(0), None)], at(600))
    assert (kept.size, kept.complete_from_ms) == (90_001, at(120))
    assert many.pruned([(at(180), None)], at(600)) == kept


def test_a_page_keeps_what_was_not_delivered_each_event_once() -> None:
    first, again, third, undated = event(1), event(2), event(3), event(None, 4)
    keys = Keys().with_events([again], T0)
    assert keys.unseen([first, again, third, undated]) == (first, third, undated)
    assert keys.unseen([first, again, third, first]) == (first, third)
    assert keys.unseen([first, third, undated], at(3)) == (first, undated)
    # Whether an event was delivered whose key would be forgotten by now, nobody knows.
    forgetful = replace(keys, complete_from_ms=at(2))
    assert forgetful.unseen([first, third, undated], again=True) == (third, undated)
    assert forgetful.unseen([first, third]) == (first, third)
    assert keys.with_events([undated], T0).unseen([first, undated]) == (first,)
    assert keys.with_events([again], T0).added == 1


KNOWN = Bucket().with_keys(map(uuid_key, ("a", "b")))
PAGE = [
    event(50),
    event(100, uuid="a"),
    event(150),
    event(200, uuid="c"),
    event(None, 1, uuid="d"),
    event(400, uuid="b"),
]


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        (Legacy(), PAGE),
        (Legacy(KNOWN, at(300)), [PAGE[index] for index in (0, 2, 3, 4, 5)]),
        # A full list: what is older than the oldest event that it names was delivered.
        (Legacy(KNOWN, at(300), at(250)), [PAGE[index] for index in (2, 3, 4, 5)]),
        (Legacy(KNOWN, at(500), at(250)), [PAGE[index] for index in (2, 3, 4)]),
        (Legacy(Bucket(), at(300), at(400)), [PAGE[4], PAGE[5]]),
    ],
)
def test_what_an_earlier_edition_delivered_is_known_by_its_uuid(legacy: Legacy, new: Sequence[Event]) -> None:
    assert list(Keys(legacy=legacy).unseen(PAGE)) == list(new)


@pytest.mark.parametrize(("later_s", "is_kept"), [(KEPT_MS // 1000, True), (KEPT_MS // 1000 + 1, False)])
def test_those_uuids_are_kept_as_long_as_keys_are(later_s: int, is_kept: bool) -> None:
    keys = Keys(legacy=Legacy(KNOWN, at(0)))
    assert (keys.pruned([], at(later_s)).legacy == keys.legacy) is is_kept


@pytest.mark.parametrize(
    ("readers", "oldest"),
    [((), 4), ((reader(1, 120),), 1), ((reader(1, 360),), 4), ((reader(1, 0, 130),), 4)],
)
def test_what_live_readers_and_unread_windows_can_return_is_needed(readers: tuple[Reader, ...], oldest: int) -> None:
    keys = Keys().with_events([event(number * 60) for number in range(12)], T0)
    saved = checkpoint(window(0, 1, again=True), live_s=300, keys=keys, readers=readers)
    assert min(saved.pruned(at(0) + 2 * KEPT_MS).keys.by_minute) == T0 // MINUTE_MS + oldest
    unread = checkpoint(window(60, 130), live_s=300, keys=keys)
    kept = {number - T0 // MINUTE_MS for number in unread.pruned(at(0) + 2 * KEPT_MS).keys.by_minute}
    assert kept == {0, 1, 2, *range(4, 12)}
