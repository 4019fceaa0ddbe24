"""Printing: JSON for programs, aligned columns and wrapped paragraphs for people."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Sequence

import click

MAX_WIDTH = 110


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
    """Print rows with aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo((indent + "  ".join(cells)).rstrip())


def print_paragraph(text: str, *, first: str = "", rest: str = "") -> None:
    """Print wrapped text; `first` and `rest` begin its lines."""
    click.echo(textwrap.fill(text, width(), initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False))


def print_steps(steps: Iterable[str]) -> None:
    """Print a numbered list."""
    for number, step in enumerate(steps, 1):
        print_paragraph(step, first=f"{number:>3}. ", rest="     ")


def print_links(links: Iterable[str]) -> None:
    """Print addresses, each on a line of its own so that a terminal can follow it."""
    for link in links:
        click.echo(f"     {link}")


def width() -> int:
    """Return how wide text may be."""
    return min(shutil.get_terminal_size((MAX_WIDTH, 24)).columns, MAX_WIDTH)


def complain(text: str) -> None:
    """Print one message on standard error."""
    click.echo(f"scopegate: {text}", err=True)
