"""`./dev check --profile` names the reading that a tenant follows, each alone and some together, and no other one."""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
from profile_scene import Profile, profile

from sandbox.check.profile.events import EITHER_ORDER
from sandbox.readings import READINGS, Readings

ORDER, FROM, TO, SHOWN = (
    "order of a query's pages",
    "dateFrom is compared with",
    "the second of dateTo",
    "an event is shown",
)
END, MIDDLE, LATER, OLD = (
    "a drained cursor answers",
    "pages in the middle of a query",
    "a cursor without dateTo",
    "an old cursor",
)
QUERIES, PAGES, BESIDE, RETRY = (
    "queries",
    "pages one after the other",
    "pages side by side",
    "Retry-After of a 429",
)
ANSWER, PAGE, IDENTITY, EVENTS = (
    "an answer with status 200 is",
    "a single page",
    "identity of an event",
    "events are",
)
SIZE, WEEK = "a pageSize of 1000", "a dateFrom older than seven days"

_REFUSED = (OLD, "is refused")
_RIVAL = (QUERIES, "one a minute, and another client of this tenant opens some")

EXPECTED = {
    "order-event-time": (ORDER, "by event time"),
    "order-arrival": (ORDER, "by arrival"),
    "order-roughly": (ORDER, "roughly by event time"),
    "order-minute": (ORDER, "roughly by event time"),
    "order-none": (ORDER, "none"),
    "from-event": (FROM, "event time"),
    "from-arrival": (FROM, "arrival time"),
    "shown-at-once": (SHOWN, "within seconds"),
    "shown-5s": (SHOWN, "always about the same time after it happened"),
    "shown-60s": (SHOWN, "a varying time after it happened"),
    "shown-12min": (SHOWN, "in batches"),
    "shown-hours": (SHOWN, "late, for one source among others"),
    "to-in": (TO, "is included"),
    "to-out": (TO, "is excluded"),
    "to-ignored": (TO, "is ignored"),
    "end-empty": (END, "an empty page with a new cursor"),
    "end-same-cursor": (END, "an empty page with the same cursor"),
    "end-null-cursor": (END, "an empty page with a null cursor"),
    "end-no-paging": (END, "an empty page without a cursor"),
    "end-null-data": (END, "null in place of the events"),
    "end-204": (END, "204"),
    "end-last-page": (END, "the last page again"),
    "end-last-second": (END, "the events of the last second again"),
    "middle-full": (MIDDLE, "full pages"),
    "middle-empty": (MIDDLE, "an empty page now and then"),
    "middle-sparse": (MIDDLE, "several empty pages in a row"),
    "middle-short": (MIDDLE, "pages shorter than requested"),
    "cursor-live": (LATER, "shows what arrives later"),
    "cursor-ceiling": (LATER, "shows nothing that arrived after it was made"),
    **{f"cursor-{status}": _REFUSED for status in (400, 404, 410, 422)},
    "limit-query": (QUERIES, "one a minute"),
    "limit-pages-2s": (PAGES, "only with an interval between them"),
    "limit-pages-15s": (PAGES, "only with an interval between them"),
    "limit-call-minute": (PAGES, "one call of any kind a minute"),
    "limit-one-page": (BESIDE, "one page in flight at a time"),
    # Who comes first, and how insistently, is not seen from outside.
    **dict.fromkeys(("limit-rival", "limit-rival-first", "limit-rival-regular"), _RIVAL),
    "retry-seconds": (RETRY, "in seconds"),
    "retry-date": (RETRY, "a date"),
    "retry-absent": (RETRY, "absent"),
    "answer-good": (ANSWER, "what was requested"),
    "answer-error": (ANSWER, "now and then with an error in the body"),
    "answer-html": (ANSWER, "now and then with HTML"),
    "answer-cut": (ANSWER, "now and then truncated"),
    "page-served": (PAGE, "is served, as far as pages were read"),
    # Whether for an hour or for ever is not seen in ten minutes.
    **dict.fromkeys(("page-500-hour", "page-500-ever"), (PAGE, "fails")),
    "page-403": (PAGE, "is refused"),
    "page-429": (PAGE, "is throttled"),
    "page-reset": (PAGE, "is never answered"),
    "identity-uuid": (IDENTITY, "a uuid"),
    "identity-none": (IDENTITY, "none: events have no uuid"),
    "identity-twins": (IDENTITY, "two contents under one uuid in one page"),
    "identity-repeated": (IDENTITY, "a uuid, and an event can appear twice in its page"),
    "query-any": (WEEK, "is accepted"),
    "query-week": (WEEK, "is refused"),
    "query-500": (SIZE, "is refused"),
    "events-good": (EVENTS, "as documented"),
    "events-malformed": (EVENTS, "not always well-formed"),
    "events-lines": (EVENTS, "some of them of more than one line"),
}
# What some readings bring along from another row.
ALSO = {
    "limit-pages-15s": EXPECTED["retry-absent"],
    "intake-bytes": EXPECTED["events-malformed"],
}
_NOTHING_IS_SENT = "the profile sends nothing to the intake"
NOT_SEEN_FROM_OUTSIDE = {
    "end-never": "at 20 events a second, a call soon after another one finds the end: what that answers is named",
    **{name: _NOTHING_IS_SENT for name, reading in READINGS.items() if reading.row == "intake"},
}
TOGETHER = [
    (
        *("order-arrival", "from-arrival", "to-out", "end-last-page", "cursor-404", "middle-short"),
        "identity-repeated",
    ),
    (
        *("order-none", "shown-hours", "to-ignored", "end-204", "limit-one-page", "identity-twins"),
        *("retry-date", "query-500"),
    ),
    (
        *("order-minute", "shown-60s", "cursor-ceiling", "limit-pages-2s", "answer-error", "identity-none"),
        *("query-week", "retry-absent"),
    ),
    (
        *("order-minute", "from-arrival", "shown-12min", "limit-rival", "end-null-cursor", "middle-empty"),
        "events-malformed",
    ),
    ("shown-5s", "end-no-paging", "answer-cut", "page-403"),
    ("shown-at-once", "end-null-data", "page-429"),
    ("end-last-second", "page-reset"),
    ("middle-sparse", "cursor-400", "answer-html", "events-lines"),
]
# By default, a reading that is seen in company is not played alone too.
_IN_COMPANY = {name for names in TOGETHER for name in names}


