"""From what was asked and answered to one finding in each row."""

from collections import Counter

from sandbox.check.profile.cursors import ending, later_events, middle, old_cursor, old_date, page_size
from sandbox.check.profile.events import date_from, date_to, lateness, order
from sandbox.check.profile.limits import answers, failing_page, pages, queries, retry_after, side_by_side
from sandbox.check.profile.record import Finding, Record

_CLOCKS_AGREE_S = 5.0
_FEW_EVENTS = 100


def find(record: Record) -> list[Finding]:
    """Every row of the table, in its order."""
    rows = (
        *(order, date_from, date_to, lateness, ending, later_events, old_cursor, middle, page_size, old_date),
        *(queries, pages, side_by_side, retry_after, answers, failing_page, identity, content, clocks),
    )
    return [row(record) for row in rows]


def identity(record: Record) -> Finding:
    """What tells one event from another."""
    row = "identity of an event"
    every = [event for _, page in record.pages() for event in page.events]
    if not every:
        return Finding(row, None, reason="no event was seen")
    figures: dict[str, float] = {"events": len(record.events())}
    if sum(not event.has_uuid for event in every) > len(every) / 2:
        return Finding(row, "none: events have no uuid", figures)
    twins = repeated = 0
    for _, page in record.pages():
        contents = {(event.key, event.content) for event in page.events}
        repeated += len(page.events) - len(contents)
        twins += sum(count > 1 for count in Counter(key for key, _ in contents).values())
    if twins:
        return Finding(row, "two contents under one uuid in one page", {**figures, "times": twins})
    if repeated:
        return Finding(row, "a uuid, and an event can appear twice in its page", {**figures, "times": repeated})
    return Finding(row, "a uuid", figures)


def content(record: Record) -> Finding:
    """Whether events are what the documentation says."""
    row = "events are"
    every = record.events().values()
    odd = sum(not event.is_documented for event in every)
    breaks = sum(event.has_breaks for event in every)
    loose = sum(not page.is_strict_json for _, page in record.pages())
    figures: dict[str, float] = {"events": len(every), "odd": odd, "of_more_lines": breaks, "odd_pages": loose}
    if odd or (loose and not breaks):
        return Finding(row, "not always well-formed", figures)
    if breaks:
        return Finding(row, "some of them of more than one line", figures)
    if len(every) < _FEW_EVENTS:
        return Finding(row, None, reason=f"fewer than {_FEW_EVENTS} events were seen")
    return Finding(row, "as documented", figures)


def clocks(record: Record) -> Finding:
    """How this machine's clock compares with the tenant's."""
    row = "this machine's clock"
    if record.clock_skew_s is None:
        return Finding(row, None, reason="no answer had a date")
    figures = {"ahead_s": round(record.clock_skew_s)}
    if abs(record.clock_skew_s) <= _CLOCKS_AGREE_S:
        return Finding(row, "agrees with the tenant's within seconds", figures)
    return Finding(row, "differs from the tenant's", figures)
