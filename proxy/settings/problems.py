"""What is wrong with a file, where, in words: `Problem` and `Problems`.

Problem texts never repeat a *value* of the file: it may be a secret. Keys and names of vendors are repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""The way to a value: mapping keys and list indexes, from the top."""

_LONGEST_KEY = 80


class Position(NamedTuple):
    """A place in a text file; both count from 1."""

    line: int
    column: int


START = Position(1, 1)


class Problem(NamedTuple):
    """One mistake of a file. `key` is "" where the file as a whole is meant."""

    file: str
    position: Position
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.position.line}:{self.position.column}: "
        return f"{place}{self.key}: {self.message}" if self.key else place + self.message


@dataclass(frozen=True, slots=True)
class Problems:
    """Every problem that was found, sorted by file and position; never empty."""

    items: tuple[Problem, ...]

    def __post_init__(self) -> None:
        if not self.items:
            raise ValueError("problems are never empty")

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.items)


def collect(problems: Iterable[Problem]) -> Problems:
    """Sort problems and drop repetitions; there must be at least one."""
    return Problems(tuple(sorted(set(problems))))


def dotted(path: KeyPath) -> str:
    """Write a key path for people: `clients[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + printable(part)
    return text


def printable(key: str) -> str:
    """Return a key as it can be printed on one line, bounded."""
    short = key if len(key) <= _LONGEST_KEY else key[:_LONGEST_KEY] + "…"
    return short if short.isprintable() else ascii(short)[1:-1]
