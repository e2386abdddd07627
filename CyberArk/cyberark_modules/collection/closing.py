"""What the end of a stream means for the coverage: pure functions from value to value."""

from dataclasses import replace

from ..checkpoint.coverage import Coverage, Gap
from ..checkpoint.stream import Stream, Use
from ..checkpoint.value import Checkpoint


def closed(checkpoint: Checkpoint, stream: Stream, overlap_ms: int, *, is_proven: bool) -> Checkpoint:
    """Return the checkpoint without that stream, with what it has read covered.

    A stream covers nothing after its opening minus the overlap: events of that time can still arrive. A stream that
    ended without proof (its cursor expired, for example) covers only what no other query needs to read again.
    """
    reach_ms = stream.opened_ms - overlap_ms
    if not is_proven:
        reach_ms = min(reach_ms, stream.resume_ms(overlap_ms))
    coverage = checkpoint.coverage
    if stream.use is Use.LOOKBACK:
        coverage = coverage.advanced(reach_ms)
        if checkpoint.seen.complete_from_ms >= stream.start_ms > 0:
            # It had to start after the watermark, for want of keys, and leaves nothing before its start.
            coverage = coverage.advanced(min(stream.start_ms, stream.opened_ms))
    elif stream.use is Use.BACKFILL:
        coverage = coverage.covered(stream.start_ms, min(reach_ms, stream.end_ms or reach_ms))
    elif stream.use is Use.RECONCILIATION and not is_proven and stream.end_ms is not None:
        # What it has not re-read is a gap like others, so that it is read on from there and not from the start.
        coverage = coverage.with_gap(Gap(stream.resume_ms(overlap_ms), stream.end_ms))
        checkpoint = replace(checkpoint, reconciled_ms=stream.opened_ms)
    return replace(checkpoint.without_stream(stream), coverage=coverage)


def as_read(checkpoint: Checkpoint, overlap_ms: int) -> Coverage:
    """Return the coverage with what the open streams have read so far, as if all of them ended now."""
    for stream in checkpoint.streams:
        if stream.use is not Use.RECONCILIATION:
            checkpoint = closed(checkpoint, stream, overlap_ms, is_proven=False)
    return checkpoint.coverage
