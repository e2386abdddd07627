"""Coverage: what was delivered for good, and the gaps that are still to be read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberark_modules.checkpoint.coverage import Coverage, Gap, GapState, Interval

SPAN = 40
moments = st.integers(0, SPAN)
intervals = st.tuples(moments, moments)


def missing(coverage: Coverage) -> set[int]:
    """Every moment of the past that a gap names."""
    return {moment for gap in coverage.gaps for moment in range(gap.start_ms, gap.end_ms)}


def is_orderly(coverage: Coverage) -> bool:
    edges = [edge for gap in coverage.gaps for edge in (gap.start_ms, gap.end_ms)]
    return edges == sorted(edges) and all(gap.start_ms < gap.end_ms for gap in coverage.gaps)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("covered"), intervals),
        st.tuples(st.just("gap"), intervals),
        st.tuples(st.just("backlog"), intervals),
        st.tuples(st.just("expired"), intervals),
    ),
    max_size=12,
)


@given(operations)
def test_it_agrees_with_a_set_of_moments(steps: list[tuple[str, tuple[int, int]]]) -> None:
    coverage, expected, watermark = Coverage(0, 0), set[int](), 0
    for name, (start, end) in steps:
        if name == "covered":
            coverage = coverage.covered(start, end)
            expected -= set(range(start, end))
        elif name == "gap":
            coverage = coverage.with_gap(Gap(start, end))
            expected |= set(range(start, end))
        elif name == "backlog":
            coverage = coverage.with_gap(Gap(watermark, end)).advanced(end)
            expected |= set(range(watermark, end))
            watermark = max(watermark, end)
        else:
            lost_expected = {moment for moment in expected if moment < end} | set(range(watermark, end))
            coverage, lost = coverage.expired(end)
            assert {moment for each in lost for moment in range(each.start_ms, each.end_ms)} == lost_expected
            expected = {moment for moment in expected if moment >= end}
            watermark = max(watermark, end)
        assert missing(coverage) == expected
        assert coverage.watermark_ms == watermark
        assert is_orderly(coverage)
        assert coverage.first_missing_ms == min({watermark, *expected})


def test_what_is_left_of_a_gap_is_still_asked_for_in_small_pages() -> None:
    unservable = Gap(0, 100, GapState.UNSERVABLE, page_size=1, failures=3, retry_ms=5)
    coverage = Coverage(200, 0, (unservable,)).covered(40, 60)
    assert coverage.gaps == (replace(unservable, end_ms=40), replace(unservable, start_ms=60))


def test_gaps_that_are_read_alike_are_joined() -> None:
    for gap in (Gap(0, 1000), Gap(0, 1000, failures=3), Gap(0, 1000, GapState.NARROWED, 1, 3)):
        rest = replace(gap, start_ms=1000, end_ms=2000)
        assert Coverage(5000, 0, (gap,)).with_gap(rest).gaps == (replace(gap, end_ms=2000),)
        other = replace(rest, failures=4)
        assert Coverage(5000, 0, (gap,)).with_gap(other).gaps == (gap, other)


@pytest.mark.parametrize(
    "gap",
    [
        Gap(0, 1000, GapState.NARROWED, 62, 3),
        Gap(0, 1000, GapState.HALVED, failures=3),
        Gap(0, 1000, GapState.SEARCHED, 1, 3, search_ms=1000),
        Gap(0, 1000, GapState.UNSERVABLE, 1, 3, retry_ms=5),
    ],
    ids=lambda gap: gap.state,
)
def test_gaps_that_are_being_narrowed_down_are_not_joined(gap: Gap) -> None:
    rest = replace(gap, start_ms=1000, end_ms=2000)
    assert Coverage(5000, 0, (gap,)).with_gap(rest).gaps == (gap, rest)


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        (GapState.UNREAD, {"page_size": 62}),
        (GapState.UNREAD, {"retry_ms": 5}),
        (GapState.NARROWED, {}),
        (GapState.SEARCHED, {"page_size": 1}),
        (GapState.HALVED, {"search_ms": 1000}),
        (GapState.UNSERVABLE, {"page_size": 1}),
    ],
)
def test_a_gap_has_no_field_of_another_state(state: GapState, fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no gap is like this"):
        Gap(0, 1000, state, **fields)


def test_a_new_gap_replaces_what_was_known_of_the_same_time() -> None:
    new = Gap(50, 120, GapState.NARROWED, page_size=1, failures=2)
    coverage = Coverage(200, 0, (Gap(0, 100),)).with_gap(new)
    assert coverage.gaps == (Gap(0, 50), new)


def test_the_watermark_never_goes_back_and_never_closes_a_gap() -> None:
    coverage = Coverage(100, 0, (Gap(10, 20),))
    assert coverage.advanced(50) == coverage
    assert coverage.advanced(500) == Coverage(500, 0, (Gap(10, 20),))
    assert coverage.advanced(500).first_missing_ms == 10


@pytest.mark.parametrize(
    ("coverage", "oldest", "after", "lost"),
    [
        (Coverage(500, 0), 400, Coverage(500, 0), ()),
        (Coverage(500, 0, (Gap(100, 200),)), 150, Coverage(500, 0, (Gap(150, 200),)), (Interval(100, 150),)),
        (Coverage(500, 0, (Gap(100, 200),)), 300, Coverage(500, 0), (Interval(100, 200),)),
        (Coverage(500, 0), 700, Coverage(700, 0), (Interval(500, 700),)),
        (Coverage(500, 0, (Gap(1, 2),)), 700, Coverage(700, 0), (Interval(1, 2), Interval(500, 700))),
    ],
    ids=["nothing", "part of a gap", "a whole gap", "before the watermark", "both"],
)
def test_what_retention_has_overtaken_is_reported_with_its_bounds(
    coverage: Coverage, oldest: int, after: Coverage, lost: tuple[Interval, ...]
) -> None:
    assert coverage.expired(oldest) == (after, lost)


def test_an_interval_that_ends_before_it_starts_covers_nothing() -> None:
    """A stream that was opened less than an overlap after the gap that it reads (the overlap was raised)."""
    coverage = Coverage(200, 0, (Gap(0, 100),))
    assert coverage.covered(50, 40) == coverage
