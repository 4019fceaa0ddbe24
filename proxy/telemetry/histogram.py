"""A histogram that costs one `bisect` and two additions per observation."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final

REQUEST_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. A denial takes well under a millisecond, a vendor call up to its time-out."""
OVERHEAD_BOUNDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
"""Seconds. The proxy's own share of a request is tens to hundreds of microseconds; more is a symptom."""
VENDOR_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. What a telephony API takes to answer, up to the time-out."""


class Histogram:
    """Counts of observations by upper bound. `counts` has one cell more than `bounds`, for what lies above them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation; a value equal to a bound belongs below it (Prometheus: `le`)."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Return an independent copy as of now."""
        twin = Histogram(self.bounds)
        twin.counts, twin.total = self.counts[:], self.total
        return twin

    def cumulative(self) -> tuple[int, ...]:
        """Return how many observations lie at or below each bound, and last how many there are."""
        return tuple(accumulate(self.counts))
