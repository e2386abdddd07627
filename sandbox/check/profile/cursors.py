"""What a cursor shows: the end of a query, its middle, what comes in later, and how long it is accepted."""

from collections import Counter
from itertools import pairwise
from statistics import median

from sandbox.check.profile.record import ARRIVALS, LATER, SIZES, TAIL, WEEK, Call, Finding, Page, Record, Seen

_OLD_MS = 120_000
_SECOND_MS = 1000
_TOLERANCE_MS = 2000
_AGE_S = 30.0
_CLOSE_S = 1.0
_FEW, _MANY = 10, 20
_HOLE = "an empty page with a new cursor"


def ending(record: Record) -> Finding:
    """What a drained cursor answers."""
    row = "a drained cursor answers"
    pages = _onward(record.pages(TAIL))
    ends = _ends(record, pages)
    if ends:
        # An empty page may also stand in the middle, where the API filters what it has scanned: others are surer.
        others = [end for end in ends if end != _HOLE]
        shape, times = Counter(others if len(others) > 1 else ends).most_common(1)[0]
        is_sure = shape != _HOLE or times >= (3 if middle(record).reading == "full pages" else _MANY)
        if is_sure:
            return Finding(row, shape, {"times": times, "of": len(ends)})
        return Finding(row, None, reason="the end of a query was not seen often enough")
    if not pages:
        return Finding(row, None, reason="no page was read")
    gaps = [after.at_s - before.at_s for (before, _), (after, _) in pairwise(pages)]
    if gaps and median(gaps) > _CLOSE_S:
        return Finding(row, None, reason="pages had to be requested with pauses, and each brought new events")
    if len(pages) >= 10:
        return Finding(row, "always new events: this tenant is busy", {"pages": len(pages)})
    return Finding(row, None, reason="the end of a query was not reached")


def middle(record: Record) -> Finding:
    """Whether pages before the end are full."""
    row = "pages in the middle of a query"
    pages = record.first_reading(ARRIVALS) or record.first_reading(TAIL)
    query = record.queries.get(ARRIVALS if record.pages(ARRIVALS) else TAIL)
    runs, run, sizes = [0], 0, list[int]()
    seen: dict[bytes, Seen] = {}
    for place, (call, page) in enumerate(pages):
        rest = pages[place + 1 :]
        fresh = {event.key: event for event in page.events if event.key not in seen}
        if not page.events and _is_followed_by_old(record, call, rest, seen):
            run += 1
            runs.append(run)
        elif fresh:
            run = 0
            if _is_followed_by_old(record, call, rest, seen | fresh):
                sizes.append(len(page.events))
        seen |= fresh
    if not sizes or query is None:
        return Finding(row, None, reason="too few pages of the past were read" if pages else "no page was read")
    figures: dict[str, float] = {"pages": len(sizes), "largest": max(sizes), "empty": sum(map(bool, runs))}
    if longest := max(runs):
        figures["empty_in_a_row"] = longest
        if longest == 1 and len(sizes) < _FEW:
            return Finding(row, None, figures, "too few pages of the past were read")
        return Finding(row, "an empty page now and then" if longest == 1 else "several empty pages in a row", figures)
    if max(sizes) >= query.size:
        return Finding(row, "full pages", figures)
    return Finding(row, "pages shorter than requested", figures)


def page_size(record: Record) -> Finding:
    """What becomes of a pageSize of 1000."""
    row = "a pageSize of 1000"
    if any(call.query == SIZES and call.outcome == "refused" for call in record.calls):
        return Finding(row, "is refused")
    largest = max((len(page.events) for _, page in record.pages(SIZES)), default=0)
    if largest >= 1000:
        return Finding(row, "is accepted", {"largest": largest})
    if not record.pages(SIZES):
        return Finding(row, None, reason="no such query was opened")
    if "empty_in_a_row" in middle(record).figures:
        return Finding(row, None, reason="pages are short for another reason: some are empty")
    if sum(bool(page.events) for _, page in record.first_reading(SIZES)) > 1:
        return Finding(row, "is capped", {"largest": largest})
    return Finding(row, None, reason="there are fewer than 1000 events")


def old_date(record: Record) -> Finding:
    """What becomes of a dateFrom older than seven days."""
    row = "a dateFrom older than seven days"
    calls = [call for call in record.calls if call.query == WEEK and call.asked == "query"]
    if any(call.outcome == "refused" for call in calls):
        return Finding(row, "is refused")
    if any(call.outcome == "good" for call in calls):
        return Finding(row, "is accepted")
    return Finding(row, None, reason="no such query was opened")


