"""The smallest parts of a picture: texts, boxes, wrapped lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from proxy.reports.pictures import shown

INK, SOFT, FAINT, PAPER, EDGE, GROUND = "#24292E", "#5F6773", "#E4E7E7", "#FFFFFF", "#D5D8DC", "#F4F5F5"
FONT: Final = "Inter, system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_NARROW, _WIDE = frozenset("iljtfrI.,:;|'!() "), frozenset("mwMW%@")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def inset(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return what is left inside of margins."""
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


def text(x: float, y: float, words: str, size: int = 12, colour: str = INK, anchor: str = "start", weight: int = 400) -> str:
    """Return one line of text."""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{side}{bold}>{shown(words)}</text>'


def rect(box: Box, fill: str, stroke: str = "none", radius: int = 0) -> str:
    """Return a filled rectangle."""
    more = (f' stroke="{stroke}"' if stroke != "none" else "") + (f' rx="{radius}"' if radius else "")
    size = f'width="{max(box.width, 0):.1f}" height="{max(box.height, 0):.1f}"'
    return f'<rect x="{box.x:.1f}" y="{box.y:.1f}" {size} fill="{fill}"{more}/>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str = FAINT) -> str:
    """Return a thin line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def width_of(words: str, size: int = 12) -> float:
    """Return about how wide a text is."""
    return size * sum(0.36 if sign in _NARROW else 0.95 if sign in _WIDE else 0.7 if sign.isupper() else 0.62 for sign in words)


def cut(words: str, width: float, size: int = 12) -> str:
    """Return a text that fits, with an ellipsis where it was cut."""
    if width_of(words, size) <= width:
        return words
    while words and width_of(words, size) > width - size:
        words = words[:-1]
    return words.rstrip() + "…"


def wrapped(words: Iterable[str], width: float, size: int = 12) -> Iterator[list[str]]:
    """Yield the words of one line after the other."""
    row: list[str] = []
    for word in words:
        if row and width_of(" ".join([*row, word]), size) > width:
            yield row
            row = []
        row.append(word)
    if row:
        yield row
