"""Percentiles of any number of delays, in little memory."""

from collections import Counter

_PERCENTILES = (50, 95, 99, 100)
_PER_SECOND = 100


class Percentiles:
    """Delays in seconds, told apart to a hundredth."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._counts[round(seconds * _PER_SECOND)] += 1

    def clear(self) -> None:
        self._counts.clear()

    def read(self) -> dict[str, float]:
        """Seconds by `p50`, `p95`, `p99` and `p100`; nothing when there was no delay to measure."""
        total, ordered = self._counts.total(), sorted(self._counts)
        found: dict[str, float] = {}
        passed = 0
        for hundredths in ordered:
            passed += self._counts[hundredths]
            for percent in _PERCENTILES:
                if passed * 100 >= percent * total:
                    found.setdefault(f"p{percent}", hundredths / _PER_SECOND)
        return found
