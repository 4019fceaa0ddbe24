"""The fuzzing harness takes its own seeds, and would tell if something broke."""

from __future__ import annotations

import pytest

from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_takes_its_seeds_and_halves_of_them(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].take(seed)
        TARGETS[name].take(seed[: len(seed) // 2])
