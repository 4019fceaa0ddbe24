"""The plan of docs/how-to/scale.md: what the tool says is what stands there, and it says enough."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.plan import BEGIN, END, FIGURES, UTILISATION, Demand, memory_mb, page, plan, start_of, take, with_spare

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "scale.md"


@pytest.fixture
def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def test_the_page_says_what_the_tool_says(figures: dict[str, Any]) -> None:
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert written.strip() == page(figures), "write it anew: python -m bench.plan --page docs/how-to/scale.md"


def test_every_figure_says_when_where_and_with_what_it_was_measured(figures: dict[str, Any]) -> None:
    assert [name for name, section in figures.items() if not {"measured", "machine", "with"} <= section.keys()] == []


@pytest.mark.parametrize("requests", [1, 100, 4_000, 9_000, 30_000, 100_000, 250_000])
@pytest.mark.parametrize("zones", [1, 2, 3])
@pytest.mark.parametrize("build", ["interpreted", "compiled"])
def test_what_is_left_carries_the_load_at_the_wanted_utilisation(figures: dict[str, Any], requests: int, zones: int, build: str) -> None:
    it = plan(Demand(requests, zones=zones, build=build), figures)
    for left in (it.replicas - 1, it.replicas - (math.ceil(it.replicas / zones) if zones > 1 else 1)):
        assert left >= 1
        assert requests * it.request_us / 1e6 <= left * it.workers * UTILISATION + 1e-9


@pytest.mark.parametrize("zones", [1, 3])
def test_no_replica_is_there_that_is_not_needed(zones: int) -> None:
    for needed in range(1, 30):
        count = with_spare(needed, 1, zones)
        fewer = count - 1
        assert fewer < max(needed + 1, zones) or fewer - math.ceil(fewer / zones) < needed


def test_more_of_anything_never_needs_less(figures: dict[str, Any]) -> None:
    basis = Demand(20_000)
    for more in (replace(basis, requests=90_000), replace(basis, p99_ms=5_000), replace(basis, tokens=1_000_000), replace(basis, spare=2)):
        small, large = plan(basis, figures), plan(more, figures)
        assert large.replicas >= small.replicas
        assert large.store_mb >= small.store_mb
        assert large.store_writes >= small.store_writes
        assert max(large.memory_mb, large.in_flight, large.ready_s, large.replicas) > 0
    assert plan(replace(basis, p99_ms=5_000), figures).in_flight == 10 * plan(basis, figures).in_flight
    assert plan(replace(basis, denied=1.0), figures).cores < plan(replace(basis, denied=0.0), figures).cores


def test_memory_and_start_meet_what_was_measured(figures: dict[str, Any]) -> None:
    empty, *_, full = figures["start"]["sizes"]
    assert start_of(figures, 0) == empty["ready_cpu_s"]
    assert math.isclose(start_of(figures, full["tokens"]), full["ready_cpu_s"])
    assert math.isclose(memory_mb(figures, full["tokens"], 1, 0) - memory_mb(figures, 0, 1, 0), full["process_mb"] - empty["process_mb"])


def test_figures_of_the_byte_path_are_taken_from_a_run(figures: dict[str, Any], tmp_path: Path) -> None:
    about = {"began": "2027-01-02 03:04 UTC", "machine": "2 cores", "python": "3.12.1 (some build)"}
    costs = {"scopegate": 50.0, "scopegate-interpreted": 70.0, "envoy": 60.0}
    rows = [
        {
            "scenario": scenario,
            "peer": peer,
            "round": number,
            "figures": {"cpu_us": cost + number},
            "refused": "" if number < 3 else "ended",
        }
        for scenario in ("forward-32", "deny-32")
        for peer, cost in costs.items()
        for number in range(4)
    ]
    file = tmp_path / "performance.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [{"about": about}, *rows]) + "\n", encoding="utf-8")
    path = take(file, figures)["byte_path"]
    assert (path["measured"], path["machine"], path["with"]) == ("2027-01-02", "2 cores, Python 3.12.1", "make bench")
    assert path["interpreted"] == {"forward_us": 71.0, "deny_us": 71.0}
    assert (path["compiled"]["forward_us"], path["envoy_us"]) == (51.0, 61.0)