# Several readings have one name from outside; by default, the first of them is played.
_SAME = EXPECTED.keys() - {reading: name for name, reading in reversed(EXPECTED.items())}.values()
# A profile sends nothing to the intake; by default, one such reading is played, which brings along events of its own.
_BESIDE = {name for name in NOT_SEEN_FROM_OUTSIDE if name.startswith("intake") and name not in ALSO}


@cache
def usual() -> Profile:
    """The profile of a tenant as it is where nothing is said."""
    return profile()


def assert_says_nothing_else(seen: Profile, *names: str) -> None:
    """A row holds what its reading is, what it is usually, or nothing."""
    expected = dict(readings[name] for readings in (ALSO, EXPECTED) for name in names if name in readings)
    for row, finding in seen.findings.items():
        allowed = {None, expected.get(row, usual().reading(row))} | ({EITHER_ORDER} if row == ORDER else set())
        assert finding.reading in allowed, (row, finding)
        assert bool(finding.reason) == (finding.reading is None), finding


# What is said of everything that was seen is true, though more was to be seen.
NO_CLAIM = {
    (OLD, "is accepted as long as the profile lasts"),
    (PAGE, "is served, as far as pages were read"),
    (IDENTITY, "a uuid"),
    (SHOWN, "a varying time after it happened"),
    (ORDER, EITHER_ORDER),
    (ORDER, "roughly by event time, or by arrival"),
}


def test_every_reading_is_expected_or_cannot_be_seen_from_outside() -> None:
    assert EXPECTED.keys() | NOT_SEEN_FROM_OUTSIDE.keys() == READINGS.keys()
    assert not EXPECTED.keys() & NOT_SEEN_FROM_OUTSIDE.keys()


def long_if(names: Iterable[str], long: set[str]) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.long] if name in long else []) for name in names]


@pytest.mark.parametrize("name", long_if(EXPECTED, _SAME | _IN_COMPANY))
def test_the_profile_names_the_reading_of_the_tenant_and_no_other(name: str) -> None:
    # A reading that changes no setting is that of the usual tenant.
    seen = profile(name) if Readings([name]).unusual or READINGS[name].delays else usual()
    row, reading = EXPECTED[name]
    assert seen.reading(row) == reading
    assert_says_nothing_else(seen, name)


@pytest.mark.parametrize("name", long_if(NOT_SEEN_FROM_OUTSIDE, _BESIDE))
def test_what_is_not_seen_from_outside_leads_to_no_false_reading(name: str) -> None:
    assert_says_nothing_else(profile(name, seconds=200.0), name)


@pytest.mark.parametrize("names", TOGETHER, ids=lambda names: names[0])
def test_the_profile_names_readings_that_come_together(names: tuple[str, ...]) -> None:
    seen = profile(*names)
    for name in names:
        row, reading = EXPECTED[name]
        assert seen.reading(row) == reading, name
    assert_says_nothing_else(seen, *names)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 60))])
def test_one_reading_of_each_row_together_lead_to_no_false_one(seed: int) -> None:
    names = Readings.drawn(random.Random(seed)).names
    expected = dict(EXPECTED[name] for name in names if name in EXPECTED)
    if "intake-bytes" in names:
        expected |= dict([ALSO["intake-bytes"]])
    for row, finding in profile(*names).findings.items():
        if finding.reading is not None and (row, finding.reading) not in NO_CLAIM and row in expected:
            assert finding.reading == expected[row], (row, finding, names)
