"""A window of time whose two ends tell what they are compared with."""

from collections import Counter

from sandbox.check.profile.record import Record

_SECOND_MS = 1000
_LONGEST_MS = 120_000


def choose_window(record: Record, now_ms: int) -> tuple[int, int]:
    """Return the two dates of a query, whole seconds in epoch ms.

    An event happened before the first date and arrived after it; others happened, and if possible arrived too, within
    the second of the last date. Where no such event is known, the window is of a kind that tells less.
    """
    events = [event for event in record.events().values() if event.time_ms is not None]
    if not events:
        return now_ms // _SECOND_MS * _SECOND_MS - _LONGEST_MS, now_ms // _SECOND_MS * _SECOND_MS
    times = sorted(event.time_ms for event in events if event.time_ms is not None)
    straddling = sorted(
        event.arrival_ms // _SECOND_MS
        for event in events
        if event.arrival_ms is not None
        and event.time_ms is not None
        and event.time_ms // _SECOND_MS < event.arrival_ms // _SECOND_MS
    )
    within = Counter(
        event.time_ms // _SECOND_MS
        for event in events
        if event.time_ms is not None
        and (event.arrival_ms is None or event.arrival_ms // _SECOND_MS == event.time_ms // _SECOND_MS)
    )
    begins = straddling or [times[0] // _SECOND_MS]
    # Best is an event that arrived in its own second: then it does not matter what dates are compared with.
    for seconds in (sorted(within), sorted({time // _SECOND_MS for time in times})):
        for begin in begins:
            end = next((second for second in seconds if begin < second <= begin + _LONGEST_MS // _SECOND_MS), None)
            if end is not None and times[-1] // _SECOND_MS > end:
                return begin * _SECOND_MS, end * _SECOND_MS
    return begins[0] * _SECOND_MS, begins[0] * _SECOND_MS + _LONGEST_MS
