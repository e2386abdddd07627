"""What no window names was delivered: every operation keeps that true, and the windows in order, apart and bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.values import HORIZON_S, at, checkpoint, event, is_in_order, reader, seconds_in, window
from cyberark_modules.checkpoint import value
from cyberark_modules.checkpoint.encoding import first_run
from cyberark_modules.checkpoint.value import UUIDS_KEPT, Reader, Window

seconds = st.integers(0, HORIZON_S - 1)
operations = st.tuples(st.sampled_from(["with_complete", "with_windows", "advanced"]), seconds, seconds)


@given(st.lists(operations, max_size=12))
def test_what_no_window_names_is_complete(steps: list[tuple[str, int, int]]) -> None:
    found, unread, edge = first_run(at(0)), set(range(HORIZON_S)), 0
    for what, start, end in steps:
        if what == "with_complete":
            found = found.with_complete(at(start), at(end))
            unread -= set(range(start, end)) - set(range(edge, HORIZON_S))
        elif what == "with_windows":
            end = min(end, edge)
            found = found.with_windows(window(start, end))
            unread |= set(range(start, end))
        else:
            found = found.advanced(at(start + 0.9))
            unread -= set(range(edge, start))
            edge = max(edge, start)
        assert is_in_order(found.windows)
        assert seconds_in(found.windows) == unread


@given(st.lists(st.tuples(seconds, st.integers(1, 60), st.booleans()), max_size=15))
def test_windows_are_bounded_and_joined_ones_name_what_they_did(many: list[tuple[int, int, bool]]) -> None:
    some = [window(start, start + length, again=again) for start, length, again in many]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value, "WINDOWS_AT_MOST", 4)
        found = checkpoint(live_s=2 * HORIZON_S).with_windows(*some)
    assert len(found.windows) <= 5
    assert is_in_order(found.windows)
    assert seconds_in(found.windows) >= seconds_in(tuple(some), 2 * HORIZON_S)


@pytest.mark.parametrize(
    ("windows", "live_s", "readers", "kept", "lost"),
    [
        ((), 100.5, (), (), ()),
        ((window(10, 150),), 200, (), (window(101, 150),), ((10, 100.5),)),
        ((window(10, 150, again=True),), 200, (), (window(10, 150, again=True),), ()),
        ((window(10, 150),), 200, (reader(1, 10, 150),), (window(10, 150),), ()),
        ((window(10, 20), window(30, 40)), 50, (), (), ((10, 20), (30, 40), (50, 100.5))),
    ],
)
def test_what_the_api_no_longer_returns_is_lost_unless_it_was_delivered_or_is_being_read(
    windows: tuple[Window, ...], live_s: int, readers: tuple[Reader, ...], kept: tuple[Window, ...], lost: Any
) -> None:
    found, declared = checkpoint(*windows, live_s=live_s, readers=readers).expired(at(100.5))
    assert found.windows == (*kept, window(max(live_s, 100)))
    assert declared == [(at(start), at(end)) for start, end in lost]


IN_ORDER = tuple(range(20, 36))


def test_what_a_reader_has_read_of_its_window_is_not_unread() -> None:
    readers = (
        reader(1, 0, 60, times_s=IN_ORDER),
        reader(2, 100, 160, times_s=IN_ORDER[1:]),
        reader(3, 0, times_s=range(400, 416)),
    )
    saved = checkpoint(window(0, 60), window(100, 160), window(200, 260, again=True), live_s=300, readers=readers)
    assert saved.unread == (window(20, 60), window(100, 160))
    assert saved.first_unread_ms == at(20)
    left = saved.without_readers(readers[0], readers[2])
    assert left.windows[0] == window(20, 60)
    assert left.readers == (readers[1],)


@pytest.mark.parametrize(
    ("one", "position_s", "resume_s"),
    [
        (reader(start_s=10, times_s=IN_ORDER[1:]), 10, 10),
        (reader(start_s=10, end_s=15, times_s=IN_ORDER), 20, 15),  # what lies behind its end is another window's
        (reader(start_s=10, times_s=[20.7, *IN_ORDER[1:]]), 20.7, 20),
        (reader(start_s=30, times_s=IN_ORDER), 30, 30),
        (reader(start_s=10, times_s=[*IN_ORDER[:-1], 500]), 20, 20),
        (reader(start_s=10, times_s=IN_ORDER, is_disordered=True), 20, 10),
    ],
)
def test_a_few_events_with_a_wrong_clock_do_not_move_a_reader(one: Reader, position_s: float, resume_s: float) -> None:
    assert (one.position_ms, one.resume_ms) == (at(position_s), at(resume_s))


def test_delivered_events_leave_their_keys_and_the_last_uuids() -> None:
    events = [event(seconds, uuid=str(seconds)) for seconds in range(UUIDS_KEPT + 5)]
    found = checkpoint().with_delivered([*events, event(None, 1)], at(2000))
    assert found.uuids == tuple(str(seconds) for seconds in range(5, UUIDS_KEPT + 5))
    assert all(one in found.keys for one in [*events, event(None, 1)])
    assert max(found.keys.by_minute) == at(2000) // 60_000
