"""One interleaved run: in every round every peer is measured once, in another order each time."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Final

from bench.performance.load import BrokenRoundError
from bench.performance.peers import DIRECT, Peer, workers
from bench.performance.processes import BOTH
from bench.performance.results import Reading
from bench.performance.scenarios import SCENARIOS, SHARED, Effort, Scenario, Stage, forward
from bench.performance.world import NotMeasurableError, Origin, Running, World

WHOLE: Final = Effort(seconds=1, latency_requests=1000, bodies=6)
QUICK: Final = Effort(seconds=1, latency_requests=400, bodies=2)
_WARM: Final = replace(QUICK, seconds=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run consists of. After `limit_s` seconds, what was measured once is not measured again."""

    scenarios: Sequence[Scenario]
    peers: Sequence[Peer]
    rounds: int
    effort: Effort
    limit_s: float

    def rounds_of(self, scenario: Scenario) -> int:
        """Return how often a scenario is run."""
        return self.rounds or scenario.rounds


def chosen(only: Sequence[str]) -> list[Scenario]:
    """Return the scenarios whose names begin so; all of them where nothing is given."""
    every = (*SCENARIOS, *SHARED)
    found = [each for each in every if not only or any(each.key.startswith(name) for name in only)]
    if not found:
        raise NotMeasurableError(f"no such scenario; there are {', '.join(each.key for each in every)}")
    return found


def order(keys: Sequence[str], number: int) -> list[str]:
    """Return who comes when in a round: everybody moves up by one each time, and the last becomes the first."""
    shift = number % len(keys) if keys else 0
    return [*keys[shift:], *keys[:shift]]


class Driver:
    """Runs a plan, and tells every reading as soon as it is there."""

    def __init__(self, plan: Plan, tell: Callable[[Reading], None]) -> None:
        self._plan = plan
        self._tell = tell
        self._deadline = time.monotonic() + plan.limit_s

    def run(self) -> None:
        """Measure everything; nothing that was started still runs afterwards."""
        with tempfile.TemporaryDirectory(prefix="scopegate-bench-") as name, contextlib.ExitStack() as stack:
            world = World(Path(name))
            if standing := [each for each in self._plan.scenarios if each not in SHARED]:
                self._beside(world, stack.enter_context(world.origin()), standing)
            if shared := [each for each in self._plan.scenarios if each in SHARED]:
                self._with_workers(world, stack.enter_context(world.origin(BOTH, 2)), shared)

    def _beside(self, world: World, origin: Origin, scenarios: Sequence[Scenario]) -> None:
        wanted = [peer for peer in self._plan.peers if any(each.takes(peer) and not each.fresh for each in scenarios)]
        with world.all(wanted, origin, lambda peer, why: self._tell(Reading("start", peer.key, 1, {}, why))) as running:
            for it in running.values():
                self._warm(world, it)
            for scenario in scenarios:
                if not scenario.fresh:
                    self._rounds(world, scenario, running)
        for scenario in scenarios:
            if scenario.fresh:
                self._fresh_rounds(world, origin, scenario)

    def _with_workers(self, world: World, origin: Origin, scenarios: Sequence[Scenario]) -> None:
        with contextlib.ExitStack() as stack:
            running = {peer.key: stack.enter_context(world.start(peer, origin, BOTH)) for peer in (workers(1), workers(2))}
            for scenario in scenarios:
                self._rounds(world, scenario, running)

    def _warm(self, world: World, it: Running) -> None:
        if it.peer is not DIRECT:
            for secure in (False, True):
                measured(Scenario("warm", 1, lambda _: True, forward(64, secure)), Stage(world, it, _WARM), 0)

    def _numbers(self, scenario: Scenario) -> Iterator[int]:
        for number in range(1, self._plan.rounds_of(scenario) + 1):
            if number > 1 and time.monotonic() > self._deadline:
                print(f"out of time: no round {number} of {scenario.key}", file=sys.stderr)
                return
            yield number

    def _rounds(self, world: World, scenario: Scenario, running: Mapping[str, Running]) -> None:
        keys = [key for key, it in running.items() if scenario.takes(it.peer)]
        for number in self._numbers(scenario):
            for key in order(keys, number - 1):
                self._tell(measured(scenario, Stage(world, running[key], self._plan.effort), number))

    def _fresh_rounds(self, world: World, origin: Origin, scenario: Scenario) -> None:
        peers = {peer.key: peer for peer in self._plan.peers if scenario.takes(peer)}
        for number in self._numbers(scenario):
            for key in order(list(peers), number - 1):
                try:
                    with world.start(peers[key], origin) as it:
                        self._tell(measured(scenario, Stage(world, it, self._plan.effort), number))
                except NotMeasurableError as problem:
                    self._tell(Reading(scenario.key, key, number, {}, str(problem)))


def measured(scenario: Scenario, stage: Stage, number: int) -> Reading:
    """Return what a scenario measured, or why that does not count: one peer that breaks does not end a long run."""
    key = stage.it.peer.key
    try:
        figures = scenario.run(stage)
    except (BrokenRoundError, OSError, HTTPException, ValueError, LookupError) as broken:
        return Reading(scenario.key, key, number, {}, str(broken) or type(broken).__name__)
    return Reading(scenario.key, key, number, {name: round(value, 3) for name, value in figures.items()})
