"""A histogram that costs one append per observation; batches of them are sorted into its cells. Not thread-safe by design."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Final

REQUEST_BOUNDS: Final[tuple[float, ...]] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. A denial takes well under a millisecond, a vendor call up to its time-out."""
OVERHEAD_BOUNDS: Final[tuple[float, ...]] = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
"""Seconds. The proxy's own share of a request is tens to hundreds of microseconds; more is a symptom."""
VENDOR_BOUNDS: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. What a telephony API takes to answer, up to the time-out."""


_WAITING: Final = 512
"""Observations that wait to be sorted into cells: a sorted batch takes one `bisect` per cell, not one per observation."""


class Histogram:
    """Counts of observations by upper bound, and their sum (`total`)."""

    __slots__ = ("_counts", "_total", "_waiting", "bounds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._waiting: list[float] = []

    def observe(self, value: float) -> None:
        """Count one observation; a value equal to a bound belongs below it (Prometheus: `le`)."""
        waiting = self._waiting
        waiting.append(value)
        if len(waiting) >= _WAITING:
            self._sort_in()

    def _sort_in(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._total += sum(waiting)
        waiting.sort()
        below = 0
        for cell, bound in enumerate(self.bounds):
            upto = bisect_right(waiting, bound)
            self._counts[cell] += upto - below
            below = upto
        self._counts[-1] += len(waiting) - below

    @property
    def counts(self) -> list[int]:
        """How many observations lie in each cell; one cell more than `bounds`, for what lies above them all."""
        self._sort_in()
        return self._counts

    @property
    def total(self) -> float:
        """The sum of all observations."""
        self._sort_in()
        return self._total

    def copy(self) -> Histogram:
        """Return an independent copy as of now."""
        return restored(self.bounds, self.counts[:], self.total)

    def cumulative(self) -> tuple[int, ...]:
        """Return how many observations lie at or below each bound, and last how many there are."""
        return tuple(accumulate(self.counts))


def restored(bounds: tuple[float, ...], counts: list[int], total: float) -> Histogram:
    """Return the histogram that had these `counts` and this `total`."""
    histogram = Histogram(bounds)
    histogram._counts, histogram._total = counts, total
    return histogram
