"""What the events that were seen say: their order, what the dates of a query are compared with, how late they come."""

from collections.abc import Iterable
from itertools import pairwise
from statistics import median, quantiles

from sandbox.check.profile.cursors import middle
from sandbox.check.profile.record import ARRIVALS, TAIL, WINDOW, Finding, Record, Seen

_FEWEST, _FEW = 20, 3
_CLOSE_MS, _HOUR_MS = 1000, 3_600_000
_SECOND_MS = 1000
_AHEAD_MS = 60_000
_SOON_S, _LONG_S, _BATCH_S, _POLL_S, _READ_S = 2.0, 600.0, 60.0, 5.0, 60.0

BY_EVENT_TIME, BY_ARRIVAL = "by event time", "by arrival"
EITHER_ORDER = "by event time or by arrival: these events do not distinguish them"


def order(record: Record) -> Finding:
    """In which order the pages of a query come."""
    row = "order of a query's pages"
    found = next((events for name in (ARRIVALS, TAIL) if len(events := _in_order(record, name)) >= _FEWEST), [])
    if not found:
        return Finding(row, None, reason=f"fewer than {_FEWEST} events were seen")
    times = [event.time_ms or 0 for event in found]
    worst_ms, misplaced, span_ms = _worst(times), _misplaced(times), max(times) - min(times)
    figures = {"events": len(found), "wrong_by_at_most_s": worst_ms / 1000}
    arrivals = [event.arrival_ms for event in found if event.arrival_ms is not None]
    is_arrival_known = len(arrivals) == len(found)
    close = sum(after - before <= _CLOSE_MS for before, after in pairwise(times))
    if not worst_ms and close < _FEWEST:
        return Finding(row, None, figures, "too few events share a second to decide")
    if not worst_ms:
        is_told = is_arrival_known and _worst(arrivals) > 0
        return Finding(row, BY_EVENT_TIME if is_told else EITHER_ORDER, figures)
    pairs = zip(pairwise(times), pairwise(arrivals), strict=False)
    # Events that arrived together say nothing about an order by arrival.
    telling = sum(earlier > later and arrived < next_arrived for (earlier, later), (arrived, next_arrived) in pairs)
    if is_arrival_known and not _worst(arrivals) and telling >= _FEW:
        return Finding(row, BY_ARRIVAL, figures)
    is_arrival_known = is_arrival_known and _worst(arrivals) > 0
    if worst_ms > span_ms / 2 and misplaced > len(found) / 2 and span_ms >= _HOUR_MS:
        return Finding(row, "none", figures)
    if worst_ms > span_ms / 4:
        return Finding(row, None, figures, "there are too few events, or they span too short a time, to decide")
    return Finding(
        row, "roughly by event time" if is_arrival_known else "roughly by event time, or by arrival", figures
    )


def date_from(record: Record) -> Finding:
    """What `dateFrom` is compared with."""
    row, query = "dateFrom is compared with", record.queries.get(WINDOW)
    if query is None or query.opened_s is None:
        return Finding(row, None, reason="no query with such a window was opened")
    shown = record.events(WINDOW)
    early = [event for event in shown.values() if event.time_ms is not None and event.time_ms < query.since_ms]
    if early:
        return Finding(row, "arrival time", {"events_that_tell": len(early)})
    telling = [
        event
        for event in record.events(TAIL, ARRIVALS).values()
        if event.time_ms is not None
        and event.arrival_ms is not None
        and event.time_ms < query.since_ms <= event.arrival_ms
    ]
    if not telling:
        return Finding(row, None, reason="no event is known that happened before a date and arrived after it")
    if not query.is_read_to_end and order(record).reading != BY_EVENT_TIME:
        return Finding(row, None, reason="the query could not be read to its end")
    return Finding(row, "event time", {"events_that_tell": len(telling)})


