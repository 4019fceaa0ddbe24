"""Lines over a few sizes, as an SVG picture: one panel beside the other, each with its own axis from zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Final

from bench.performance.picture import GREY, WIDTH, frame, label

_TOP, _HEIGHT, _LEFT, _GAP, _NAMES = 96, 220, 64, 40, 100
_COLOURS: Final = ("#1d4ed8", "#0f766e", "#d97706")
_MARKS: Final = ("circle", "square", "diamond")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name and a value for each size, in microseconds."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """A title and its lines."""

    title: str
    lines: Sequence[Line]


def draw(title: str, axis: str, sizes: Sequence[str], panels: Sequence[Panel], note: str) -> str:
    """Return the picture."""
    height = _TOP + _HEIGHT + 110
    width = (WIDTH - 24 - _GAP * len(panels)) / len(panels)
    parts = [*frame(title, height), label(24, 36, title, 18, "700")]
    for index, panel in enumerate(panels):
        parts.extend(_panel(panel, axis, sizes, 24 + index * (width + _GAP), width))
    names = [line.name for line in panels[0].lines]
    parts.extend(_key(names, height - 46))
    return "\n".join([*parts, label(24, height - 16, note, 12, colour=GREY), "</svg>"]) + "\n"


def top_of(value: float) -> float:
    """Return the end of an axis with room above `value`: 1, 2, 4, 5 or 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** ceil(log10(value) - 1)
    return next((step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * 1.1), 20 * power)


def _panel(panel: Panel, axis: str, sizes: Sequence[str], left: float, width: float) -> Iterator[str]:
    top = top_of(max((value for line in panel.lines for value in line.values), default=0.0))
    start, end, floor = left + _LEFT, left + width - 24, _TOP + _HEIGHT
    yield label(left, _TOP - 24, f"{panel.title}: CPU microseconds", 15, "600")
    for step in range(5):
        y = floor - _HEIGHT * step / 4
        yield f'<path d="M{start - 8:.1f} {y:.1f}H{end + 16:.1f}" stroke="#cbd5e1"/>' + label(
            start - 16, y + 4, f"{top * step / 4:g}", 12, colour=GREY, anchor="end"
        )
    places = [start + 16 + (end - start - 32) * index / max(1, len(sizes) - 1) for index in range(len(sizes))]
    for x, size in zip(places, sizes, strict=True):
        yield label(x, floor + 20, size, 12, colour=GREY, anchor="middle")
    yield label((start + end) / 2, floor + 40, axis, 12, colour=GREY, anchor="middle")
    for index, line in enumerate(panel.lines):
        points = [(x, floor - _HEIGHT * value / top) for x, value in zip(places, line.values, strict=True)]
        yield from _line(points, index)


def _line(points: Sequence[tuple[float, float]], index: int) -> Iterator[str]:
    colour = _COLOURS[index % len(_COLOURS)]
    yield f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in points:
        yield _mark(x, y, index)


def _mark(x: float, y: float, index: int) -> str:
    colour, shape = _COLOURS[index % len(_COLOURS)], _MARKS[index % len(_MARKS)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if shape == "diamond" else ""
    return f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{colour}"{turned}/>'


def _key(names: Sequence[str], y: float) -> Iterator[str]:
    for index, words in enumerate(names):
        x = 32 + index * (_NAMES + 50)
        yield _mark(x, y - 5, index) + label(x + 14, y, words, 13, colour=GREY)
