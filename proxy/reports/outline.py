"""A report for people as parts: writers turn it into text, Markdown or HTML without knowing which report it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what is to be said about them."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `numbers` are the columns that are aligned to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences under a heading."""

    title: str
    items: tuple[str, ...]


Part = Facts | Table | Notes


@dataclass(frozen=True, slots=True)
class Chapter:
    """What a report says about one app. `members` is its part of the document, for pictures."""

    title: str
    parts: tuple[Part, ...]
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outline:
    """A whole report. `lead` says what it is and what it is not."""

    title: str
    lead: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    empty: str = "Nothing was observed that fits the question."


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *numbers: int) -> tuple[Part, ...]:
    """Return a table, or nothing where it would have no rows."""
    return (Table(title, tuple(head), tuple(tuple(row) for row in rows), frozenset(numbers)),) if rows else ()


def notes(title: str, items: Sequence[str]) -> tuple[Part, ...]:
    """Return sentences, or nothing where there are none."""
    return (Notes(title, tuple(items)),) if items else ()


def listed(names: Sequence[str], none: str = "none") -> str:
    """Return names with commas."""
    return ", ".join(names) or none


def minute(moment: str | None) -> str:
    """Return a moment of a document to the minute, "never" for none."""
    return "never" if moment is None else moment[:16].replace("T", " ")