def date_to(record: Record) -> Finding:
    """What becomes of the events in the second of `dateTo`."""
    row, query = "the second of dateTo", record.queries.get(WINDOW)
    if query is None or query.opened_s is None or query.until_ms is None:
        return Finding(row, None, reason="no query with such a window was opened")
    is_by_arrival = date_from(record).reading == "arrival time"
    last_s = query.until_ms // _SECOND_MS
    known = record.events(ARRIVALS) | record.events(TAIL) if not is_by_arrival else record.events(ARRIVALS)
    shown = [known.get(key, event) for key, event in record.events(WINDOW).items()]
    seconds = _seconds(shown, is_by_arrival)
    # Whatever happened after it arrived after it.
    after = sum((event.time_ms or 0) // _SECOND_MS > last_s for event in shown)
    if after := max(after, sum(second > last_s for second in seconds)):
        return Finding(row, "is ignored", {"events_after_it": after})
    if not query.is_read_to_end:
        return Finding(row, None, reason="the query could not be read to its end")
    if last_s in seconds:
        return Finding(row, "is included", {"events_in_it": seconds.count(last_s)})
    missing = _seconds(known.values(), is_by_arrival).count(last_s)
    if not missing:
        return Finding(row, None, reason="no event of such a second is known")
    return Finding(row, "is excluded", {"events_in_it": missing})


def lateness(record: Record) -> Finding:
    """How long after it happened an event is shown."""
    row = "an event is shown"
    events = [event for event in record.events(ARRIVALS).values() if event.arrival_ms and event.time_ms]
    if len(events) < _FEWEST:
        return _watched_lateness(row, record)
    by_source: dict[bytes, list[float]] = {}
    for event in events:
        by_source.setdefault(event.source, []).append(_late_s(event))
    slowest = max(by_source, key=lambda source: median(by_source[source]))
    others = [late for source, all_late in by_source.items() if source != slowest for late in all_late]
    late_s = median(by_source[slowest])
    if len(others) >= _FEWEST and late_s > max(_LONG_S, 10 * _share(others, 95)):
        figures = {"that_source_s": round(late_s, 1), "others_s": round(_share(others, 95), 1)}
        return Finding(row, "late, for one source among others", figures)
    batches = sorted({event.arrival_ms // _SECOND_MS for event in events if event.arrival_ms})
    gaps = [after - before for before, after in pairwise(batches)]
    if gaps and median(gaps) >= _BATCH_S and len(events) >= 5 * len(batches):
        return Finding(row, "in batches", {"every_s": median(gaps)})
    return _described(row, [_late_s(event) for event in events], resolution_s=0.0)


def _watched_lateness(row: str, record: Record) -> Finding:
    """Without the arrival of each event: from the moments at which the cursor of the first query showed it."""
    if "empty_in_a_row" in middle(record).figures:
        return Finding(row, None, reason="pages in the middle are empty, so an empty page is no sign of the end")
    moments_s = [call.at_s for call, _ in record.pages(TAIL)]
    if len(moments_s) > 1 and median(after - before for before, after in pairwise(moments_s)) > _POLL_S + 1:
        return Finding(row, None, reason="pages had to be requested with pauses")
    late, spans_s = list[float](), list[float]()
    seen: set[bytes] = set()
    is_at_end, before_s = False, 0.0
    for call, page in record.pages(TAIL):
        times = [event.time_ms for event in page.events if event.key not in seen and event.time_ms is not None]
        # At first, what comes after an empty page may be old: the API filters what it has scanned.
        if is_at_end and times and call.at_s > _READ_S:
            # It arrived between two calls; those in a row count as one.
            at_ms = record.at_ms((call.at_s + max(before_s, call.at_s - _POLL_S)) / 2)
            late += [(at_ms - time) / 1000 for time in times]
            spans_s.append((max(times) - min(times)) / 1000)
        is_at_end, before_s = is_at_end or not times, call.at_s
        seen.update(event.key for event in page.events)
    if len(late) < 5:
        why = (
            "does not serve arrival_timestamp"
            if record.pages(ARRIVALS)
            else "was not requested with arrival_timestamp"
        )
        reason = f"the tenant {why}, and fewer than five events came in while the profile watched"
        return Finding(row, None, reason=reason)
    if median(spans_s) >= _BATCH_S:
        return Finding(row, "in batches", {"seen": len(spans_s)})
    return _described(row, late, resolution_s=_POLL_S)


def _described(row: str, late: list[float], resolution_s: float) -> Finding:
    least, middle, most = _share(late, 5), median(late), _share(late, 95)
    figures = {"events": len(late), "least_s": least, "median_s": middle, "most_s": most, "latest_s": max(late)}
    figures = {name: round(value, 1) for name, value in figures.items()}
    if most <= _SOON_S + resolution_s:
        return Finding(row, "within seconds", figures)
    if most - least <= max(2.0, middle / 5) + resolution_s:
        return Finding(row, "always about the same time after it happened", figures)
    return Finding(row, "a varying time after it happened", figures)


def _in_order(record: Record, query: str) -> list[Seen]:
    """The events of a query as it shows them, each once, without those that are dated ahead."""
    found: dict[bytes, Seen] = {}
    for call, page in record.first_reading(query):
        latest_ms = record.at_ms(call.end_s) + _AHEAD_MS
        if any(event.key in found for event in page.events):
            continue  # the end, where it shows again what was shown before
        for event in page.events:
            if event.time_ms is not None and event.time_ms <= latest_ms:
                found.setdefault(event.key, event)
    return list(found.values())


def _worst(times: Iterable[int]) -> int:
    """How far before the largest one so far a time stands."""
    worst, largest = 0, -(1 << 62)
    for time in times:
        worst, largest = max(worst, largest - time), max(largest, time)
    return worst


def _misplaced(times: Iterable[int]) -> int:
    count, largest = 0, -(1 << 62)
    for time in times:
        count, largest = count + (time < largest), max(largest, time)
    return count


def _seconds(events: Iterable[Seen], is_by_arrival: bool) -> list[int]:
    moments = (event.arrival_ms if is_by_arrival else event.time_ms for event in events)
    return [moment // _SECOND_MS for moment in moments if moment is not None]


def _late_s(event: Seen) -> float:
    return ((event.arrival_ms or 0) - (event.time_ms or 0)) / 1000


def _share(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
