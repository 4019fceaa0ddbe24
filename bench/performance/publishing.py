"""Puts a run where people read it: the tables into the page, the picture beside the README's others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.performance.picture import draw
from bench.performance.results import Run
from bench.performance.tables import document

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PAGE: Final = Path("docs/reference/performance.md")
PICTURE: Final = Path("docs/pictures/performance.svg")


def said(run: Run) -> str:
    """Return what is printed after a run."""
    return document(run)


def between(text: str, new: str, part: str = "measured") -> str:
    """Return a page with something new between the marks of one part."""
    opening, closing = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    head, begin, rest = text.partition(opening)
    _, end, tail = rest.partition(closing)
    if not begin or not end:
        raise ValueError(f"the page has lost its marks, {opening} and {closing}")
    return f"{head}{opening}\n\n{new}\n{closing}{tail}"


def publish(run: Run, root: Path) -> None:
    """Write the page and the picture."""
    page = root / PAGE
    page.write_text(between(page.read_text(encoding="utf-8"), document(run)), encoding="utf-8")
    (root / PICTURE).write_text(draw(run), encoding="utf-8")
