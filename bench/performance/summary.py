"""Medians, and ratios taken round by round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.performance.results import Reading


@dataclass(frozen=True, slots=True)
class Summary:
    """The readings of a run, by scenario and peer; refused ones are kept apart."""

    readings: Sequence[Reading]

    def peers(self, scenario: str) -> list[str]:
        """Return who was measured in a scenario, refused or not, in the order of the first round."""
        return list(dict.fromkeys(each.peer for each in self.readings if each.scenario == scenario))

    def values(self, scenario: str, peer: str, figure: str) -> dict[int, float]:
        """Return one figure of each round that counts."""
        mine = (each for each in self.readings if (each.scenario, each.peer) == (scenario, peer) and not each.refused)
        return {each.round: each.figures[figure] for each in mine if figure in each.figures}

    def median(self, scenario: str, peer: str, figure: str) -> float | None:
        """Return the median over the rounds that count, or None where there is none."""
        values = self.values(scenario, peer, figure)
        return median(values.values()) if values else None

    def ratio(self, scenario: str, ours: str, theirs: str, figure: str) -> float | None:
        """Return the median of ours divided by theirs, taken within each round that counts for both."""
        mine, others = self.values(scenario, ours, figure), self.values(scenario, theirs, figure)
        return _median(mine[number] / others[number] for number in mine.keys() & others.keys() if others[number])

    def refused(self) -> list[Reading]:
        """Return the readings that do not count."""
        return [each for each in self.readings if each.refused]


def _median(values: Iterable[float]) -> float | None:
    kept = list(values)
    return median(kept) if kept else None


def with_added(readings: Sequence[Reading], direct: str) -> list[Reading]:
    """Return the readings, those of latencies with what the proxy added to the origin's own in the same round."""
    own = {(each.scenario, each.round): each.figures for each in readings if each.peer == direct and not each.refused}
    return [_added(each, own.get((each.scenario, each.round), {})) for each in readings]


def _added(reading: Reading, own: Mapping[str, float]) -> Reading:
    more = {f"added_{name}": reading.figures[name] - own[name] for name in ("p50_us", "p99_us") if name in reading.figures and name in own}
    return replace(reading, figures={**reading.figures, **more}) if more else reading
