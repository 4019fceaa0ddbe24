from __future__ import annotations

from proxy.telemetry.histogram import Histogram


def test_a_value_on_a_bound_belongs_below_it_and_the_last_cell_takes_the_rest() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.cumulative() == (2, 3, 4)
    assert histogram.total == 7.65


def test_a_copy_stands_still() -> None:
    histogram = Histogram((1.0,))
    twin = histogram.copy()
    histogram.observe(0.5)
    assert (twin.cumulative(), twin.total) == ((0, 0), 0.0)
