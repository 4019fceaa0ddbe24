"""Which denials are sent through: a share, within a bound."""

from __future__ import annotations

from itertools import cycle

from proxy.evidence.sampling import DenialSample
from tests.gates import HandClock


def test_only_the_chosen_share_is_taken() -> None:
    chances = cycle([0.0, 0.0099, 0.01, 0.5, 0.999])
    sample = DenialSample(0.01, 60, HandClock().now, lambda: next(chances))
    assert [sample.take() for _ in range(10)] == [True, True, False, False, False] * 2


def test_never_more_than_the_bound() -> None:
    clock = HandClock()
    sample = DenialSample(1.0, 2, clock.now, lambda: 0.0)
    assert [sample.take() for _ in range(4)] == [True, True, False, False]
    clock.moved += 29.9
    assert not sample.take()
    clock.moved += 0.2
    assert [sample.take(), sample.take()] == [True, False]
    clock.moved += 3600
    assert [sample.take() for _ in range(3)] == [True, True, False]


def test_less_than_one_a_minute() -> None:
    clock = HandClock()
    sample = DenialSample(1.0, 0.5, clock.now, lambda: 0.0)
    assert [sample.take(), sample.take()] == [True, False]
    clock.moved += 119
    assert not sample.take()
    clock.moved += 2
    assert sample.take()
