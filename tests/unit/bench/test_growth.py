"""A decision takes the same steps however large the catalogue is and however many tokens are known."""

from __future__ import annotations

import random
from itertools import count
from statistics import median
from xml.etree import ElementTree

import pytest

from bench.curves import Line, Panel, draw, top_of
from bench.growth import (
    AGAIN,
    FIGURE,
    FIRST,
    KINDS,
    ROUTES,
    STEPS,
    TOKENS,
    Cell,
    counted,
    document,
    instructions,
    make_cells,
    name,
    picture,
)
from bench.performance.results import Reading
from proxy.telemetry.exchange import CacheResult, Decision
from tests.unit.bench.samples import run
from tests.unit.docs.pages import rows

READINGS = [
    Reading(kind, name(routes, tokens), turn, {FIGURE: 10_000 * turn if routes == 5 else 15_000 * turn, STEPS: 700})
    for kind in KINDS
    for routes in ROUTES
    for tokens in TOKENS
    for turn in (1, 2, 3)
]


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return make_cells((5, 2_000), (1, 2_000))


@pytest.mark.parametrize("kind", [FIRST, AGAIN])
def test_a_decision_takes_the_same_steps_at_every_size(cells: list[Cell], kind: str) -> None:
    chance, serials = random.Random(7), count()
    taken = {median(instructions(cell, kind, chance, serials) for _ in range(9)) for cell in cells}
    assert max(taken) - min(taken) <= 0.03 * max(taken), taken  # an id in the same millisecond takes a few less


def test_what_is_remembered_saves_steps(cells: list[Cell]) -> None:
    chance, serials = random.Random(7), count()
    assert instructions(cells[0], AGAIN, chance, serials) < instructions(cells[0], FIRST, chance, serials) / 2


def test_requests_are_permitted_for_what_is_known(cells: list[Cell]) -> None:
    for number, cell in enumerate(cells):
        target, fields, _ = cell.question(random.Random(number), number)
        ruling = cell.ask("GET", target, fields)
        assert (ruling.decision, ruling.cache) == (Decision.PERMIT, CacheResult.HIT)


def test_steps_are_counted() -> None:
    assert 0 < counted(lambda: 1) < counted(lambda: [each + 1 for each in range(10)])


def test_the_table_has_a_row_for_each_combination() -> None:
    told = [row for row in rows(document(run(READINGS))) if len(row) == 8]
    assert told[0] == ["5", "1", "20.00", "1.00", "700", "20.00", "1.00", "700"]
    assert told[-1] == ["50,000", "1,000,000", "30.00", "1.50", "700", "30.00", "1.50", "700"]
    assert len(told) == 9


def test_the_plot_has_a_line_for_each_catalogue_in_each_panel() -> None:
    drawn = ElementTree.fromstring(picture(run(READINGS)))
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))) == 2 * len(ROUTES)
    assert "50,000 routes" in {each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_higher_is_higher() -> None:
    drawn = ElementTree.fromstring(draw("t", "x", ["1", "2"], [Panel("p", [Line("a", [1.0, 3.0])])], "n"))
    points = [point.split(",") for point in next(drawn.iter("{http://www.w3.org/2000/svg}polyline")).attrib["points"].split()]
    assert float(points[0][0]) < float(points[1][0])
    assert float(points[0][1]) > float(points[1][1])


@pytest.mark.parametrize(
    ("value", "top"), [(0.0, 1.0), (0.6, 0.8), (1.9, 4.0), (7.5, 10.0), (36.0, 40.0), (41.0, 50.0), (95.0, 200.0), (120.0, 200.0)]
)
def test_an_axis_ends_above_its_longest_line(value: float, top: float) -> None:
    assert top_of(value) == pytest.approx(top)
    assert top > value
