"""How late events are and what it costs, at an even rate, over virtual time: of the design, not of a machine."""

import pytest

from sandbox.simulation import Figures, Latency, Scenario, simulate


def kept(figures: Figures) -> Figures:
    """The figures of a run that kept the promise."""
    assert (figures.lost, figures.duplicates, figures.altered, figures.queries_too_soon) == (0, 0, 0, 0), figures
    return figures


def refused_share(figures: Figures) -> float:
    """Of the queries and pages that were asked for."""
    refused = sum(figures.refused_per_minute.values())
    return refused / (refused + sum(figures.requests_per_minute[endpoint] for endpoint in ("query", "results")))


@pytest.mark.parametrize("page_latency", [pytest.param(0.05, marks=pytest.mark.long), 0.3])
def test_twenty_events_a_second_wait_seconds_for_few_requests(page_latency: float) -> None:
    figures = kept(simulate(Scenario(20, page_latency=page_latency)))
    assert figures.lag["p50"] <= 7, figures
    assert figures.lag["p95"] <= 14, figures
    assert figures.requests_per_minute["results"] <= 40, figures
    assert figures.requests_per_minute["query"] <= 1, figures


@pytest.mark.long
@pytest.mark.parametrize("page_latency", [0.05, 0.3])
def test_a_hundred_events_a_second_wait_seconds(page_latency: float) -> None:
    figures = kept(simulate(Scenario(100, seconds=240, page_latency=page_latency)))
    assert figures.lag["p50"] <= 7, figures
    assert figures.lag["p95"] <= 14, figures


@pytest.mark.parametrize("rate", [1, pytest.param(20, marks=pytest.mark.long)])
def test_where_a_cursor_shows_nothing_new_events_wait_for_the_minute(rate: float) -> None:
    figures = kept(simulate(Scenario(rate, seconds=1200, tenant={"cursor_ceiling": True})))
    assert figures.lag["p95"] < 70, figures
    # A reading of the tail, every five seconds, is two pages where it finds nothing new.
    assert figures.requests_per_minute["results"] <= 40, figures


@pytest.mark.parametrize(
    "retry_after", ["absent", *(pytest.param(form, marks=pytest.mark.long) for form in ("seconds", "date"))]
)
def test_one_call_a_minute_of_any_kind_loses_nothing(retry_after: str) -> None:
    tenant = {"call_spacing": 60.0, "retry_after": retry_after}
    figures = kept(simulate(Scenario(0.5, seconds=2 * 3600, warm_up=60, tenant=tenant)))
    assert refused_share(figures) < 0.10, figures
    assert figures.lag["p95"] < 300, figures


@pytest.mark.parametrize("retry_after", ["seconds", pytest.param("absent", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("spacing", "p95"),
    [
        pytest.param(1.0, 30, marks=pytest.mark.long),
        pytest.param(5.0, 60, marks=pytest.mark.long),
        (15.0, 120),
        pytest.param(30.0, 300, marks=pytest.mark.long),
    ],
)
def test_pages_that_may_only_be_asked_for_now_and_then_lose_nothing(
    spacing: float, p95: float, retry_after: str
) -> None:
    tenant = {"results_spacing": spacing, "retry_after": retry_after}
    figures = kept(simulate(Scenario(2, seconds=3600, tenant=tenant)))
    assert refused_share(figures) < 0.1, figures
    assert figures.lag["p95"] < p95, figures


@pytest.mark.long
@pytest.mark.parametrize("page_latency", [0.2, 1.5])
def test_pages_that_are_refused_for_no_reason_are_not_read_more_slowly(page_latency: float) -> None:
    scenario = Scenario(20, seconds=900, warm_up=60, page_latency=page_latency, faults={"api-429-absent": 0.3})
    figures = kept(simulate(scenario))
    assert figures.lag["p95"] < 20, figures


@pytest.mark.long
def test_five_hundred_events_a_second_converge() -> None:
    """More than the overlap can be read again within a minute: late events are looked for less often, no more.

    More keys are needed than are kept: a few events are delivered again (3 of 900 000 were seen).
    """
    scenario = Scenario(
        500, seconds=900, warm_up=300, page_latency=0.3, backlog=300_000, backlog_seconds=3000, latency=Latency(0, 0)
    )
    figures = simulate(scenario)
    assert (figures.lost, figures.altered, figures.queries_too_soon) == (0, 0, 0), figures
    assert figures.duplicates <= 100, figures
    assert figures.lag["p100"] < 180, figures


def test_late_events_cost_nothing_of_the_lag_of_others() -> None:
    figures = kept(simulate(Scenario(5, seconds=900, late_share=0.2, late_bound=250.0)))
    assert figures.lag["p50"] <= 8, figures
    assert figures.lag_since_arrival["p95"] <= 70, figures
