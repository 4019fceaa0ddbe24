"""The pictures of the dashboards: numbers as Grafana writes them, SVG that is whole, and none that is older than its panels."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from tests.unit.docs.pages import DOCS
from tools.dashboards.all import DASHBOARDS
from tools.dashboards.page import picture_of
from tools.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Text, Value
from tools.pictures.asking import Line, Span
from tools.pictures.drawing import picture
from tools.pictures.units import shown_number

SPAN = Span(1000.0, 1060.0, 10.0, {})
ROWS = [(dashboard, row) for dashboard in DASHBOARDS for row in dashboard.rows]
PICTURES = DOCS / "pictures" / "dashboards"


def texts(svg: str) -> list[str]:
    """Return every text of a picture, which must be well-formed."""
    return ["".join(part.itertext()) for part in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def drawn(panel: Panel | Text, *found: Line) -> list[str]:
    return texts(picture(Row("Row", (panel,)), {panel.title: found}, SPAN, "A < B & C"))


def climbing(name: str, *values: float) -> Line:
    return Line(name, tuple((SPAN.start + 10 * index, value) for index, value in enumerate(values)))


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.123, "percentunit", "12.3%"),
        (1.0, "percentunit", "100%"),
        (0.00123, "s", "1.23 ms"),
        (3600.0, "s", "1 h"),
        (0.0, "s", "0"),
        (3 * 2**20, "bytes", "3 MiB"),
        (12.345, "reqps", "12.3 req/s"),
        (1234.0, "short", "1,234"),
        (0.25, "suffix: cores", "0.25 cores"),
        (940_000.0, "dateTimeFromNow", "1 minute ago"),
        (1_007_200_000.0, "dateTimeFromNow", "in 12 days"),
    ],
)
def test_numbers_are_written_as_grafana_writes_them(value: float, unit: str, told: str) -> None:
    assert shown_number(value, unit, now=1000.0) == told


@pytest.mark.parametrize("stacked", [False, True])
def test_a_chart_has_title_ticks_with_units_times_and_a_legend(stacked: bool) -> None:
    panel = Panel("Traffic", "", "reqps", (), stacked=stacked)
    said = drawn(panel, climbing("first", 0, 1, 2, math.nan, 4, 3), climbing("second", 1, 1, 1, 1, 1, 1))
    assert {"Traffic", "first", "second", "0 req/s", "00:17:00"} <= set(said)


def test_a_mark_is_drawn_where_another_configuration_was_taken_over() -> None:
    row, data = Row("Row", (Panel("Traffic", "", "reqps", ()),)), {"Traffic": [climbing("first", 0, 1, 2)]}
    assert picture(row, data, SPAN, "").count("stroke-dasharray") == 0
    assert picture(row, data, replace(SPAN, marks=(1030.0, 1050.0)), "").count("stroke-dasharray") == 2


def test_a_legend_that_does_not_fit_says_how_many_more_there_are() -> None:
    said = drawn(Panel("Many", "", "short", ()), *(climbing(f"a rather long name {number}", 1, 2) for number in range(20)))
    shown = [text for text in said if text.startswith("a rather")]
    assert f"+ {20 - len(shown)} more" in said


def test_states_are_named() -> None:
    panel = Panel("Up?", "", "short", (), Kind.STATES, width=24, values={0: Value("down", "#f00"), 1: Value("up", "#0f0")})
    said = drawn(panel, climbing("store", 1, 1, 0, 0, 0, 1, 1))
    assert said.count("up") == 3  # twice in the bar, once in the legend
    assert said.count("down") == 2


def test_a_table_merges_its_queries_by_labels_and_sorts() -> None:
    panel = Panel(
        "T", "", "short", (Query("", "Calls"), Query("", "Last", "dateTimeFromNow")), Kind.TABLE, labels=("client",), sort="Calls", width=24
    )
    found = [Line("", ((0.0, value),), {"client": name}, query) for name, value, query in (("a", 1, 0), ("b", 5, 0), ("a", 1_000_000, 1))]
    assert drawn(panel, *found) == ["T", "App", "Calls", "Last", "b", "5", "", "a", "1", "1 minute ago"]


def test_a_matrix_has_a_column_for_each_value() -> None:
    panel = Panel("M", "", "short", (Query("", "N"),), Kind.TABLE, labels=("p", "q"), matrix=("p", "q"))
    found = [Line("", ((0.0, 3.0),), {"p": "yes", "q": "no"}), Line("", ((0.0, 4.0),), {"p": "no", "q": "maybe"})]
    assert drawn(panel, *found) == ["M", "p \\ q", "no", "maybe", "yes", "3", "0", "no", "0", "4"]


def test_numbers_bars_and_texts() -> None:
    assert drawn(Panel("N", "", "percentunit", (), Kind.NUMBER), climbing("x", 0.5, math.nan)) == ["N", "50%"]
    assert drawn(Panel("N", "", "short", (), Kind.NUMBER)) == ["N", "no data"]
    assert drawn(Panel("B", "", "short", (), Kind.BARS, last=True), climbing("a & <b>", 7)) == ["B", "a & <b>", "7"]
    assert drawn(Text("How", "", "**Bold** and `code`, [a link](x).")) == ["How", "Bold and code, a link."]


@pytest.mark.parametrize(("dashboard", "row"), ROWS, ids=[picture_of(*pair) for pair in ROWS])
def test_the_pictures_show_the_panels_that_there_are(dashboard: Dashboard, row: Row) -> None:
    said = texts((PICTURES / picture_of(dashboard, row)).read_text())
    assert [panel.title for panel in row.panels if panel.title not in said] == [], "run `make pictures`"
    assert "no data" not in said


def test_there_are_no_pictures_of_rows_that_are_no_more() -> None:
    assert {file.name for file in PICTURES.iterdir()} == {picture_of(dashboard, row) for dashboard, row in ROWS}
