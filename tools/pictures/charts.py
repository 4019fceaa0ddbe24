"""Panels with a time axis: lines, stacked areas and states. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import cycle
from typing import Final

from tools.dashboards.panels import Panel
from tools.pictures.asking import Line, Point, Span
from tools.pictures.marks import FAINT, INK, SOFT, Box, cut, line, rect, text, width_of
from tools.pictures.units import shown_number

PALETTE: Final = ("#3274D9", "#56A64B", "#E0B400", "#A352CC", "#FA6400", "#37872D", "#1F9E9E", "#C4162A", "#8E8E8E", "#B877D9")
_TICKS: Final = 4
_LEGEND_ROWS: Final = 2
_ROW: Final = 17


def colours_of(found: Sequence[Line], panel: Panel) -> list[str]:
    """Return a colour for each series: the one that the panel gives its name, else the next of the palette that nobody has."""
    taken = set(panel.colours.values())
    free = cycle([colour for colour in PALETTE if colour not in taken] or PALETTE)
    return [panel.colours.get(each.name) or next(free) for each in found]


def lines(panel: Panel, found: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    """Yield a chart with lines, or with stacked areas."""
    colours = colours_of(found, panel)
    legend = list(_legend([each.name for each in found], colours, box))
    rows = 1 + max((row for row, _ in legend), default=0)
    stacked = _stacked(found) if panel.stacked else [(each.points, ()) for each in found]
    top = panel.maximum or max((value for upper, _ in stacked for _, value in upper if not math.isnan(value)), default=0.0)
    ticks = _ticks(top, (1, 2, 4, 8, 16) if panel.unit == "bytes" else (1, 2, 2.5, 5, 10))
    labels = [shown_number(tick, panel.unit) for tick in ticks]
    left = max(width_of(label, 11) for label in labels) + 8
    plot = box.inset(left, 6, 6, 20 + rows * _ROW)
    for tick, label in zip(ticks, labels, strict=True):
        y = plot.bottom - plot.height * tick / ticks[-1]
        yield line(plot.x, y, plot.right, y)
        yield text(plot.x - 6, y + 4, label, 11, SOFT, "end")
    yield from _time_axis(plot, span)
    for (upper, lower), colour in reversed(list(zip(stacked, colours, strict=True))):
        yield from _curve(upper, lower, colour, plot, span, ticks[-1], filled=panel.stacked)
    yield from _marks(plot, span)
    yield from (mark for _, mark in legend)


def _stacked(found: Sequence[Line]) -> list[tuple[tuple[Point, ...], tuple[Point, ...]]]:
    base: dict[float, float] = {}
    bands = []
    for each in found:
        lower = tuple((at, base.get(at, 0.0)) for at, _ in each.points)
        base |= {at: base.get(at, 0.0) + (0.0 if math.isnan(value) else value) for at, value in each.points}
        bands.append((tuple((at, base[at]) for at, _ in each.points), lower))
    return bands


def _ticks(top: float, factors: Sequence[float]) -> list[float]:
    if top <= 0:
        return [0.0, 1.0]
    rough = top / _TICKS
    size = factors[-1] ** math.floor(math.log(rough, factors[-1]))
    step = next((size * factor for factor in factors if size * factor >= rough * 0.999), size * factors[-1])
    return [step * index for index in range(math.ceil(top / step * 0.999) + 1)]


def _time_axis(plot: Box, span: Span) -> Iterator[str]:
    step = next((step for step in (15, 30, 60, 120, 300, 600, 1800) if (span.end - span.start) / step <= plot.width / 75), 3600)
    at = math.ceil(span.start / step) * step
    while at <= span.end:
        x = _across(at, plot, span)
        yield line(x, plot.y, x, plot.bottom)
        if plot.x + 24 < x < plot.right - 20:
            yield text(x, plot.bottom + 15, f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}", 11, SOFT, "middle")
        at += step


def _marks(plot: Box, span: Span) -> Iterator[str]:
    for at in span.marks:
        x = _across(at, plot, span)
        yield f'<line x1="{x:.1f}" y1="{plot.y:.1f}" x2="{x:.1f}" y2="{plot.bottom:.1f}" stroke="#3274D9" stroke-dasharray="4 3"/>'
        yield f'<path d="M{x - 4:.1f} {plot.bottom + 5:.1f}h8l-4 -5z" fill="#3274D9"/>'


def _across(at: float, plot: Box, span: Span) -> float:
    return plot.x + plot.width * (at - span.start) / (span.end - span.start)


def _curve(
    upper: Sequence[Point], lower: Sequence[Point], colour: str, plot: Box, span: Span, top: float, *, filled: bool
) -> Iterator[str]:
    for part in _parts(upper):
        there = _path(part, plot, span, top)
        if filled:
            floor = dict(lower)
            back = _path([(at, floor[at]) for at, _ in reversed(part)], plot, span, top)
            yield f'<polygon points="{there} {back}" fill="{colour}" fill-opacity="0.55"/>'
        yield f'<polyline points="{there}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"/>'


def _parts(points: Sequence[Point]) -> Iterator[list[Point]]:
    part: list[Point] = []
    for point in points:
        if math.isnan(point[1]):
            if part:
                yield part
            part = []
        else:
            part.append(point)
    if part:
        yield part


def _path(points: Sequence[Point], plot: Box, span: Span, top: float) -> str:
    return " ".join(f"{_across(at, plot, span):.1f},{plot.bottom - plot.height * min(value / top, 1.0):.1f}" for at, value in points)


def _legend(names: Sequence[str], colours: Sequence[str], box: Box) -> Iterator[tuple[int, str]]:
    """Yield the number of the row, from below, and the mark; what does not fit is said to be more."""
    row, x = 0, box.x
    places = []
    for index, name in enumerate(names):
        width = 32 + width_of(name, 12)
        if x + width > box.right - (62 if row == _LEGEND_ROWS - 1 else 0) and x > box.x:
            row, x = row + 1, box.x
        if row == _LEGEND_ROWS:
            places.append((row - 1, box.right - 52, f"+ {len(names) - index} more", ""))
            break
        places.append((row, x, cut(name, box.width - 26), colours[index]))
        x += width
    rows = 1 + max((row for row, *_ in places), default=0)
    for row, x, name, colour in places:
        y = box.bottom - (rows - row) * _ROW + 13
        yield (
            row,
            (rect(Box(x, y - 6, 14, 4), colour, radius=2) if colour else "")
            + text(x + (19 if colour else 0), y, name, 12, INK if colour else SOFT),
        )


# --- states ---------------------------------------------------------------------------------------------


def states(panel: Panel, found: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    """Yield a bar for each series, parted where its value changes."""
    names = {each.name: width_of(each.name) for each in found}
    left = min(max(names.values(), default=0) + 10, box.width * 0.45)
    plot = box.inset(left, 4, 6, 22 + _ROW)
    height = min(plot.height / max(len(found), 1), 34.0)
    yield from _time_axis(plot, span)
    for index, each in enumerate(found):
        row = Box(plot.x, plot.y + index * height, plot.width, height - 6)
        yield text(plot.x - 8, row.y + row.height / 2 + 4, cut(each.name, left - 10), 12, INK, "end")
        for start, end, value in _runs(each.points, span):
            first, last = _across(start, plot, span), _across(end, plot, span)
            yield rect(Box(first, row.y, last - first, row.height), _of_value(value, panel, 1), radius=2)
            said = _of_value(value, panel, 0)
            if width_of(said, 11) + 6 < last - first and row.height >= 12:
                yield text(first + 5, row.y + row.height / 2 + 4, said, 11, "#FFFFFF", weight=600)
    yield from (mark for _, mark in _legend(*_meanings(panel), box))


def _meanings(panel: Panel) -> tuple[list[str], list[str]]:
    return [value.text for value in panel.values.values()], [value.colour for value in panel.values.values()]


def _of_value(value: float, panel: Panel, part: int) -> str:
    meanings: Mapping[int, tuple[str, str]] = {number: (value.text, value.colour) for number, value in panel.values.items()}
    return meanings.get(int(value), (f"{value:g}", FAINT))[part]


def _runs(points: Sequence[Point], span: Span) -> Iterator[tuple[float, float, float]]:
    start, value = points[0]
    for at, now in points:
        if now != value or at - start > span.end - span.start:
            yield start, at, value
            start, value = at, now
    yield start, min(points[-1][0] + span.step, span.end), value
