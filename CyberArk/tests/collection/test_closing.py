"""What the end or the loss of a stream means for the coverage."""

from dataclasses import replace

import pytest

from collection.values import HOUR_MS, MINUTE_MS, NOW, OVERLAP_MS, checkpoint, read_to, stream
from cyberark_modules.checkpoint.coverage import Gap
from cyberark_modules.checkpoint.stream import Stream, Use
from cyberark_modules.checkpoint.value import Checkpoint
from cyberark_modules.collection.closing import as_read, closed
from cyberark_modules.collection.narrowing import narrowed

START_MS, END_MS = NOW - 10 * HOUR_MS, NOW - 8 * HOUR_MS
LOOKBACK = stream(Use.LOOKBACK, NOW - HOUR_MS, NOW)
BACKFILL = stream(Use.BACKFILL, START_MS, END_MS)
GAP = Gap(START_MS, END_MS)


def over(state: Checkpoint, reading: Stream, is_proven: bool = True) -> Checkpoint:
    return closed(state, reading, OVERLAP_MS, is_proven=is_proven)


def test_a_lookback_covers_up_to_an_overlap_before_its_opening() -> None:
    after = over(checkpoint(LOOKBACK, watermark_ms=NOW - HOUR_MS), LOOKBACK)
    assert after.coverage.watermark_ms == NOW - OVERLAP_MS
    assert after.streams == ()


def test_a_lookback_closes_no_gap() -> None:
    after = over(checkpoint(LOOKBACK, watermark_ms=NOW - HOUR_MS, gaps=(GAP,)), LOOKBACK)
    assert after.coverage.gaps == (GAP,)
    assert after.coverage.first_missing_ms == START_MS


def test_a_lookback_without_proof_covers_an_overlap_less_than_it_has_read() -> None:
    reading = read_to(LOOKBACK, NOW - 30 * MINUTE_MS)
    after = over(checkpoint(reading, watermark_ms=NOW - HOUR_MS), reading, is_proven=False)
    assert after.coverage.watermark_ms == NOW - 30 * MINUTE_MS - OVERLAP_MS
    nothing_read = over(checkpoint(LOOKBACK, watermark_ms=NOW - HOUR_MS), LOOKBACK, is_proven=False)
    assert nothing_read.coverage.watermark_ms == NOW - HOUR_MS


def test_a_stream_without_order_covers_nothing_without_proof() -> None:
    reading = replace(read_to(LOOKBACK, NOW), disorder_ms=OVERLAP_MS + 1)
    assert over(checkpoint(watermark_ms=NOW - HOUR_MS), reading, is_proven=False).coverage.watermark_ms == (
        NOW - HOUR_MS
    )
    assert over(checkpoint(watermark_ms=NOW - HOUR_MS), reading).coverage.watermark_ms == NOW - OVERLAP_MS


def test_a_backfill_closes_its_gap_and_nothing_else() -> None:
    other = Gap(NOW - 5 * HOUR_MS, NOW - 4 * HOUR_MS)
    after = over(checkpoint(BACKFILL, gaps=(GAP, other)), BACKFILL)
    assert after.coverage.gaps == (other,)
    assert after.coverage.watermark_ms == NOW - OVERLAP_MS


def test_a_backfill_covers_nothing_after_an_overlap_before_its_opening() -> None:
    reading = replace(BACKFILL, opened_ms=END_MS + MINUTE_MS)
    after = over(checkpoint(reading, gaps=(GAP,)), reading)
    assert after.coverage.gaps == (Gap(END_MS + MINUTE_MS - OVERLAP_MS, END_MS),)


def test_a_lost_backfill_leaves_the_rest_of_its_gap() -> None:
    reading = read_to(BACKFILL, NOW - 9 * HOUR_MS)
    after = over(checkpoint(reading, gaps=(GAP,)), reading, is_proven=False)
    assert after.coverage.gaps == (Gap(NOW - 9 * HOUR_MS - OVERLAP_MS, END_MS),)


@pytest.mark.parametrize("use", [Use.TAIL, Use.RECONCILIATION])
def test_a_tail_and_a_reconciliation_cover_nothing(use: Use) -> None:
    reading = read_to(stream(use, START_MS, END_MS), NOW)
    before = checkpoint(reading, watermark_ms=NOW - HOUR_MS, gaps=(GAP,))
    assert over(before, reading).coverage == before.coverage
    if use is Use.TAIL:
        assert narrowed(before, reading, NOW, OVERLAP_MS) == replace(before, streams=())


def test_how_far_collection_stands_is_what_a_loss_of_all_streams_would_leave() -> None:
    lookback, backfill = read_to(LOOKBACK, NOW - 30 * MINUTE_MS), read_to(BACKFILL, NOW - 9 * HOUR_MS)
    lookback = replace(lookback, opened_ms=NOW + 1)
    coverage = as_read(checkpoint(lookback, backfill, watermark_ms=NOW - HOUR_MS, gaps=(GAP,)), OVERLAP_MS)
    assert coverage.watermark_ms == NOW - 30 * MINUTE_MS - OVERLAP_MS
    assert coverage.gaps == (Gap(NOW - 9 * HOUR_MS - OVERLAP_MS, END_MS),)


def test_a_lost_reconciliation_is_read_on_as_a_gap() -> None:
    """A cursor that is refused after a while would otherwise never let it come to its end."""
    reading = replace(read_to(stream(Use.RECONCILIATION, START_MS, END_MS), START_MS + HOUR_MS), opened_ms=NOW)
    before = checkpoint(reading, watermark_ms=END_MS)
    after = over(before, reading, is_proven=False)
    assert after.coverage.gaps == (Gap(START_MS + HOUR_MS - OVERLAP_MS, END_MS),)
    assert after.reconciled_ms == NOW
    assert as_read(before, OVERLAP_MS).gaps == ()
