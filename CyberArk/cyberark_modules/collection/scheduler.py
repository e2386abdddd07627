"""Which query comes next: a pure function of the checkpoint and the moment.

The API accepts one query a minute, so a query is the scarce thing. It goes to the live edge when no healthy reader
follows it; else by turns to windows that nobody reads, and to the watermark again.
"""

from dataclasses import dataclass, replace

from ..checkpoint.value import MINUTE_MS, PAGE_SIZE, Checkpoint, Reader, Window, whole_second
from .reading import as_window, is_far_behind

WINDOW_READERS_AT_MOST = 4
# Of three queries, two go to windows while there are any.
WINDOWS_IN_ROW = 2
# Of seven, six go to windows while a page that fails has left some.
SMALL_IN_ROW = 6
# The live edge is read in smaller pages near what has failed: the next page that fails leaves less.
WARY_PAGE_SIZE = 50
# A window is split where another reader saves so much of the time that it takes (s).
WORTH_SPLITTING_S = 20.0
REREAD_MS = 24 * 60 * MINUTE_MS


@dataclass(frozen=True)
class Moment:
    """What the plan needs to know of this moment.

    `now_ms` is the earlier of the two clocks. `failing` are the numbers of the readers whose page has failed for long
    enough, `held_up` of the live ones that have come to no end for longer than an overlap. `in_doubt`: the live edge
    waits for a page that may yet fail. `probe_ms` is where it can be read if all live readers fail. `live_is_due` goes
    by the polling interval; `windows_in_row` counts the last queries. `is_slow`: calls have to be kept apart.
    """

    now_ms: int
    failing: frozenset[int] = frozenset()
    held_up: frozenset[int] = frozenset()
    in_doubt: bool = False
    probe_ms: int | None = None
    live_is_due: bool = True
    windows_in_row: int = 0
    is_slow: bool = False


def plan(checkpoint: Checkpoint, moment: Moment) -> tuple[Checkpoint, Window | None]:
    """Return the checkpoint to continue with, and the window to open a query for (None: there is none now)."""
    live = checkpoint.live
    if live and all(reader.number in moment.failing for reader in live):
        # Of the queries behind it that failed as well, nothing is left.
        return checkpoint.without_readers(*live[1:]), _live(checkpoint, moment)
    if moment.in_doubt:
        return checkpoint, None
    for reader in checkpoint.window_readers:
        # With so many events in small pages, what has failed is served again.
        if reader.window.page_size < PAGE_SIZE and reader.events > 2 * PAGE_SIZE and not reader.is_disordered:
            window = replace(reader.window, start_ms=reader.resume_ms, page_size=PAGE_SIZE)
            checkpoint = checkpoint.without_readers(reader).with_windows(window)
    for reader in live:
        is_reading = not reader.caught_up or reader.number in moment.held_up
        if is_reading and reader.number not in moment.failing and is_far_behind(checkpoint, reader, moment.now_ms):
            checkpoint = as_window(checkpoint, reader, moment.now_ms)
    if not checkpoint.live:
        return checkpoint, _live(checkpoint, moment)
    room = (1 if moment.is_slow else WINDOW_READERS_AT_MOST) - len(checkpoint.window_readers)
    is_searched = any(each.page_size < PAGE_SIZE and not each.failures for each in checkpoint.unread)
    in_row = SMALL_IN_ROW if is_searched else WINDOWS_IN_ROW
    is_windows_turn = not moment.live_is_due or moment.windows_in_row < in_row
    if room > 0 and is_windows_turn and (found := _window(checkpoint, moment)):
        return found
    is_wanted = moment.live_is_due and checkpoint.live[-1].caught_up
    return checkpoint, _live(checkpoint, moment) if is_wanted else None


def _live(checkpoint: Checkpoint, moment: Moment) -> Window:
    """Return the live edge, from the watermark on or behind what fails; in smaller pages where one failed nearby."""
    if moment.probe_ms is not None:
        return Window(moment.probe_ms, page_size=WARY_PAGE_SIZE)
    near_ms = moment.now_ms - 2 * MINUTE_MS
    has_failed = any(each.page_size < PAGE_SIZE and (each.end_ms or 0) > near_ms for each in checkpoint.unread)
    return Window(checkpoint.watermark_ms, page_size=WARY_PAGE_SIZE if has_failed else PAGE_SIZE)


def _window(checkpoint: Checkpoint, moment: Moment) -> tuple[Checkpoint, Window] | None:
    """Return a window that nobody reads, or the second half of the one that takes longest."""
    read = {reader.window.start_ms for reader in checkpoint.window_readers}
    free = [one for one in checkpoint.windows[:-1] if one.start_ms not in read and one.retry_at_ms <= moment.now_ms]
    if free:
        return checkpoint, min(free, key=_turn)
    remaining = {_remaining_s(reader, moment): reader for reader in checkpoint.window_readers}
    longest_s = max(remaining, default=0.0)
    if longest_s < 2 * WORTH_SPLITTING_S:
        return None
    reader = remaining[longest_s]
    split_ms = whole_second((reader.position_ms + (reader.window.end_ms or 0)) // 2)
    if split_ms <= reader.position_ms:  # many events within one second
        return None
    before, after = replace(reader.window, end_ms=split_ms), Window(split_ms, reader.window.end_ms)
    return checkpoint.with_windows(before, after).with_reader(replace(reader, window=before)), after


def _turn(window: Window) -> tuple[int, ...]:
    """Order the windows: unread, never failed, large pages first; then the oldest, or of single events the latest."""
    first_ms = -window.start_ms if window.page_size == 1 else window.start_ms
    return window.again, window.to_confirm, window.failures, -window.page_size, first_ms


def _remaining_s(reader: Reader, moment: Moment) -> float:
    """Return how long the rest of a window takes at the speed so far; 0 if that is not known."""
    window, read_ms = reader.window, reader.position_ms - reader.window.start_ms
    is_known = read_ms > 0 and not reader.is_disordered and reader.number not in moment.failing
    if not is_known or window.again or window.to_confirm or window.end_ms is None:
        return 0.0
    return (window.end_ms - reader.position_ms) / read_ms * max(0.0, (moment.now_ms - reader.opened_ms) / 1000)


def with_reread(checkpoint: Checkpoint, now_ms: int) -> Checkpoint:
    """Return the checkpoint with the last 24 hours to be read again, as far as the keys go back."""
    found = checkpoint.without_readers(*(reader for reader in checkpoint.window_readers if reader.window.again))
    found = replace(found, windows=tuple(window for window in found.windows if not window.again))
    start_ms = max(now_ms - REREAD_MS, whole_second(found.keys.complete_from_ms, up=True))
    parts = []
    for window in found.windows:
        if window.start_ms > start_ms:
            parts.append(Window(whole_second(start_ms), window.start_ms, again=True))
        start_ms = max(start_ms, window.end_ms or window.start_ms)
    return found.with_windows(*parts)
