"""One peer that breaks costs its own rounds, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import BadStatusLine
from pathlib import Path

import pytest

from bench.performance.driver import QUICK, measured
from bench.performance.load import BrokenRoundError
from bench.performance.peers import DIRECT
from bench.performance.results import Reading
from bench.performance.scenarios import Scenario, Stage
from bench.performance.world import Running, World


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(World(tmp_path), Running(DIRECT, "", "", 0), QUICK)


def test_a_round_that_worked_is_a_reading(stage: Stage) -> None:
    scenario = Scenario("forward-32", 1, lambda _: True, lambda _: {"cpu_us": 1.23456})
    assert measured(scenario, stage, 2) == Reading("forward-32", "origin", 2, {"cpu_us": 1.235})


@pytest.mark.parametrize(
    "problem", [BrokenRoundError("broke"), ConnectionResetError(), BadStatusLine("x"), ValueError("no"), KeyError("Rss")]
)
def test_a_round_that_broke_is_a_refused_reading(stage: Stage, problem: Exception) -> None:
    def run(_: Stage) -> Mapping[str, float]:
        raise problem

    reading = measured(Scenario("forward-32", 1, lambda _: True, run), stage, 1)
    assert reading.refused
    assert reading.figures == {}
