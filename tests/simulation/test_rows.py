"""Long backlogs, a page that fails in one, and events that are hours late, in simulated time.

`python -m sandbox.simulation.rows` prints the figures, for other numbers too.
"""

import pytest

from sandbox.simulation.rows import HOUR, backlog, failing_page, late, steady


def test_a_backlog_is_read_faster_than_one_cursor_could_and_live_events_do_not_wait() -> None:
    figures = backlog(60_000, span=86_400.0, live=1.0, page_size=100, page_seconds=1.2)
    assert figures.of_one_cursor >= 1.5, figures
    assert figures.lag["p95"] <= 10, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_week_s_backlog_is_read_three_times_as_fast_as_one_cursor_could() -> None:
    figures = backlog(5_000_000)
    assert figures.of_one_cursor >= 3, figures
    assert figures.first_lag == {} or figures.first_lag["p95"] <= 75, figures
    assert figures.lag["p95"] <= 10, figures
    assert figures.peak_keys <= 200_000, figures
    assert figures.peak_state_bytes <= 3_500_000, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


@pytest.mark.long
@pytest.mark.timeout(900)
def test_one_page_at_a_time_costs_a_twentieth_of_what_one_cursor_could() -> None:
    figures = backlog(1_000_000, pages_at_once=1)
    assert figures.of_one_cursor >= 0.95, figures
    assert figures.lag["p95"] <= 75, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


@pytest.mark.long
@pytest.mark.timeout(900)
def test_with_one_call_a_minute_live_events_wait_less_than_four_minutes_beside_a_day_s_backlog() -> None:
    figures = backlog(20_000, span=86_400.0, live=0.2, call_spacing=60.0)
    assert figures.lag["p95"] < 240, figures
    assert figures.refused_share <= 0.1, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


@pytest.mark.long
def test_a_page_that_fails_in_a_backlog_is_all_that_is_missing_and_comes_within_the_hour_once_it_is_served() -> None:
    figures = failing_page()
    assert figures.lag["p95"] < 75, figures
    assert figures.missing_elsewhere == 0, figures
    assert figures.missing_seconds <= 5, figures
    assert figures.healed_after <= HOUR, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


@pytest.mark.long
@pytest.mark.parametrize("by", [390.0, 3000.0, 18_000.0])
def test_what_is_shown_minutes_or_hours_late_is_delivered_within_the_hour_once(by: float) -> None:
    figures = late(by, rate=0.2 if by < HOUR else 1.0, hours=2.0 if by < HOUR else 8.0)
    assert figures.late > 100, figures
    assert figures.found_after <= HOUR, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


def test_while_another_integration_takes_every_query_nothing_grows_and_afterwards_everything_is_delivered() -> None:
    figures = steady(0.2, hours=3, readings=["limit-rival-first"])
    assert figures.queries_an_hour == 0, figures  # else this test shows nothing
    assert figures.peak_state_bytes < 5_000, figures
    assert figures.critical_lines == 0, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("rate", "page_seconds", "hours"), [(60.0, 0.3, 2.0), (5.0, 2.0, 6.0)])
def test_a_day_of_overlap_is_held_to_the_budget_and_delays_no_event(
    rate: float, page_seconds: float, hours: float
) -> None:
    figures = steady(rate, hours, overlap=1440, page_seconds=page_seconds)
    assert figures.lag["p50"] <= 10, figures
    assert figures.lag["p95"] <= 75, figures
    assert figures.peak_keys <= 220_000, figures
    assert figures.peak_state_bytes <= 3_500_000, figures
    # Six hours at five a second are remembered as a whole.
    assert figures.effective_overlap == 86_400 if rate == 5 else 0 < figures.effective_overlap < 86_400, figures
    assert (figures.lost, figures.duplicates) == (0, 0), figures
