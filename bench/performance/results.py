"""What was measured: one reading for each peer, scenario and round, kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

CROWDED: Final = 0.1
"""If more of the cores is busy with something else than this part, a run says that its figures wander."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One peer in one scenario in one round. `refused` says why its figures do not count; it is empty where they do."""

    scenario: str
    peer: str
    round: int
    figures: Mapping[str, float]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Where, when, how and with what a run was made. Each peer has a name, a version and a word on what it did."""

    command: str
    began: str
    machine: str
    system: str
    python: str
    commit: str
    busy: float
    tools: Mapping[str, str]
    peers: Mapping[str, Mapping[str, str]]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One whole run."""

    about: About
    readings: Sequence[Reading]


def lines(run: Run) -> Iterable[str]:
    """Yield a run as JSON lines: what it is about, then its readings."""
    yield json.dumps({"about": asdict(run.about)})
    for reading in run.readings:
        yield json.dumps(asdict(reading))


def read(path: Path) -> Run:
    """Read back what `lines` made."""
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    about: dict[str, Any] = json.loads(first)["about"]
    return Run(About(**about), [Reading(**json.loads(line)) for line in rest])