def later_events(record: Record) -> Finding:
    """Whether a drained cursor goes on to show events."""
    row, query = "a cursor without dateTo", record.queries.get(TAIL)
    if query is None or query.opened_s is None:
        return Finding(row, None, reason="no query was opened")
    after_ms = record.at_ms(query.opened_s) + _TOLERANCE_MS
    shown = {
        event.key
        for call, page in record.pages(TAIL)
        for event in page.events
        # Not what is dated ahead.
        if after_ms < (event.time_ms or 0) <= record.at_ms(call.end_s) + _TOLERANCE_MS
    }
    if shown:
        return Finding(row, "shows what arrives later", {"events": len(shown)})
    if not ends_reached(record):
        return Finding(row, None, reason="the end of the query was not reached")
    last_poll_s = max((call.at_s for call, _ in record.pages(TAIL)), default=0.0)
    missed = {
        event.key
        for call, page in record.pages(LATER)
        for event in page.events
        if call.end_s < last_poll_s and (event.time_ms or 0) > after_ms
    }
    if missed:
        return Finding(row, "shows nothing that arrived after it was made", {"events_missed": len(missed)})
    return Finding(row, None, reason="no event came in while the profile watched")


def old_cursor(record: Record) -> Finding:
    """Whether a cursor is accepted as long as the profile lasts."""
    row, query = "an old cursor", record.queries.get(TAIL)
    if query is None or query.opened_s is None:
        return Finding(row, None, reason="no query was opened")
    opened_s = query.opened_s
    calls = [call for call in record.calls if call.query == TAIL and call.asked == "page"]
    good_s = max((call.at_s - opened_s for call in calls if call.page is not None), default=0.0)
    refused = [call for call in calls if call.outcome == "refused" and call.at_s - opened_s > max(good_s, _AGE_S)]
    if refused:
        figures = {"accepted_after_s": round(good_s), "refused_after_s": round(refused[0].at_s - opened_s)}
        return Finding(row, "is refused", {**figures, "status": refused[0].status or 0})
    if good_s >= _AGE_S:
        return Finding(row, "is accepted as long as the profile lasts", {"accepted_after_s": round(good_s)})
    return Finding(row, None, reason="no cursor was older than half a minute")


def ends_reached(record: Record) -> bool:
    """Whether the first query was read to its end, and the last page of it brought nothing new."""
    pages = _onward(record.pages(TAIL))
    before = {event.key for _, page in pages[:-1] for event in page.events}
    return ending(record).reading is not None and all(event.key in before for event in pages[-1][1].events)


def _ends(record: Record, pages: list[tuple[Call, Page]]) -> list[str]:
    """What each page without a new event looked like, unless old events came after it."""
    ends, seen, contents = list[str](), dict[bytes, Seen](), set[bytes]()
    for place, (call, page) in enumerate(pages):
        is_new = any(event.content not in contents for event in page.events)
        if not is_new and not _is_followed_by_old(record, call, pages[place + 1 :], seen):
            ends.append(_shape(page, len({(event.time_ms or 0) // _SECOND_MS for event in seen.values()})))
        contents.update(event.content for event in page.events)
        seen.update((event.key, event) for event in page.events)
    return ends


def _onward(pages: list[tuple[Call, Page]]) -> list[tuple[Call, Page]]:
    """Without those that were asked for by an earlier cursor once more."""
    found: list[tuple[Call, Page]] = []
    for call, page in pages:
        if not found or call.position >= found[-1][0].position:
            found.append((call, page))
    return found


def _is_followed_by_old(record: Record, call: Call, later: list[tuple[Call, Page]], seen: dict[bytes, Seen]) -> bool:
    """Whether what that query shows next was there already when it showed nothing."""
    at_ms = record.at_ms(call.at_s)
    for _, page in later:
        fresh = [event for event in page.events if event.key not in seen]
        if fresh:
            old = sum(
                (
                    (event.time_ms or at_ms) < at_ms - _OLD_MS
                    if event.arrival_ms is None
                    else event.arrival_ms < at_ms - _TOLERANCE_MS
                )
                for event in fresh
            )
            return old > len(fresh) / 2
    return False


def _shape(page: Page, seconds_seen: int) -> str:
    if page.is_204:
        return "204"
    if page.events:
        seconds = {(event.time_ms or 0) // _SECOND_MS for event in page.events}
        is_second = len(seconds) == 1 and seconds_seen > 1
        return "the events of the last second again" if is_second else "the last page again"
    if page.is_data_null:
        return "null in place of the events"
    cursors = {"new": "with a new cursor", "same": "with the same cursor", "null": "with a null cursor"}
    return f"an empty page {cursors.get(page.cursor, 'without a cursor')}"
