"""What limits the calls, and what comes back in the place of an answer."""

from collections import Counter
from itertools import pairwise

from sandbox.check.profile.record import TAIL, Call, Finding, Record

_MINUTE_S = 59.0
_CALL_MINUTE_S = 55.0
_AT_ONCE_S = 0.5
_FEW_ANSWERS = 20
_ODD = {"error-body": "with an error in the body", "html": "with HTML", "cut": "truncated"}


def queries(record: Record) -> Finding:
    """How often a query is accepted."""
    row = "queries"
    calls = [call for call in record.calls if call.asked == "query"]
    if _is_call_a_minute(record):
        return Finding(row, None, reason="the limit on calls of any kind hides the limit on queries")
    opened_s: float | None = None
    early = late = 0
    closest_s = float("inf")
    for call in calls:
        since_s = float("inf") if opened_s is None else call.at_s - opened_s
        if call.outcome == "throttled":
            early, late = early + (since_s < _MINUTE_S), late + (since_s >= _MINUTE_S + 1)
        elif call.outcome != "refused":
            # Whatever came back, the tenant may have counted it.
            opened_s, closest_s = call.at_s, min(closest_s, since_s)
    figures: dict[str, float] = {"accepted": sum(call.outcome == "good" for call in calls), "refused": early + late}
    if late:
        figures["refused_after_a_minute"] = late
        return Finding(row, "one a minute, and another client of this tenant opens some", figures)
    if early:
        return Finding(row, "one a minute", figures)
    if closest_s < _MINUTE_S:
        return Finding(row, "no limit of one a minute was seen", {**figures, "closest_s": round(closest_s, 1)})
    return Finding(row, None, figures, "no query was requested within a minute of another one")


def pages(record: Record) -> Finding:
    """Whether pages may be asked for without pause."""
    row = "pages one after the other"
    if _is_call_a_minute(record):
        return Finding(row, "one call of any kind a minute")
    refused_s, accepted_s = _distances(record)
    good = [call for call in record.calls if call.asked == "page" and call.page is not None and not call.is_beside]
    gaps_s = [after.at_s - before.at_s for before, after in pairwise(good)]
    # A single page that was refused for another reason is no distance where others came sooner.
    if accepted_s and min(gaps_s, default=0.0) >= max(refused_s):
        return Finding(
            row,
            "only with an interval between them",
            {"refused_after_s": round(max(refused_s), 1), "accepted_after_s": round(max(accepted_s), 1)},
        )
    close = sum(after.at_s - before.end_s < _AT_ONCE_S for before, after in pairwise(good))
    if close >= 3:
        return Finding(row, "without pause", {"pages": close})
    return Finding(row, None, reason="too few pages were requested without pause")


def side_by_side(record: Record) -> Finding:
    """Whether several pages may be in flight."""
    row = "pages side by side"
    beside = [call for call in record.calls if call.is_beside]
    pairs = list(zip(beside[::2], beside[1::2], strict=False))
    overlapping = [pair for pair in pairs if max(call.at_s for call in pair) < min(call.end_s for call in pair)]
    figures = {"pairs": len(overlapping)}
    if any(call.outcome == "throttled" for pair in overlapping for call in pair):
        return Finding(row, "one page in flight at a time", figures)
    if any(all(call.page is not None for call in pair) for pair in overlapping):
        return Finding(row, "several pages in flight", figures)
    return Finding(row, None, reason="pages were not requested side by side: they are limited, or could not be read")


def retry_after(record: Record) -> Finding:
    """How a 429 says when to come again."""
    row = "Retry-After of a 429"
    served = _served(record)
    calls = [call for call in record.calls if call.asked == "query" or (call.query, call.position) in served]
    forms = Counter(call.retry_after for call in calls if call.retry_after)
    if not forms:
        return Finding(row, None, reason="no call was refused with 429")
    form, times = forms.most_common(1)[0]
    return Finding(row, {"seconds": "in seconds", "date": "a date"}.get(form, "absent"), {"times": times})


def answers(record: Record) -> Finding:
    """What an answer with status 200 holds."""
    row = "an answer with status 200 is"
    odd = Counter(_ODD[call.outcome] for call in record.calls if call.outcome in _ODD)
    good = sum(call.outcome == "good" for call in record.calls)
    figures: dict[str, float] = {"good": good, "odd": odd.total()}
    if not good and not odd:
        return Finding(row, None, reason="there was no such answer")
    if not odd:
        if good < _FEW_ANSWERS:
            return Finding(row, None, reason=f"fewer than {_FEW_ANSWERS} answers were seen")
        return Finding(row, "what was requested", figures)
    return Finding(row, "now and then " + ", ".join(reading for reading, _ in odd.most_common()), figures)


def failing_page(record: Record) -> Finding:
    """Whether a page cannot be had while others can."""
    row = "a single page"
    good = [call for call in record.calls if call.page is not None]
    for (query, _), calls in record.by_position():
        if any(call.page is not None or call.is_beside for call in calls):
            continue
        last = calls[-1]
        is_alone = any(other.query == query and other.at_s > last.at_s for other in good)
        if is_alone and (len(calls) >= 4 or last.outcome == "refused"):
            readings = {"throttled": "is throttled", "refused": "is refused"}
            reading = readings.get(last.outcome, "fails" if last.status else "is never answered")
            return Finding(row, reading, {"status": last.status or 0, "times": len(calls)})
    return (
        Finding(row, "is served, as far as pages were read", {"pages": len(good)})
        if good
        else Finding(row, None, reason="no page was read")
    )


def _is_call_a_minute(record: Record) -> bool:
    """Whether the first page after a query had to wait for a minute: a limit on pages alone would let it through."""
    query = record.queries.get(TAIL)
    calls = [call for call in record.calls if call.query == TAIL and call.asked == "page"]
    if query is None or query.opened_s is None or not calls or calls[0].outcome != "throttled":
        return False
    accepted_s = next((call.at_s for call in calls if call.page is not None), None)
    return accepted_s is not None and accepted_s - query.opened_s >= _CALL_MINUTE_S


def _served(record: Record) -> set[tuple[str, int]]:
    """The cursors by which a page was had at last."""
    return {cursor for cursor, calls in record.by_position() if any(call.page is not None for call in calls)}


def _distances(record: Record) -> tuple[list[float], list[float]]:
    """How long after the page before a page was refused, and accepted at last, each the largest of its page."""
    served = _served(record)
    refused_s, accepted_s = list[float](), list[float]()
    before_s: float | None = None
    refused: Call | None = None
    for call in record.calls:
        if call.asked != "page" or call.is_beside or (call.query, call.position) not in served:
            continue
        if call.outcome == "throttled":
            refused = call
            continue
        if call.page is not None and refused is not None and before_s is not None:
            refused_s.append(refused.at_s - before_s)
            accepted_s.append(call.at_s - before_s)
        # An answer without a page may have been counted too.
        before_s, refused = call.at_s, None
    return refused_s, accepted_s
