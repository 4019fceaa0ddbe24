"""One row of a dashboard as an SVG picture, laid out as Grafana lays it out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from proxy.reports.pictures import shown
from tools.dashboards.panels import COLUMNS, Kind, Panel, Row, Text
from tools.pictures import charts, figures
from tools.pictures.asking import Line, Span
from tools.pictures.marks import EDGE, FONT, GROUND, INK, PAPER, Box, cut, rect, text

WIDTH: Final = 1280
_GAP: Final = 8.0
_UNIT: Final = 36.0
"""Height of one cell of Grafana's grid with its gap (there 38)."""
_TITLE: Final = 26.0


def picture(row: Row, data: Mapping[str, Sequence[Line]], span: Span, title: str) -> str:
    """Return the SVG text; `data` goes by the titles of the panels."""
    places = list(_places(row))
    height = max(box.bottom for box in places) + _GAP
    parts = [part for panel, box in zip(row.panels, places, strict=True) for part in _panel(panel, data.get(panel.title, ()), span, box)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img"'
    ground = rect(Box(0, 0, WIDTH, height), GROUND, radius=6)
    return "\n".join([f'{head} font-family="{FONT}">', f"<title>{shown(title)}</title>", ground, *parts, "</svg>", ""])


def _places(row: Row) -> Iterator[Box]:
    column = (WIDTH - _GAP) / COLUMNS
    left = top = highest = 0
    for panel in row.panels:
        if left + panel.width > COLUMNS:
            left, top, highest = 0, top + highest, 0
        yield Box(_GAP + left * column, _GAP + top * _UNIT, panel.width * column - _GAP, panel.height * _UNIT - _GAP)
        left, highest = left + panel.width, max(highest, panel.height)


def _panel(panel: Panel | Text, found: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    yield rect(box, PAPER, EDGE, 3)
    yield text(box.x + 10, box.y + 19, cut(panel.title, box.width - 20, 14), 14, INK, weight=600)
    inside = box.inset(12, _TITLE + 8, 12, 8)
    if isinstance(panel, Text):
        yield from figures.words(panel, inside)
        return
    match panel.kind:
        case Kind.NUMBER:
            yield from figures.number(panel, found, inside)
        case Kind.BARS:
            yield from figures.bars(panel, found, inside)
        case Kind.TABLE:
            yield from figures.table(panel, found, span, inside)
        case Kind.STATES:
            yield from charts.states(panel, found, span, inside)
        case _:
            yield from charts.lines(panel, found, span, inside)
