"""Panels without a time axis: numbers, bars, tables and texts. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from proxy.reports.pictures import shown
from tools.dashboards.panels import Panel, Text, column
from tools.pictures.asking import Line, Span
from tools.pictures.marks import FAINT, GROUND, INK, SOFT, Box, cut, line, rect, text, width_of, wrapped
from tools.pictures.units import shown_number

_ROW: Final = 25.0
_BAR: Final = 30.0
_MARK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def colour_at(value: float, panel: Panel) -> str:
    """Return the colour of a number by the panel's steps."""
    return next((colour for start, colour in reversed(panel.steps) if value >= start), INK)


def number(panel: Panel, found: Sequence[Line], box: Box) -> Iterator[str]:
    """Yield one big number, and what it was before."""
    value = found[0].last if found else math.nan
    colour = colour_at(value, panel)
    if not panel.last and found:
        yield from _spark(found[0], colour, Box(box.x - 8, box.y + box.height * 0.6, box.width + 16, box.height * 0.4 + 4))
    said = "no data" if math.isnan(value) else shown_number(value, panel.unit, decimals=panel.decimals)
    size = 34 if width_of(said, 34) < box.width else 26
    yield text(box.x + box.width / 2, box.y + box.height * (0.5 if not panel.last else 0.62), said, size, colour, "middle", 600)


def _spark(of: Line, colour: str, box: Box) -> Iterator[str]:
    points = [(at, value) for at, value in of.points if not math.isnan(value)]
    if len(points) < 2:
        return
    first, last, top = points[0][0], points[-1][0], max(value for _, value in points) or 1.0
    path = " ".join(
        f"{box.x + box.width * (at - first) / (last - first):.1f},{box.bottom - box.height * value / top:.1f}" for at, value in points
    )
    yield f'<polygon points="{path} {box.right:.1f},{box.bottom:.1f} {box.x:.1f},{box.bottom:.1f}" fill="{colour}" fill-opacity="0.15"/>'
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


# --- bars -----------------------------------------------------------------------------------------------


def bars(panel: Panel, found: Sequence[Line], box: Box) -> Iterator[str]:
    """Yield a bar for each series."""
    if not found:
        yield text(box.x + box.width / 2, box.y + box.height / 2, "no data", 14, SOFT, "middle")
        return
    room = max(int(box.height / 22), 1)
    kept = found[:room] if len(found) <= room else found[: room - 1]
    height = min(box.height / (len(kept) + (len(kept) < len(found))), _BAR)
    left = min(max(width_of(each.name) for each in kept) + 10, box.width * 0.52)
    top = max((each.last for each in kept), default=0.0) or 1.0
    for index, each in enumerate(kept):
        y = box.y + index * height
        yield from _bar(panel, each, Box(box.x, y, box.width, height - 6), left, top)
    if len(kept) < len(found):
        yield text(box.x, box.bottom - 6, f"… {len(found) - len(kept)} more", 12, SOFT)


def _bar(panel: Panel, of: Line, row: Box, left: float, top: float) -> Iterator[str]:
    track = Box(row.x + left, row.y, row.width - left - 58, row.height)
    middle, colour = row.y + row.height / 2 + 4, colour_at(of.last, panel)
    yield text(track.x - 8, middle, cut(of.name, left - 10), 12, INK, "end")
    yield rect(track, GROUND, radius=2)
    yield rect(Box(track.x, track.y, track.width * of.last / top, track.height), colour, radius=2)
    yield text(row.right, middle, shown_number(of.last, panel.unit, decimals=panel.decimals), 12, colour, "end", 600)


# --- tables ---------------------------------------------------------------------------------------------


def table(panel: Panel, found: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    """Yield head and rows, as many as there is room for."""
    head, rows = _matrix(panel, found) if panel.matrix else _cells(panel, found, span)
    widths = _widths([head, *rows], box.width)
    room = int(box.height / _ROW) - 1
    kept = rows if len(rows) <= room else rows[: room - 1]
    for index, cells in enumerate([head, *kept]):
        y = box.y + index * _ROW
        yield line(box.x, y + _ROW - 1, box.right, y + _ROW - 1, FAINT)
        x = box.x
        for cell, width in zip(cells, widths, strict=True):
            yield text(x + 4, y + 17, cut(cell, width - 8), 12, SOFT if index == 0 else INK, weight=600 if index == 0 else 400)
            x += width
    if len(kept) < len(rows):
        yield text(box.x + 4, box.y + (len(kept) + 1) * _ROW + 17, f"… {len(rows) - len(kept)} more", 12, SOFT)


def _widths(rows: Sequence[Sequence[str]], width: float) -> list[float]:
    wanted = [max(width_of(row[place]) + 18 for row in rows) for place in range(len(rows[0]))]
    return [each * width / sum(wanted) for each in wanted]


def _cells(panel: Panel, found: Sequence[Line], span: Span) -> tuple[list[str], list[list[str]]]:
    head = [*(column(label) for label in panel.labels), *(query.name for query in panel.queries)]
    merged: dict[tuple[str, ...], dict[int, float]] = {}
    for each in found:
        merged.setdefault(tuple(each.labels.get(label, "") for label in panel.labels), {})[each.query] = each.last
    units = [query.unit or panel.unit for query in panel.queries]
    rows = [(key, values) for key, values in sorted(merged.items())]
    if panel.sort in head[len(panel.labels) :]:
        place = head.index(panel.sort) - len(panel.labels)
        rows.sort(key=lambda row: row[1].get(place, -math.inf), reverse=True)
    return head, [[*key, *_values(values, units, span.end, panel.decimals)] for key, values in rows]


def _values(values: Mapping[int, float], units: Sequence[str], now: float, decimals: int | None) -> list[str]:
    return [shown_number(values[index], unit, now, decimals) if index in values else "" for index, unit in enumerate(units)]


def _matrix(panel: Panel, found: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    assert panel.matrix is not None
    row, across = panel.matrix
    columns = list(dict.fromkeys(each.labels[across] for each in found))
    values = {(each.labels[row], each.labels[across]): each.last for each in found}
    names = list(dict.fromkeys(each.labels[row] for each in found))
    cells = [
        [name, *(shown_number(values.get((name, each), 0), panel.unit, decimals=panel.decimals) for each in columns)] for name in names
    ]
    return [f"{row} \\ {across}", *columns], cells


# --- texts ----------------------------------------------------------------------------------------------


def words(panel: Text, box: Box) -> Iterator[str]:
    """Yield Markdown as lines: bold and code keep their looks, links become their words."""
    y = box.y + 12
    for paragraph in panel.markdown.split("\n"):
        strong = code = False
        bare = _MARK.sub(r"\1", re.sub("^- ", "• ", paragraph))
        for row in wrapped(bare.split(), box.width, 13):
            spans = []
            for word in row:
                spans.append(_styled(word, strong=strong or word.startswith("**"), code=code or word.startswith("`")))
                strong, code = strong != (word.count("**") % 2 == 1), code != (word.count("`") % 2 == 1)
            yield f'<text x="{box.x:.1f}" y="{y:.1f}" font-size="13" fill="{INK}">{" ".join(spans)}</text>'
            y += 19
        y += 0 if paragraph else 6


def _styled(word: str, *, strong: bool, code: bool) -> str:
    bare = shown(word.replace("**", "").replace("`", ""))
    look = (' font-weight="700"' if strong else "") + (' font-family="monospace"' if code else "")
    return f"<tspan{look}>{bare}</tspan>" if look else bare
