"""What the connector reports: metrics, log lines, and how both write times. Reports never change delivery."""

from datetime import UTC, datetime


def utc_text(epoch_ms: int) -> str:
    """Return that time as people read it."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """Return that time as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
